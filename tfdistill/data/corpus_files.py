"""The files of a corpus: which ones `corpus` names, which are splits, and which are left out.

docs/CORPORA.md explains the rules for users.
"""

import dataclasses
import glob
import itertools
import os
import re
from pathlib import Path

from tfdistill.data.documents import SPLITS
from tfdistill.data.text_files import PACKED, is_one_object, looks_like_text
from tfdistill.system.errors import UserError

JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
TEXT_SUFFIXES = (".txt", ".text", ".tokens", ".raw", ".md", *JSON_SUFFIXES)
MARKUP_SUFFIXES = (".csv", ".tsv", ".html", ".htm", ".xml")
SPLIT_WORDS = {
    "train": "train",
    "valid": "validation",
    "validation": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}
# Reasons to leave a file out.
HIDDEN, GONE, ABOUT = "hidden", "no file", "about the data"
SUFFIX, NO_TEXT, NO_ROWS = "no suffix of text", "no text", "one JSON object, no rows"
PACKED_COPY = "also there unpacked"

_ABOUT = re.compile(r"(readme|licen[cs]e|copying|notice|changelog)(\.\w+)*")
_NUMBER = re.compile(r"\.\d+")
_SPLIT_NAME = re.compile(
    r"(?P<prefix>(?:.*[._ -])?)"
    rf"(?P<word>{'|'.join(SPLIT_WORDS)})"
    r"(?:[._-]?\d+(?:[._-]of[._-]\d+)?)?"  # number of a shard: 3, -00003-of-00128
    r"(?P<suffix>(?:\.[^.]+)*)"
)


@dataclasses.dataclass
class FoundFiles:
    """The files of a corpus.

    Attributes:
        folders: dict of the `Path` of each file to read, in order, to the folder in which it was
            found; folders below that one may be named for splits. None for a file that was named
            itself.
        left_out: dict of the `Path`s that are not read to the reason; a hidden folder has a single
            entry.
    """

    folders: dict
    left_out: dict


def find_files(spec):
    """Finds the text files that a list of files, folders and globs names.

    Args:
        spec: str, the value of `corpus`, separated by commas.

    Returns:
        `FoundFiles`.

    Raises:
        UserError: there is no such file, a folder cannot be read or holds no text, or a named
            file is markup or a table.
    """
    if not spec.strip(", "):
        raise UserError("`corpus` is empty: name a text, or sample for the bundled one")
    folders, left_out, known = {}, {}, set()
    for item in [spec] if os.path.exists(spec) else filter(None, map(str.strip, spec.split(","))):
        found, others = _find(item)
        left_out |= others
        for path, folder in found.items():
            real = os.path.realpath(path)  # a file that is named twice is read once
            if real not in known:
                known.add(real)
                folders[path] = folder
    return FoundFiles(folders, {path: why for path, why in left_out.items() if path not in folders})


def name_splits(folders):
    """Assigns files to splits, by their names.

    The file of a split is named train, valid, validation, val, dev or test, with suffixes and the
    number of a shard. Text before or behind that word is allowed if files of two splits in the
    folder share it. Files in a folder with such a name belong to that split, too: a folder below
    the one that `corpus` names or, if `corpus` names folders of two splits, one of these. All other
    files are training text, and so are all files if there would be no training text otherwise.

    Args:
        folders: `FoundFiles.folders`.

    Returns:
        dict of "train" and the other splits that were found to lists of `Path`s.
    """
    names = {path: _SPLIT_NAME.fullmatch(path.name.lower()) for path in folders}
    seen = {}  # splits by the text around their words
    for path, match in names.items():
        if match:
            split = SPLIT_WORDS[match["word"]]
            seen.setdefault(_around(path, match, folders[path]), set()).add(split)
    named = {SPLIT_WORDS.get(_last_part(folder)) for folder in folders.values() if folder} - {None}
    splits = {split: [] for split in SPLITS}
    for path, match in names.items():
        around = match and _around(path, match, folders[path])
        if match and (around[1:] == ("", "") or len(seen[around]) > 1):
            splits[SPLIT_WORDS[match["word"]]].append(path)
        else:
            splits[_split_of_folder(path, folders[path], len(named) > 1)].append(path)
    if not splits["train"]:
        return {"train": list(folders)}
    return {split: paths for split, paths in splits.items() if paths}


