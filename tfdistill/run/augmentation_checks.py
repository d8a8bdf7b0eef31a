"""Checks of augmentation, before any long work begins."""

from pathlib import Path

from tfdistill.models.configs.config_files import CONFIG, config_of, read_json
from tfdistill.models.configs.model_types import MODEL_TYPES, get_model_type, types_for_text
from tfdistill.settings.augmentation import TINYBERT
from tfdistill.system.errors import UserError

HEAD = "ForMaskedLM"  # of Hugging Face's names of classes


def source_of_words(config, teachers):
    """The model that proposes words: (its folder or hub name, the setting that names it).

    Args:
        config: a `RunConfig`.
        teachers: list of the folders or hub names of teachers.

    Returns:
        Two str, both "" for a run without such a model.
    """
    if config.augmentation != TINYBERT:
        return "", ""
    if config.augmentation_model:
        return config.augmentation_model, "augmentation_model"
    return teachers[0], "teacher"


def check_augmentation(config, teachers, rows):
    """Refuses a bound below the data, and a model that cannot propose words.

    Args:
        config: a `RunConfig` with `augmentation`.
        teachers: as for `source_of_words`; a hub name is not looked up.
        rows: examples of the training split.

    Raises:
        UserError: one of them.
    """
    if 0 < config.augmentation_rows <= rows:
        raise UserError(
            f"`augmentation_rows`={config.augmentation_rows} leaves no room for variants: the "
            f"training split has {rows:,} examples: give more, or 0 for no bound"
        )
    name, setting = source_of_words(config, teachers)
    if name and (Path(name) / CONFIG).is_file():
        require_words_from(Path(name), name, setting)


def require_words_from(folder, name, setting):
    """Refuses a model that cannot propose words, by its config.json.

    Args:
        folder: its `Path`.
        name, setting: as `source_of_words` names it.

    Raises:
        UserError: it has no masked-LM head and cannot get one here, or one that is not read.
    """
    values = read_json(folder / CONFIG)
    kind = get_model_type(config_of(values, folder / CONFIG).model_type)
    with_head = any(each.endswith(HEAD) for each in values.get("architectures") or ())
    if with_head and not kind.hugging_face.head_prefix:
        raise UserError(
            f"`{setting}`={name} is a {kind.name}, and its masked-LM head is not read here: name "
            f"one of {', '.join(_readable())} with its head by `augmentation_model`"
        )
    if not with_head and not kind.learns_text:
        raise no_words_from(name, setting, kind.name)


def _readable():
    """Names of the model types whose masked-LM heads are read."""
    return [name for name, each in MODEL_TYPES.items() if each.hugging_face.head_prefix]


def no_words_from(name, setting, model_type):
    """The error for a model that proposes no words, as `source_of_words` names it: `UserError`."""
    return UserError(
        f"`{setting}`={name}, a {model_type}, has no masked-LM head to propose words, and only "
        f"{', '.join(types_for_text())} get one here: name a model with a head by "
        "`augmentation_model`"
    )
