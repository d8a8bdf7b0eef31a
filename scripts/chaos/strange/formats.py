"""Formats of files that strangers may hand over: a valid folder of each, and its reader.

A `Format` has a valid folder, the files of it that are damaged, and a reader, a function of the
folder. The reader must return, or raise a `UserError` or an `OSError`, whatever the files hold.
"""

import dataclasses
import gzip
import json
from collections.abc import Callable

import numpy as np

from scripts.chaos.strange import damage, kept, lite, readers, runs
from scripts.chaos.strange.contents import (
    CONFIG,
    CONFIGS,
    CONLL,
    CSV,
    FLAGS,
    GRID,
    JSONL,
    LATENCIES,
    MODULES,
    NUMBERS,
    PARTS,
    PHONE,
    SQUAD,
    TAGGED,
    TEXT,
    TOKENIZER,
    TOKENIZER_SETTINGS,
    TSV,
    VECTORS,
    WORDS,
)


@dataclasses.dataclass(frozen=True)
class Format:
    """A format of files.

    Args:
        name: what the figures call it.
        files: function without arguments to a dict of names of files to bytes: a valid folder.
        read: function of the folder, a `Path`.
        damages: functions of `damage`.
        damaged: names of the files to damage; all files if empty.
    """

    name: str
    files: Callable
    read: Callable
    damages: tuple
    damaged: tuple = ()


def texts(**files):
    """A function to a folder with files of text or JSON, whose names have "_" before the suffix."""

    def content():
        return {
            name: each if isinstance(each, bytes) else _bytes(each) for name, each in files.items()
        }

    return content


def _bytes(value):
    return (value if isinstance(value, str) else json.dumps(value, indent=1)).encode()


def _model():
    return {"config.json": _bytes(CONFIG), "model.safetensors": readers.safetensors(CONFIG)}


def tokenizer_files():
    """The files of a tokenizer."""
    return {
        "tokenizer.json": _bytes(TOKENIZER),
        "tokenizer_config.json": _bytes(TOKENIZER_SETTINGS),
        "vocab.txt": "\n".join(WORDS).encode(),
        "special_tokens_map.json": _bytes({"mask_token": "[MASK]"}),
        "added_tokens.json": _bytes({}),
        "config.json": _bytes(CONFIG),
    }


def part_files():
    """The files that describe a super-student."""
    return {"super_student.json": _bytes(PARTS), "config.json": _bytes(CONFIG)}


def _split_model():
    whole = _model()["model.safetensors"]
    names = {name: "model-00001-of-00001.safetensors" for name in readers.shapes_of(CONFIG)}
    return {
        "config.json": _bytes(CONFIG),
        "model-00001-of-00001.safetensors": whole,
        "model.safetensors.index.json": _bytes({"metadata": {}, "weight_map": names}),
    }


def _one(name, value):
    return texts(**{name: value})


def _array():
    return {
        "vectors.npy": readers.npy(np.ones((len(WORDS), 3), np.float32)),
        "vectors.txt": _words(),
    }


def _words():
    return "\n".join(WORDS).encode()


def _binary_vectors():
    rows = [word.encode() + b" " + np.ones(3, "<f4").tobytes() + b"\n" for word in WORDS]
    return {"vectors.bin": f"{len(WORDS)} 3\n".encode() + b"".join(rows)}


_CORPORA = {
    "text": _one("text.txt", TEXT),
    "packed text": texts(**{"text.txt.gz": gzip.compress(TEXT.encode(), mtime=0)}),
    "rows of JSON": _one("text.jsonl", JSONL),
}
_LABELLED = {
    "CSV": (_one("data.csv", CSV), "text"),
    "TSV": (_one("data.tsv", TSV), "text"),
    "TSV, numbers": (_one("data.tsv", NUMBERS), "numbers"),
    "JSONL": (_one("data.jsonl", JSONL), "text"),
    "JSONL, tags": (_one("data.jsonl", TAGGED), "tags"),
    "CoNLL": (_one("data.conll", CONLL), "tags"),
    "SQuAD": (_one("data.json", SQUAD), "spans"),
}

FORMATS = (
    Format("safetensors", _model, readers.tensors, damage.OF_TENSORS, ("model.safetensors",)),
    Format(
        "safetensors index",
        _split_model,
        readers.tensors,
        damage.OF_JSON,
        ("model.safetensors.index.json",),
    ),
    *(
        Format(f"config.json, {kind}", _one("config.json", config), readers.config, damage.OF_JSON)
        for kind, config in CONFIGS.items()
    ),
    Format(
        "tokenizer",
        tokenizer_files,
        readers.tokenizer,
        damage.OF_JSON,
        ("tokenizer.json", "tokenizer_config.json", "added_tokens.json", "special_tokens_map.json"),
    ),
    Format("vocab.txt", _one("vocab.txt", _words()), readers.tokenizer, damage.OF_TEXT),
    Format(
        "modules.json",
        texts(
            **{"modules.json": MODULES, "1_Pooling/config.json": {"pooling_mode_cls_token": True}},
            **{"sentence_bert_config.json": {"max_seq_length": 10}, "config.json": CONFIG},
        ),
        readers.modules,
        damage.OF_JSON,
        ("modules.json", "1_Pooling/config.json", "sentence_bert_config.json"),
    ),
    Format("flagfile", _one("run.flags", FLAGS), readers.flagfile, damage.OF_TEXT),
    *(
        Format(f"corpus, {name}", files, readers.corpus, damage.OF_TEXT + damage.OF_JSON[:1])
        for name, files in _CORPORA.items()
    ),
    *(
        Format(name, files, readers.labelled(kind), damage.OF_TEXT + damage.OF_JSON[:3])
        for name, (files, kind) in _LABELLED.items()
    ),
    Format("word vectors, text", _one("vectors.txt", VECTORS), readers.vectors, damage.OF_TEXT),
    Format("word vectors, binary", _binary_vectors, readers.vectors, damage.OF_NUMBERS),
    Format("word vectors, npy", _array, readers.vectors, damage.OF_NUMBERS, ("vectors.npy",)),
    Format(
        "shards",
        lambda: kept.shards(WORDS, TEXT),
        kept.read_shards,
        (*damage.OF_JSON, damage.number),
    ),
    Format("teacher cache", kept.row_store, kept.read_row_store, damage.OF_NUMBERS),
    Format("kept answers", kept.answers, kept.read_answers, damage.OF_NUMBERS + damage.OF_JSON),
    Format(
        "checkpoint",
        kept.checkpoint,
        kept.read_checkpoint,
        damage.OF_TENSORS + damage.OF_JSON,
    ),
    Format("run directory", runs.run_folder, runs.read, damage.OF_JSON + damage.OF_TEXT),
    Format("grid", _one("grid.json", GRID), readers.grid, damage.OF_JSON),
    Format(
        "super_student.json",
        part_files,
        readers.parts,
        damage.OF_JSON,
        ("super_student.json",),
    ),
    Format(
        "parts.json",
        texts(**{"parts.json": {"widths": [1, 0.5], "depths": [1]}, "config.json": CONFIG}),
        readers.grid_of_parts,
        damage.OF_JSON,
        ("parts.json",),
    ),
    Format("latency table", _one("latency.json", LATENCIES), readers.latency_table, damage.OF_JSON),
    Format("TFLite", lite.tflite, lite.read_tflite, damage.OF_NUMBERS),
    Format("TFLite metadata", lite.tflite, lite.read_tflite, (damage.metadata,)),
    Format("phone's output", _one("output.txt", PHONE), readers.phone, damage.OF_TEXT),
)
