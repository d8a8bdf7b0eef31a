"""A page with a student that runs in the browser: a folder of static files for any web server."""

import base64
import hashlib
import json
import re
import shutil
import tempfile
from pathlib import Path

from tfdistill.data.tokenizer_files import SETTINGS, VOCABULARY
from tfdistill.data.wordpiece import is_plain
from tfdistill.deployment.lite_model import LiteModel
from tfdistill.deployment.signatures import changes_for_one, read_signatures
from tfdistill.deployment.web_runtime import SOURCE
from tfdistill.system.errors import UserError
from tfdistill.system.files import folder_aside
from tfdistill.system.sums import file_digest

MASKED_LM = "masked_lm"
TASKS = MASKED_LM, "text_classification", "regression", "token_classification"
PAGE, RUNTIME, LICENSE = "page.json", "runtime", "LICENSE"
WORKER, LIST = "service_worker.js", "files.js"  # the browser itself keeps these two
SHOWN = ".html", ".css", ".js", ".svg"  # kinds of files of the source that belong to the page
LARGE = 100_000  # bytes of a file that the service worker keeps only when it is used


def write_page(path, tokenizer, directory, title, runtime):
    """Writes a page for a TFLite file.

    Args:
        path: the file, written by `export_tflite`.
        tokenizer: its `TextTokenizer`; for masked LM a `Tokenizer`.
        directory: folder to write; a page that is there is replaced.
        title: str, the page's heading.
        runtime: dict of names to `Path`s, of `runtime_files`.

    Returns:
        dict of names of the page's files to their bytes.

    Raises:
        UserError: the page cannot answer for the file's task, or read texts as the tokenizer does;
            the tokenizer is another model's; or the folder holds other files.
        OSError: a write failed.
    """
    directory = Path(directory)
    if directory.is_dir() and any(directory.iterdir()) and not (directory / PAGE).is_file():
        raise UserError(f"`web`={directory} holds other files than a page: name a new folder")
    model, content = LiteModel(path), Path(path).read_bytes()
    task = require_task(model)
    model.require_tokenizer(tokenizer)
    with tempfile.TemporaryDirectory() as saved:
        tokenizer.save(saved)
        settings = tokenizer_settings(Path(saved), marks=task == MASKED_LM)
        words = Path(saved, VOCABULARY).read_bytes()
    with folder_aside(directory) as aside:
        _copy_source(aside, runtime)
        named = aside / re.sub(r"[^\w.-]", "_", Path(path).name)  # no mark of addresses
        shutil.copy(path, named)
        (aside / VOCABULARY).write_bytes(words)
        page = {"title": title, "task": task, "labels": list(model.metadata.get("labels", ()))}
        page |= {"lengths": _lengths(content), "tokenizer": settings}
        page["model"] = _named(named)
        page["vocabulary"] = _named(aside / VOCABULARY)
        (aside / PAGE).write_text(json.dumps(page, ensure_ascii=False) + "\n", "utf-8")
        (aside / LIST).write_text(_file_list(aside), "utf-8")
        return {str(each.relative_to(aside)): each.stat().st_size for each in _files(aside)}


def require_task(model):
    """Finds the task of a file.

    Args:
        model: a `LiteModel`.

    Returns:
        One of `TASKS`.

    Raises:
        UserError: the page has no answers for it.
    """
    task = model.metadata.get("task") or (
        MASKED_LM if "masked_positions" in model.input_names else "an unknown task"
    )
    if task not in TASKS:
        raise UserError(
            f"`web`: the page has no answers for {model.path}, a file of {task}, but for "
            f"{', '.join(TASKS)}: leave `web` out"
        )
    return task


def tokenizer_settings(folder, marks):
    """What the page's tokenizer must know.

    Args:
        folder: `Path` of a tokenizer that tfdistill wrote.
        marks: whether [MASK] and the other tokens with a role are found in texts; else they are
            words.

    Returns:
        dict of JSON values, as in `wordpiece.js`.

    Raises:
        UserError: the tokenizer is not BERT's WordPiece, or finds added tokens in another way.
    """
    if not (folder / VOCABULARY).is_file():
        raise UserError(
            "`web`: the page's tokenizer is BERT's WordPiece, and this one splits texts in another "
            "way: leave `web` out"
        )
    settings = json.loads((folder / SETTINGS).read_text("utf-8"))
    tokens = settings["added_tokens_decoder"].items()
    added = {token["content"]: (int(i), token) for i, token in tokens}
    roles = {role: settings[f"{role}_token"] for role in ("pad", "unk", "cls", "sep", "mask")}
    framing = set(roles.values()) - {roles["unk"]}
    found = {word: each for word, each in added.items() if marks or word not in framing}
    for word, (_, token) in found.items():
        if not is_plain(token):
            raise UserError(
                f"`web`: the added token {word!r} is found by a rule that the page lacks "
                f"(single_word, lstrip, rstrip or normalized in {SETTINGS}): leave `web` out"
            )
    lower, accents = settings["do_lower_case"], settings["strip_accents"]
    return {
        "lower_case": lower,
        "strip_accents": lower if accents is None else accents,
        "split_ideographs": settings["tokenize_chinese_chars"],
        "added": {word: i for word, (i, _) in found.items()},
        **{role: added[token][0] for role, token in roles.items()},
    }


def _lengths(content):
    """For each length its signature, and what leaves this one alone in the file's bytes."""
    signatures = read_signatures(content)
    found = {}
    for length, signature in signatures.items():
        changes = changes_for_one(content, signature.index) if len(signatures) > 1 else {}
        found[length] = {"signature": signature.name, "changes": sorted(changes.items())}
    return found


def _copy_source(directory, runtime):
    for path in SOURCE.iterdir():
        if path.suffix in SHOWN:
            shutil.copy(path, directory)
    (directory / RUNTIME / "wasm").mkdir(parents=True)
    for name, path in runtime.items():
        shutil.copy(path, directory / RUNTIME / name)
    shutil.copy(SOURCE / LICENSE, directory / RUNTIME / LICENSE)  # LiteRT's own, too


def _named(path):
    """A file as the page fetches it: its name, bytes, and hash in the form of browsers."""
    digest = base64.b64encode(bytes.fromhex(file_digest(path))).decode()
    return {"file": path.name, "bytes": path.stat().st_size, "integrity": f"sha256-{digest}"}


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
