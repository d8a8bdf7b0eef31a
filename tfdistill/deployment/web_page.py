"""A page with students that run in the browser: a folder of static files for any web server."""

import hashlib
import json
import os
import shutil
from pathlib import Path

from tfdistill.deployment.web_model import PAGE, TASKS, as_name, write_web_model
from tfdistill.deployment.web_runtime import SOURCE
from tfdistill.system.errors import UserError
from tfdistill.system.files import folder_aside
from tfdistill.system.sums import file_digest

MODELS, MODEL_LIST = "models", "models.json"
RUNTIME, LICENSE = "runtime", "LICENSE"
WORKER, LIST = "service_worker.js", "files.js"  # the browser itself keeps these two
SHOWN = ".html", ".css", ".js", ".svg"  # kinds of files of the source that belong to the page
LARGE = 100_000  # bytes of a file that the service worker keeps only when it is used


def write_page(path, tokenizer, directory, title, runtime):
    """Writes a page for a TFLite file, or adds the file to a page.

    Args:
        path: the file, written by `export_tflite`.
        tokenizer: its `TextTokenizer`; for masked LM a `Tokenizer`.
        directory: folder to write. The models of a page that is there stay, each with a tab. One
            with the same title, folder and task is replaced.
        title: str, the model's heading, and the name of its folder.
        runtime: dict of names to `Path`s, of `runtime_files`.

    Returns:
        dict of names of the page's files to their bytes.

    Raises:
        UserError: the page cannot answer for the file's task, or read texts as the tokenizer does;
            the tokenizer is another model's; the folder holds other files, or another model of this
            title.
        OSError: a write failed.
    """
    directory = Path(directory)
    require_page(directory)
    name = as_name(title).strip("._") or "model"
    place = os.path.relpath(Path(path).resolve().parent, directory.resolve())
    facts = {"title": title, "origin": hashlib.sha256(os.fsencode(place)).hexdigest()}
    with folder_aside(directory) as aside:
        pages = _pages(directory)
        # macOS takes names that differ in capitals for one.
        name = next((each for each in pages if each.casefold() == name.casefold()), name)
        _copy_source(aside, runtime)
        for other in pages.keys() - {name}:
            shutil.copytree(directory / MODELS / other, aside / MODELS / other)
        write_web_model(path, tokenizer, aside / MODELS / name, facts)
        own = _pages(aside)
        _require_same(directory / MODELS / name, pages.get(name), own[name])
        (aside / MODEL_LIST).write_text(_model_list(own), "utf-8")
        (aside / LIST).write_text(_file_list(aside), "utf-8")
        return {str(each.relative_to(aside)): each.stat().st_size for each in _files(aside)}


def require_page(directory):
    """Refuses a folder that holds files, but no page that can take another model.

    Args:
        directory: `Path`.

    Raises:
        UserError: it holds other files, or a page of an earlier version.
    """
    if directory.is_dir() and any(directory.iterdir()) and not (directory / MODEL_LIST).is_file():
        raise UserError(
            f"`web`={directory} holds files, but no page of this version (no {MODEL_LIST}): name a "
            "new folder"
        )


def _pages(directory):
    """The models of a page: dict of their folders' names to the content of their page.json."""
    found = {}
    for folder in sorted(path for path in directory.glob(f"{MODELS}/*") if path.is_dir()):
        file = folder / PAGE
        try:
            page = json.loads(file.read_bytes())
            sound = page["task"] in TASKS and {"title", "origin"} <= page.keys()
        except (OSError, ValueError, TypeError, KeyError):
            sound = False
        if not sound:
            raise UserError(f"`web`: {file} is missing or damaged: delete its folder, then repeat")
        found[folder.name] = page
    return found


def _require_same(folder, old, new):
    """Refuses to replace another model of the same name."""
    if old and any(old[key] != new[key] for key in ("title", "origin", "task")):
        raise UserError(
            f"`web`: {folder} holds another model of this name ({old['task']}): rename the folder "
            "of this one's file, or delete that folder to replace it"
        )


def _model_list(pages):
    """The content of models.json: the order of the tabs, by task."""
    order = sorted(pages, key=lambda name: (TASKS.index(pages[name]["task"]), name))
    rows = [{key: pages[name][key] for key in ("title", "task")} for name in order]
    rows = [{"folder": f"{MODELS}/{n}"} | row for n, row in zip(order, rows, strict=True)]
    return json.dumps(rows) + "\n"


def _copy_source(directory, runtime):
    for path in SOURCE.iterdir():
        if path.suffix in SHOWN:
            shutil.copy(path, directory)
    (directory / RUNTIME / "wasm").mkdir(parents=True)
    for name, path in runtime.items():
        shutil.copy(path, directory / RUNTIME / name)
    shutil.copy(SOURCE / LICENSE, directory / RUNTIME / LICENSE)  # LiteRT's own, too


def _files(directory):
    return sorted(path for path in directory.rglob("*") if path.is_file())


def _file_list(directory):
    """The content of `files.js`, for the service worker."""
    files, digest = _files(directory), hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(directory)}\0{file_digest(path)}".encode())
    kept = [path for path in files if path.name not in (WORKER, LIST, LICENSE)]
    small = [path for path in kept if path.suffix in (*SHOWN, ".json")]
    names = {"FILES": kept, "SHELL": [p for p in small if p.stat().st_size < LARGE]}
    lines = [f'const VERSION = "{digest.hexdigest()[:16]}";']
    for constant, paths in names.items():
        relative = json.dumps([str(path.relative_to(directory)) for path in paths])
        lines.append(f"const {constant} = {relative};")
    return "\n".join(lines) + "\n"
