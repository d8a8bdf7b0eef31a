"""Sentence encoders: which pooling a folder of sentence-transformers was trained with."""

from tfdistill.models.configs.config_files import read_json

_MODULES = "modules.json"
FILES = (_MODULES, "1_Pooling/config.json")
# sentence-transformers' keys; newer folders name the pooling itself.
_KEYS = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}


def sentence_pooling(directory):
    """The pooling of a sentence encoder.

    The dense layer of its checkpoint's pooler, if there is one, was left as it was when the
    sentence embeddings were trained.

    Args:
        directory: `Path` of a Hugging Face directory.

    Returns:
        "mean" or "cls"; "" for a folder of another kind, or another pooling.

    Raises:
        UserError: the files are damaged.
    """
    if not (directory / _MODULES).is_file():
        return ""
    modules = read_json(directory / _MODULES, list)
    path = next((each["path"] for each in modules if each.get("type", "").endswith("Pooling")), "")
    if not path:
        return ""
    values = read_json(directory / path / "config.json")
    found = [pooling for key, pooling in _KEYS.items() if values.get(key)]
    found.append(values.get("pooling_mode"))
    return next((each for each in found if each in _KEYS.values()), "")
