"""Sentence encoders: the files in which sentence-transformers says how a text becomes a vector.

modules.json lists the parts of a model with their folders. Here it is a transformer, whose files
lie in the directory itself or in a folder of it, and a pooling; or, in place of both, a table of
vectors of tokens, of which the mean is taken. A normalisation may follow.
"""

import json
import os
import re
from pathlib import Path
from typing import NamedTuple

from tfdistill.models.configs.config_files import CONFIG, read_json
from tfdistill.models.configs.model_types import get_model_type
from tfdistill.system.errors import UserError

_MODULES = "modules.json"
_TRANSFORMER, _POOLING, _NORMALIZE = "Transformer", "Pooling", "Normalize"
_STATIC = "StaticEmbedding"
_LENGTH_FILE, _PROMPTS_FILE = "sentence_bert_config.json", "config_sentence_transformers.json"
FILES = (_MODULES, f"1_Pooling/{CONFIG}", _LENGTH_FILE, _PROMPTS_FILE)
_SHORTEST = 3  # [CLS], a token, [SEP]
INNER = "0_*/"  # where older versions put the transformer's files
_INSIDE = re.compile(r"[\w-][\w.-]*/?")  # a folder beside modules.json
# sentence-transformers' keys; newer folders name the pooling itself.
_KEY = "pooling_mode_"
_POOLINGS = {"mean_tokens": "mean", "cls_token": "cls"}


class SentenceModules(NamedTuple):
    """What a folder of sentence-transformers does with the hidden states of a text.

    Args:
        pooling: "mean" or "cls".
        normalize: whether vectors are divided by their length.
        max_length: most tokens of a text; None if the folder does not say it.
    """

    pooling: str
    normalize: bool
    max_length: int | None


def transformer_folder(directory):
    """The folder with the config.json, the weights and the tokenizer of a model.

    Args:
        directory: `Path` of a Hugging Face directory, or of one of sentence-transformers.

    Returns:
        `Path`: the directory, or the folder in it that its modules.json names.

    Raises:
        UserError: modules.json is damaged.
    """
    for kind, path in _listed(directory):
        if kind == _TRANSFORMER:
            return directory / path
    return directory


def is_sentence_encoder(directory):
    """Whether a directory, or the one above that names it, has a modules.json."""
    return _home(directory) is not None


def read_modules(directory):
    """Reads how a sentence encoder makes a vector of the hidden states.

    Args:
        directory: `Path` of a directory, or of the transformer's folder in it.

    Returns:
        `SentenceModules`; None for a directory without modules.json.

    Raises:
        UserError: a file is damaged, or the model has parts or settings that are not supported.
    """
    home = _home(directory)
    if home is None:
        return None
    modules = _listed(home)
    kinds = [kind for kind, _ in modules]
    inner, pooling = modules[0][1] if modules else "", "mean"
    if kinds not in ([_STATIC], [_STATIC, _NORMALIZE]):
        if kinds not in ([_TRANSFORMER, _POOLING], [_TRANSFORMER, _POOLING, _NORMALIZE]):
            raise UserError(
                f"{_MODULES}: its modules are {', '.join(kinds)}; only {_TRANSFORMER}, "
                f"{_POOLING} and {_NORMALIZE}, in this order, are supported: use another model"
            )
        pooling = _read_pooling(home, modules[1][1])
    _refuse_prompt(home)
    settings = _optional(home / inner / _LENGTH_FILE)
    if settings.get("do_lower_case"):
        tokenizer = _optional(home / inner / "tokenizer_config.json")
        if not tokenizer.get("do_lower_case", True):
            raise UserError(
                f"{_LENGTH_FILE}: do_lower_case with a tokenizer that keeps the "
                "case is not supported: use another model"
            )
    longest = settings.get("max_seq_length")
    if longest is not None and (type(longest) is not int or longest < _SHORTEST):
        raise UserError(
            f"{_LENGTH_FILE}: max_seq_length is {longest!r}, not a number of tokens: correct it"
        )
    return SentenceModules(pooling, _NORMALIZE in kinds, longest)


