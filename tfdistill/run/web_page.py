"""The export command: a model's files, and with `web` a page with the student in the browser."""

from pathlib import Path

from tfdistill.deployment.predictor import tokenizer_beside
from tfdistill.deployment.variants import FLOAT32_FILE, INT8_FILE
from tfdistill.run.directory import RunPaths
from tfdistill.run.exported_model import export_model
from tfdistill.system.errors import UserError
from tfdistill.system.paths import require_folder

TFLITE = ".tflite"


def export(config, console):
    """Exports a model, and writes a page for it if `web` is set.

    The page is for `model`, if that is a .tflite file; else for the int8 file in export/ of
    `output_dir`, or the float32 file where there is none. The model is exported only if there is no
    such file. A page that is there keeps its other models.

    Args:
        config: a `RunConfig`.
        console: a `Console`.

    Returns:
        (facts, failure): those of `export_model`, if it was needed; and for a page "web", a dict of
        its "directory" and "files", names to bytes.

    Raises:
        UserError: there is no such model, or the page cannot be written for it.
    """
    if not config.web:
        return export_model(config, console)
    if config.part:
        raise UserError(
            f"`part`={config.part} with `web`: export the part first, without `web`, and then name "
            "its .tflite file with `model`"
        )
    require_folder("web", config.web)
    facts, failure, file = {}, None, _file_of(config)
    from tfdistill.deployment.web_model import PAGE
    from tfdistill.deployment.web_page import require_page
    from tfdistill.deployment.web_runtime import runtime_files

    require_page(Path(config.web))
    with runtime_files(config.web_runtime) as runtime:
        if not file:
            facts, failure = export_model(config, console)
            file = _in_run(config)
        files = _write(config, file, runtime)
    size = sum(files.values()) / 1e6
    tabs = sum(Path(name).name == PAGE for name in files)
    others = f" in one of {tabs} tabs" if tabs > 1 else ""
    console.say(
        f"{config.web}: a page of {size:.1f} MB with {file.name}{others}; any web server shows it"
    )
    return facts | {"web": {"directory": str(config.web), "files": files}}, failure


def _file_of(config):
    """The TFLite file that is there already: a `Path`, or None."""
    if not config.model:
        return _in_run(config)
    if not config.model.endswith(TFLITE):
        return None
    if not Path(config.model).is_file():
        raise UserError(f"`model`={config.model}: no such file; name a .tflite file")
    return Path(config.model)


def _in_run(config):
    files = [RunPaths(config.output_dir).export / name for name in (INT8_FILE, FLOAT32_FILE)]
    return next((path for path in files if path.is_file()), None)


def _write(config, file, runtime):
    from tfdistill.data.text_tokenizer import load_text_tokenizer
    from tfdistill.deployment.web_page import write_page

    tokenizer = load_text_tokenizer(config.tokenizer or tokenizer_beside(file))
    folder = file.resolve().parent
    folder = folder.parent if folder.name == "export" else folder
    return write_page(file, tokenizer, config.web, folder.name, runtime)
