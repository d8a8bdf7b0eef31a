"""Paths on the command line that lead nowhere, found before anything slow is imported."""

from pathlib import Path

from tfdistill.system.errors import UserError
from tfdistill.system.hub import require_model_name

# Settings that name models by folders or names on the hub, separated by commas. Those of a run that
# goes on may be gone, so the run itself looks for its teacher and student.
MODELS = "teacher", "model", "tokenizer", "augmentation_model"
OF_RUN = "teacher", "student"
FOLDERS = "data_dir", "web_runtime"
LITE = ".tflite"


def require_there(config, names):
    """Refuses missing files and folders.

    Args:
        config: a `RunConfig`.
        names: names of the settings that the command has.

    Raises:
        UserError: something is not there; the message names the setting.
    """
    for name in names:
        value = getattr(config, name)
        if name in MODELS and not (name in OF_RUN and set(OF_RUN) <= set(names)):
            for item in filter(None, value.split(",")):
                _require_model(name, item)
        elif value and name in FOLDERS and not Path(value).is_dir():
            raise UserError(f"`{name}`={value}: no such folder: correct the path, or leave it out")


def _require_model(name, item):
    if not item.endswith(LITE):
        require_model_name(item, name)
    elif not Path(item).is_file():
        raise UserError(f"`{name}`={item}: no such file; name a {LITE} file")
