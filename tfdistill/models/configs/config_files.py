"""Shapes by name and from Hugging Face's config.json."""

import json
import re
from pathlib import Path

from tfdistill.models.configs.encoder_config import (
    DISTILBERT_ALIASES,
    DISTILBERT_NAMES,
    EncoderConfig,
    require,
)
from tfdistill.models.configs.mobilebert_config import (
    NAMED_SHAPES,
    MobileBertConfig,
    named_mobilebert,
)
from tfdistill.system.errors import UserError
from tfdistill.system.files import refuse_lfs_pointer

CONFIGS = {"bert": EncoderConfig, "distilbert": EncoderConfig, "mobilebert": MobileBertConfig}
MODEL_TYPES = tuple(CONFIGS)

# layers, width, heads; the intermediate size is four times the width.
_NAMED_SIZES = {
    "tiny": (2, 128, 2),
    "mini": (4, 256, 4),
    "small": (4, 512, 8),
    "medium": (8, 512, 8),
    "base": (12, 768, 12),
}


def named_config(name, model_type="bert", vocab_size=30522):
    """A shape by name.

    Args:
        name: "tiny", "mini", "small", "medium", "base" (the sizes of Turc et al., 2019,
            "Well-Read Students Learn Better", and BERT base), or a shape written out in the style
            of the same release, "L-4_H-128_A-2" (layers, width, heads), optionally followed by
            "_I-512" (intermediate size; four times the width when left out). Of MobileBERT: see
            `named_mobilebert`.
        model_type: one of `MODEL_TYPES`.
        vocab_size: number of tokens.

    Returns:
        EncoderConfig.

    Raises:
        UserError: an unknown name or an impossible shape.
    """
    if model_type == "mobilebert":
        known, example = NAMED_SHAPES, NAMED_SHAPES["mobilebert"]
        config = named_mobilebert(name, vocab_size)
    else:
        known, example = _NAMED_SIZES, "L-4_H-128_A-2"
        config = _named_bert(name, model_type, vocab_size)
    require(
        config,
        f"{name!r} is neither a file nor a known size; use "
        f"a JSON file, one of {', '.join(known)}, or a shape like {example}",
    )
    return config


def _named_bert(name, model_type, vocab_size):
    if name in _NAMED_SIZES:
        layers, width, heads = _NAMED_SIZES[name]
        intermediate = None
    else:
        match = re.fullmatch(r"L-(\d+)_H-(\d+)_A-(\d+)(?:_I-(\d+))?", name)
        if not match:
            return None
        layers, width, heads, intermediate = (
            int(part) if part else None for part in match.groups()
        )
    return EncoderConfig(
        model_type=model_type,
        vocab_size=vocab_size,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * width if intermediate is None else intermediate,
    )


def config_file(name_or_json_path):
    """The file that an argument of `read_config` means.

    Args:
        name_or_json_path: as there.

    Returns:
        `Path`, or None where it is a name: of a size, whatever folder is called so.
    """
    path = Path(name_or_json_path)
    if (path / "config.json").is_file():
        return path / "config.json"
    return path if path.is_file() or path.suffix == ".json" else None


def read_config(name_or_json_path, model_type):
    """A shape by name or from a Hugging Face config.json.

    Args:
        name_or_json_path: a name for `named_config`, a JSON file, or a directory that holds a
            config.json.
        model_type: one of `MODEL_TYPES`; a JSON that names another type is refused.

    Returns:
        EncoderConfig.

    Raises:
        UserError: an unknown name, a file that cannot be read, or a JSON of another model type.
    """
    path = config_file(name_or_json_path)
    if path is None:
        return named_config(str(name_or_json_path), model_type)
    values = read_json(path)
    found = values.get("model_type", model_type)
    require(
        found == model_type,
        f"{path} describes a {found}, not a {model_type}; change --student_type or the file",
    )
    if model_type == "bert":
        foreign = sorted(set(values) & set(DISTILBERT_NAMES.values()))
        require(
            not foreign,
            f"{path} uses DistilBERT's names ({', '.join(foreign)}); change --student_type to "
            "distilbert or use BERT's names",
        )
    config = config_of(values | {"model_type": model_type}, path)
    if model_type == "distilbert":
        _refuse_ignored(values, config, path)
    return config


def _refuse_ignored(values, config, path):
    """A student that somebody wrote down is not to lack what it says under a name of BERT's."""
    for name, own in DISTILBERT_NAMES.items():
        ignored = name not in DISTILBERT_ALIASES and name in values and own not in values
        require(
            not ignored or values[name] == getattr(config, name),
            f"{path} sets {name}, which DistilBERT does not read; write {own} instead",
        )


def read_json(path):
    """Read a JSON object.

    Args:
        path: a file.

    Returns:
        dict.

    Raises:
        UserError: the file is missing, unreadable, or holds no JSON object.
    """
    try:
        refuse_lfs_pointer(path)
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read {path}: {reason}") from error
    if not isinstance(values, dict):
        raise UserError(f"{path} holds no JSON object; a Hugging Face config.json is needed")
    return values


def config_of(values, path):
    """`from_hugging_face` of the model type's config, whose complaints name the file.

    Args:
        values: dict, the content of config.json.
        path: the file it was read from.

    Returns:
        EncoderConfig.

    Raises:
        UserError: as `from_hugging_face`, with the file's name in front.
    """
    model_type = values.get("model_type", "bert")
    try:
        require(
            model_type in CONFIGS,
            f"model_type {model_type!r} is not supported; use one of {', '.join(CONFIGS)}",
        )
        return CONFIGS[model_type].from_hugging_face(values)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