def holds_json(path):
    """Whether a file is JSON by its name, packed or not."""
    return _suffix(path) in JSON_SUFFIXES


def _find(item):
    """Finds the files of a file, folder or glob: files to read, and files that are left out."""
    matches = [item] if os.path.exists(item) else sorted(glob.glob(item, recursive=True))
    if not matches:
        raise UserError(f"`corpus`={item}: no such file or folder: correct it, or give sample")
    found, left_out = {}, {}
    for path in map(Path, matches):
        if path.is_dir():
            reasons = _walk(path)
            for file in sorted(reasons, key=lambda file: file.parts):
                if reasons[file]:
                    left_out[file] = reasons[file]
                else:
                    found.setdefault(file, path)
        elif _suffix(path) in MARKUP_SUFFIXES:
            raise UserError(
                f"{path}: a table or markup, not text: convert it to a .jsonl file and set "
                "`text_column` to its column, or rename it to .txt to read all its characters"
            )
        else:
            found[path] = None
    if not found:
        named = [f"{file.name} ({why})" for file, why in itertools.islice(left_out.items(), 3)]
        there = f", only {', '.join(named)}"
        raise UserError(
            f"`corpus`={item}: no text in this folder{there * bool(left_out)}: name a folder with "
            f"{', '.join(TEXT_SUFFIXES)} files, or the files themselves"
        )
    return found, left_out


def _walk(folder):
    """Lists a folder and the folders below it: dict of `Path`s to the reason to leave them out, ""
    for files to read."""

    def fail(error):
        raise UserError(f"{error.filename}: cannot be read: {error.strerror}")

    facts, known = {}, {os.path.realpath(folder)}
    for place, folders, files in os.walk(folder, onerror=fail, followlinks=True):
        inside = {Path(place, name): name for name in folders}
        facts |= {path: HIDDEN for path, name in inside.items() if name.startswith(".")}
        inside = {path: os.path.realpath(path) for path in inside if path not in facts}
        folders[:] = sorted(path.name for path, real in inside.items() if real not in known)
        known.update(inside.values())
        there = {Path(place, name) for name in files}
        facts |= {path: _why_left_out(path, there) for path in there}
    return facts


def _why_left_out(path, there):
    """The reason why a file of a folder is not read; "" for a file that is read.

    Args:
        path: its `Path`.
        there: the `Path`s of all files of the folder.
    """
    suffix = _suffix(path)
    if path.name.startswith("."):
        return HIDDEN
    if not path.is_file():
        return GONE
    if _ABOUT.fullmatch(path.name.lower()):
        return ABOUT
    if suffix not in (*TEXT_SUFFIXES, ""):
        return SUFFIX
    if path.suffix.lower() in PACKED and path.with_suffix("") in there:
        return PACKED_COPY
    if suffix == ".json" and is_one_object(path):
        return NO_ROWS
    return "" if suffix or looks_like_text(path) else NO_TEXT


def _suffix(path):
    """The last suffix in lower case, without packing and numbers: ".txt" of a.txt.gz, B.TXT.00."""
    suffixes = [part.lower() for part in path.suffixes]
    while suffixes and (suffixes[-1] in PACKED or _NUMBER.fullmatch(suffixes[-1])):
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _around(path, match, folder):
    """(folder, text before the word in a file's name, text behind it without known suffixes)."""
    parts = match["suffix"].split(".")[1:]
    known = {suffix[1:] for suffix in (*TEXT_SUFFIXES, *PACKED)}
    behind = ".".join(part for part in parts if part not in known and not part.isdigit())
    return path.parent if folder else None, match["prefix"], behind


def _split_of_folder(path, folder, itself):
    """The split that a folder above a file is named for: below `folder`, or with `itself` that one.

    "train" if there is no such folder.
    """
    inside = path.relative_to(folder).parts[:-1] if folder else ()
    outermost = [_last_part(folder)] if folder and itself else []
    words = (SPLIT_WORDS.get(part.lower()) for part in [*reversed(inside), *outermost])
    return next(filter(None, itertools.chain(words, ["train"])))


def _last_part(folder):
    return os.path.basename(os.path.abspath(folder)).lower()
