"""Checks of augmentation, before any long work begins."""

from pathlib import Path

from tfdistill.models.configs.config_files import CONFIG, config_of, read_json
from tfdistill.models.configs.model_types import get_model_type, types_for_text
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
    file = Path(name) / CONFIG
    if not name or not file.is_file():
        return
    values = read_json(file)
    model_type = config_of(values, file).model_type
    with_head = any(each.endswith(HEAD) for each in values.get("architectures") or ())
    if not with_head and not get_model_type(model_type).learns_text:
        raise no_words_from(name, setting, model_type)


def no_words_from(name, setting, model_type):
    """The error for a model that proposes no words, as `source_of_words` names it: `UserError`."""
    return UserError(
        f"`{setting}`={name}, a {model_type}, has no masked-LM head to propose words, and only "
        f"{', '.join(types_for_text())} get one here: name a model with a head by "
        "`augmentation_model`"
    )
