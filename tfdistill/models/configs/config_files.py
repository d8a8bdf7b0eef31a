"""Configs by name and from Hugging Face's config.json."""

from pathlib import Path

from tfdistill.models.configs.encoder_config import EncoderConfig
from tfdistill.models.configs.model_types import MODEL_TYPES, get_model_type
from tfdistill.models.configs.values import require
from tfdistill.system import strict_json
from tfdistill.system.errors import UserError
from tfdistill.system.files import refuse_lfs_pointer

CONFIG = "config.json"  # of a model's folder


def named_config(name, model_type="bert", vocab_size=30522):
    """A config by name.

    Args:
        name: a name such as "tiny", or a shape such as "L-4_H-128_A-2", in the notation of the
            model type; see `configs.bert.named_shape` and `configs.mobilebert.named_shape`.
        model_type: a key of `MODEL_TYPES`.
        vocab_size: number of tokens.

    Returns:
        EncoderConfig.

    Raises:
        UserError: an unknown name or an impossible shape.
    """
    kind = get_model_type(model_type)
    config = kind.named_shape(name, model_type=model_type, vocab_size=vocab_size)
    examples = ", ".join((*kind.shape_names, kind.shape_example))
    require(
        config is not None,
        f"{name!r} is neither a file nor a shape of a {model_type}: use a config.json, a folder "
        f"with one, or a shape such as {examples}",
    )
    return config


def config_file(name_or_json_path):
    """The config.json that an argument of `read_config` names.

    Args:
        name_or_json_path: as for `read_config`.

    Returns:
        `Path`, or None where the argument is the name of a shape. A folder of that name counts
        only if it holds a config.json.
    """
    path = Path(name_or_json_path)
    if (path / CONFIG).is_file():
        return path / CONFIG
    return path if path.is_file() or path.suffix == ".json" else None


def read_config(name_or_json_path, model_type):
    """A config by name or from a Hugging Face config.json.

    Args:
        name_or_json_path: a name for `named_config`, a JSON file, or a directory that holds a
            config.json.
        model_type: a key of `MODEL_TYPES`; a JSON file that names another type is refused.

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
        f"{path} describes a {found}, not a {model_type}: change the model type or the file",
    )
    kind = get_model_type(model_type)
    _refuse_keys_of_other_types(values, kind, path)
    config = config_of(values | {"model_type": model_type}, path)
    _refuse_ignored_keys(values, config, kind, path)
    return config


def _refuse_keys_of_other_types(values, kind, path):
    """Refuses a file whose keys only another model type reads."""
    own = set(kind.hugging_face.keys.values())
    for other in MODEL_TYPES.values():
        foreign = sorted(set(values) & set(other.hugging_face.keys.values()) - own)
        require(
            not foreign,
            f"{path} uses keys of a {other.name} ({', '.join(foreign)}): change the model type to "
            f"{other.name}, or use the keys of a {kind.name}",
        )


def _refuse_ignored_keys(values, config, kind, path):
    """Refuses a file that sets a field under a key that Hugging Face does not read."""
    for field, key in kind.hugging_face.keys.items():
        ignored = field in values and field not in kind.hugging_face.keys_of(field)
        require(
            not ignored or key in values or values[field] == getattr(config, field),
            f"{path} sets {field}, which a {kind.name} does not read: write {key} instead",
        )


def read_json(path, kind=dict):
    """Reads a JSON file of a Hugging Face directory.

    Args:
        path: the file.
        kind: dict or list, what it must hold.

    Returns:
        Its content.

    Raises:
        UserError: the file is missing, unreadable, or holds something else.
    """
    try:
        refuse_lfs_pointer(path)
        values = strict_json.parse(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        if isinstance(error, FileNotFoundError) and Path(path).name == CONFIG:
            reason += "; name the folder of a model, such as student/ of a run"
        raise UserError(f"cannot read {path}: {reason}") from error
    if not isinstance(values, kind):
        what = "object: give a Hugging Face config.json" if kind is dict else "list"
        raise UserError(f"{path} is not a JSON {what}")
    return values


def config_of(values, path):
    """Makes a config of the content of config.json; errors name the file.

    Args:
        values: dict, the content.
        path: the file that it comes from.

    Returns:
        EncoderConfig.

    Raises:
        UserError: as `EncoderConfig.from_hugging_face`, with the file's name in front.
    """
    try:
        return EncoderConfig.from_hugging_face(values)
    except UserError as error:
        raise UserError(f"{path}: {error.message}") from error
