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

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] the a whale ship sea sank , . ##s ##ed e é".split()
TEXT = "".join(
    f" = Title {number} = \n\n The whale number {number} sank the ship . \n A sea , <unk> . \n\n"
    for number in range(40)
)
CSV = "text,label\n" + "".join(
    f'"The ship, {n}, sank",{"good" if n % 2 else "bad"}\n' for n in range(40)
)
TSV = CSV.replace('"', "").replace(",", "\t").replace("ship\t", "ship ").replace("\t sank", " sank")
NUMBERS = "sentence1\tsentence2\tscore\n" + "".join(
    f"a ship {n}\tthe sea {n}\t{n / 8}\n" for n in range(90)
)
JSONL = "".join(json.dumps({"text": f"ship {n}", "label": n % 2}) + "\n" for n in range(40))
TAGGED = "".join(
    json.dumps({"tokens": ["Ahab", "sank", str(n)], "ner_tags": ["B-PER", "O", "O"]}) + "\n"
    for n in range(90)
)
CONLL = "-DOCSTART- -X- O O\n\n" + "".join(
    f"Ahab NNP B-NP B-PER\nsank VBD O O\n{n} CD O O\n\n" for n in range(90)
)
SQUAD = {
    "version": "v2.0",
    "data": [
        {
            "title": f"Ships {number}",
            "paragraphs": [
                {
                    "context": "The whale sank the ship in 1820.",
                    "qas": [
                        {
                            "id": f"{number}-{place}",
                            "question": "When?",
                            "answers": [{"text": "1820", "answer_start": 27}][:place],
                            "is_impossible": not place,
                        }
                        for place in (0, 1)
                    ],
                }
            ],
        }
        for number in range(25)
    ],
}
CONFIG = {
    "architectures": ["BertForMaskedLM"],
    "model_type": "bert",
    "vocab_size": len(WORDS),
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 10,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "layer_norm_eps": 1e-12,
    "initializer_range": 0.02,
    "pad_token_id": 0,
    "id2label": {"0": "bad", "1": "good"},
    "label2id": {"bad": 0, "good": 1},
}
CONFIGS = {
    "bert": CONFIG,
    "electra": {**CONFIG, "model_type": "electra", "embedding_size": 4},
    "deberta-v2": {
        **CONFIG,
        "model_type": "deberta-v2",
        "type_vocab_size": 0,
        "pos_att_type": "c2p|p2c",
    }
    | {"relative_attention": True, "share_att_key": True, "norm_rel_ebd": "layer_norm"}
    | {"position_buckets": 8, "position_biased_input": False},
    "mobilebert": {**CONFIG, "model_type": "mobilebert", "intra_bottleneck_size": 4}
    | {"embedding_size": 4, "trigram_input": True, "true_hidden_size": 4, "use_bottleneck": True},
}
TOKENIZER = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [
        {"id": n, "content": word, "special": True, "single_word": False, "lstrip": False}
        | {"rstrip": False, "normalized": False}
        for n, word in enumerate(WORDS[:5])
    ],
    "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True}
    | {"strip_accents": None, "lowercase": True},
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": None,
    "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
    "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##"}
    | {"max_input_chars_per_word": 100, "vocab": {word: n for n, word in enumerate(WORDS)}},
}
TOKENIZER_SETTINGS = {"tokenizer_class": "BertTokenizer", "do_lower_case": True} | {
    "model_max_length": 10,
    "mask_token": "[MASK]",
    "added_tokens_decoder": {
        str(n): {"content": word, "special": True} for n, word in enumerate(WORDS[:5])
    },
}
MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
]
FLAGS = (
    "# a run\n--corpus=sample\n--recipe=kd\n--steps=100\n--length=32\n--nowhole_word_masking\n"
    "--learning_rate=1e-3\n--student_config=tiny\n--teacher_config=small\n--output_dir=runs/x\n"
)
GRID = {
    "description": "A grid.",
    "flags": {"corpus": "sample", "recipe": "mlm", "steps": 10},
    "axes": {"rate": {"0": {"dropout": 0}, "0.2": {"dropout": 0.2}}, "seed": [0, 1, 2]}
    | {
        "start": {"text": {"student_init": "text"}, "x": {"length": 32, "independent_of": ["rate"]}}
    },
    "shared": {
        "teacher": {
            "axes": ["rate", "seed"],
            "last_stage": "teacher",
            "gives": {"teacher": "teacher"},
        }
    },
    "leave_out": [{"rate": "0.2", "seed": "seed-1", "reason": "no"}],
    "minutes": 3,
    "claims": [
        {
            "name": "A",
            "better": {"rate": "0.2", "start": "text"},
            "than": {"start": "x"},
            "metric": "loss",
        }
    ],
    "target": {"start": "x"},
}
PARTS = {
    "whole_heads": True,
    "layers": 1,
    "width": 4,
    "intermediate": 4,
    "step": 2,
    "sandwich": False,
}
LATENCIES = {
    "format": 1,
    "kind": "cpu",
    "machine": {},
    "smallest": dict(layers=1, width=4, intermediate=4, heads=1, head_size=2, vocabulary=9),
    "largest": dict(layers=2, width=32, intermediate=64, heads=2, head_size=16, vocabulary=100),
    "fits": [
        {"variant": "int8", "length": 16, "threads": 1}
        | {"milliseconds": {"file": 0.5, "layer": 0.25, "product": 1e-6}}
    ],
    "times": [],
}
VECTORS = "".join(f"{word} {n} 0.5 -1e-3\n" for n, word in enumerate(WORDS))
PHONE = (
    "INFO: Graph: [/data/local/tmp/student.tflite]\nINFO: Num threads: [1]\n"
    "INFO: Signature to run: [tokens_16]\nThe input model file size (MB): 4.5\n"
    "count=50 first=1 curr=2 min=1 max=3 avg=2 std=0 p5=1 median=2 p95=3\n"
    "Inference timings in us: Init: 5, First inference: 6, Warmup (avg): 7, Inference (avg): 8\n"
    "Memory footprint delta from the start of the tool (MB): init=1.5 overall=2.5\n"
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
