"""A model in a page for browsers: its folder, with the file and what the page must know."""

import base64
import json
import re
import shutil
import tempfile
from pathlib import Path

from tfdistill.data.tokenizer_files import SETTINGS, VOCABULARY
from tfdistill.data.wordpiece import is_plain
from tfdistill.deployment.lite_model import LiteModel
from tfdistill.deployment.signatures import changes_for_one, read_signatures
from tfdistill.system.errors import UserError
from tfdistill.system.sums import file_digest

MASKED_LM = "masked_lm"
TASKS = MASKED_LM, "text_classification", "regression", "token_classification"
PAGE = "page.json"


def write_web_model(path, tokenizer, folder, facts):
    """Writes a model's folder in a page.

    Args:
        path, tokenizer: as for `write_page`.
        folder: `Path` to make.
        facts: dict of JSON values that page.json has, too.

    Raises:
        UserError: as `write_page`, for the model and the tokenizer.
        OSError: a write failed.
    """
    model = LiteModel(path)
    task = require_task(model)
    model.require_tokenizer(tokenizer)
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as saved:
        tokenizer.save(saved)
        settings = tokenizer_settings(Path(saved), marks=task == MASKED_LM)
        shutil.copy(Path(saved, VOCABULARY), folder)
    named = folder / as_name(Path(path).name)
    shutil.copy(path, named)
    page = facts | {"task": task, "labels": list(model.metadata.get("labels", ()))}
    page |= {"lengths": _lengths(Path(path).read_bytes()), "tokenizer": settings}
    page |= {"model": _named(named), "vocabulary": _named(folder / VOCABULARY)}
    (folder / PAGE).write_text(json.dumps(page) + "\n", "utf-8")


def as_name(text):
    """The name of a file or folder for a text: str without marks of addresses."""
    return re.sub(r"[^\w.-]", "_", text)


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


def _named(path):
    """A file as the page fetches it: its name, bytes, and hash in the form of browsers."""
    digest = base64.b64encode(bytes.fromhex(file_digest(path))).decode()
    return {"file": path.name, "bytes": path.stat().st_size, "integrity": f"sha256-{digest}"}