def _read_pooling(home, folder):
    path = f"{folder}/{CONFIG}"
    found = _poolings(read_json(home / path))
    if len(found) != 1 or found[0] not in _POOLINGS.values():
        raise UserError(
            f"{path}: the pooling {' and '.join(found) or 'of no kind'} is not supported, only "
            f"{' or '.join(_POOLINGS.values())}: use another model"
        )
    return found[0]


def sentence_pooling(directory):
    """The pooling that a fresh head on the encoder of a folder should have.

    The dense layer of its checkpoint's pooler, if there is one, was left as it was when the
    sentence embeddings were trained.

    Args:
        directory: `Path` of a Hugging Face directory.

    Returns:
        "mean" or "cls"; "" for a folder of another kind, or another pooling.

    Raises:
        UserError: the files are damaged.
    """
    home = _home(directory)
    path = home and next((path for kind, path in _listed(home) if kind == _POOLING), "")
    found = _poolings(read_json(home / path / CONFIG)) if path else []
    return next((each for each in found if each in _POOLINGS.values()), "")


def write_modules(directory, head):
    """Writes the files from which a sentence encoder is read again, here or elsewhere.

    Args:
        directory: `Path` of its Hugging Face directory.
        head: an `EmbeddingHead`.

    Raises:
        OSError: a write failed.
    """
    has_layers = get_model_type(head.config.model_type).has_layers
    kinds = [_TRANSFORMER, _POOLING] if has_layers else [_STATIC]
    kinds += [_NORMALIZE] * head.normalize
    modules = [
        {
            "idx": index,
            "name": str(index),
            "path": f"{index}_{kind}" * (index > 0),
            "type": f"sentence_transformers.models.{kind}",
        }
        for index, kind in enumerate(kinds)
    ]
    modes = {f"{_KEY}{key}": head.pooling == name for key, name in _POOLINGS.items()}
    pooling = {"word_embedding_dimension": head.config.hidden_size} | modes
    length = {"max_seq_length": head.max_length or head.config.max_length}
    written = {_MODULES: modules, _LENGTH_FILE: length | {"do_lower_case": False}}
    if has_layers:
        written[f"1_{_POOLING}/{CONFIG}"] = pooling
    for name, values in written.items():
        path = directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _home(directory):
    """The folder with modules.json: this one, or the one above if it names this one; or None."""
    directory = Path(directory)
    if (directory / _MODULES).is_file():
        return directory
    above = directory.resolve().parent
    named = _listed(above) if (above / _MODULES).is_file() else []
    return above if (_TRANSFORMER, directory.resolve().name) in named else None


def _listed(directory):
    """The modules of a folder: a list of (last part of the class's name, path); [] without."""
    path = directory / _MODULES
    if not path.is_file():
        return []
    try:
        return [
            (each["type"].rpartition(".")[2], _inside(each["path"]))
            for each in read_json(path, list)
        ]
    except (AttributeError, KeyError, TypeError, ValueError):
        raise UserError(f"{path} is no list of modules with type and path: correct it") from None


def _inside(folder):
    """The folder, if it is "" or lies beside modules.json; else raises an error of Python's."""
    if folder in (".", "./"):
        return ""
    if folder and not _INSIDE.fullmatch(folder):
        raise ValueError(folder)
    return os.fspath(folder)


def _poolings(values):
    """The names of the poolings that a config switches on: a list of str."""
    named = values.get("pooling_mode")
    if isinstance(named, list | tuple):
        return [str(each) for each in named]
    if named:
        return [str(named)]
    keys = [key.removeprefix(_KEY) for key in values if key.startswith(_KEY) and values[key]]
    return [_POOLINGS.get(key, key) for key in keys]


def _refuse_prompt(home):
    """Refuses a model that puts words before each text."""
    values = _optional(home / _PROMPTS_FILE)
    name, prompts = values.get("default_prompt_name"), values.get("prompts") or {}
    if not isinstance(prompts, dict) or not isinstance(name, str | None):
        raise UserError(f"{_PROMPTS_FILE}: prompts are names with texts: correct it")
    if prompt := prompts.get(name):
        raise UserError(
            f"{_PROMPTS_FILE}: the prompt {prompt!r} before each text is not supported: use "
            "another model"
        )


def _optional(path):
    return read_json(path) if path.is_file() else {}
