"""From the word after --corpus to streams of documents for training, validation and test."""

import dataclasses
import functools
import glob
import hashlib
import itertools
import json
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tfdistill.data.documents import (
    PLAIN,
    SPLITS,
    check_file,
    cut,
    detect_layout,
    read_lines,
    split_documents,
)
from tfdistill.errors import UserError

SAMPLE = Path(__file__).parent.parent / "assets" / "sample"
TEXT_SUFFIXES = (".txt", ".tokens", ".raw", ".gz")
SPLIT_WORDS = {
    "train": "train",
    "valid": "validation",
    "validation": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}
# How WikiText's files are named; text that is not cut to a vocabulary (raw) comes first.
WIKITEXT_FILES = ("wiki.{}.raw", "{}.raw", "wiki.{}.tokens", "{}.tokens", "{}.txt")
WIKITEXT_HUB = {
    "wikitext-2": ("Salesforce/wikitext", "wikitext-2-raw-v1"),
    "wikitext-103": ("Salesforce/wikitext", "wikitext-103-raw-v1"),
}
ROWS_LOOKED_AT = 1000  # rows of a hub data set that decide about its layout


@dataclasses.dataclass(frozen=True)
class Corpus:
    """A text corpus.

    Attributes:
        name: short name, fit for a file name.
        fingerprint: hexadecimal digest of what the corpus holds: equal for equal text.
        splits: for "train", "validation" and "test" a function that opens the stream of documents;
            a document is an iterable of lines, used up when the next document is asked for.
        size: bytes of all the text, or None where that is not known.
    """

    name: str
    fingerprint: str
    splits: dict[str, Callable[[], Iterator[Iterable[str]]]]
    size: int | None


def open_corpus(spec, data_dir=""):
    """Finds a corpus.

    Args:
        spec: "sample" (bundled), "wikitext-2", "wikitext-103", "hf:NAME[:CONFIG]" (a text data set
            of the hub), or files, folders and globs of text separated by commas. Files named for
            splits (train.txt, wiki.valid.tokens) are these splits once there is a train file, and
            the others are left out; splits that are missing are cut from the training text.
        data_dir: folder that may hold WikiText's files.

    Returns:
        A `Corpus`.

    Raises:
        UserError: when a file is missing or not text, or the hub cannot be reached.
    """
    if spec == "sample":
        return _from_files(spec, {split: [SAMPLE / f"{split}.txt"] for split in SPLITS})
    if spec in WIKITEXT_HUB:
        files = _wikitext_files(spec, Path(data_dir)) if data_dir else None
        return _from_files(spec, files) if files else _from_hub(spec, *WIKITEXT_HUB[spec], spec)
    if spec.startswith("hf:"):
        name, _, config = spec.removeprefix("hf:").partition(":")
        return _from_hub(_file_name(f"{name}-{config}"), name, config, spec)
    files = _find_files(spec)
    named = {split: [file for file in files if _split_of(file) == split] for split in SPLITS}
    if not named["train"]:
        named = {"train": files}
    return _from_files(_path_name(spec), {split: named[split] for split in named if named[split]})


def _from_files(name, files):
    """Makes a corpus of files: a dict from a split to its paths, "train" among them."""
    size, contents = 0, []
    for split, paths in files.items():
        for path in paths:
            digest, file_size = check_file(path)
            contents.append([split, digest])
            size += file_size
    layout_of = functools.cache(lambda path: detect_layout(read_lines(path)))

    def source(paths):
        for path in paths:
            yield from split_documents(read_lines(path), layout_of(path))

    sources = {split: functools.partial(source, paths) for split, paths in files.items()}
    return Corpus(name, _digest(contents), _complete(sources), size)


def _from_hub(name, hub_name, config, spec):
    """Makes a corpus of a hub data set, which is not loaded before its documents are asked for."""
    load = functools.cache(lambda: _load_hub_splits(hub_name, config, spec))

    def stream(split):
        sources = {
            known: functools.partial(_row_documents, rows, spec) for known, rows in load().items()
        }
        return _complete(sources)[split]()

    splits = {split: functools.partial(stream, split) for split in SPLITS}
    return Corpus(name, _digest(["hub", hub_name, config]), splits, None)


def _load_hub_splits(hub_name, config, spec):
    try:
        import datasets
    except ImportError:
        raise UserError(
            f"--corpus={spec}: needs the datasets package: pip install datasets"
        ) from None
    hub_log = logging.getLogger("huggingface_hub")  # tells of every attempt
    level = hub_log.level
    try:
        hub_log.setLevel(logging.ERROR)
        loaded = datasets.load_dataset(hub_name, config or None)
    except Exception as error:  # datasets has dozens of types for what may go wrong on the way
        reason = " ".join(str(error).split())
        cure = "check the name and the network, or give --corpus text files"
        if spec in WIKITEXT_HUB:
            cure += ", or name the folder of its files with --data_dir"
        raise UserError(f"--corpus={spec}: not to be had from the hub ({reason}): {cure}") from None
    finally:
        hub_log.setLevel(level)
    if "train" not in loaded:
        raise UserError(f"--corpus={spec}: no train split, only {', '.join(loaded)}")
    return {split: loaded[split] for split in SPLITS if split in loaded}


def _row_documents(rows, spec):
    """Yields the documents of one split of a hub data set: its rows, or WikiText's articles."""
    types = {name: getattr(kind, "dtype", None) for name, kind in rows.features.items()}
    strings = [name for name, kind in types.items() if kind in ("string", "large_string")]
    if "text" not in strings and len(strings) != 1:
        raise UserError(f"--corpus={spec}: no column 'text' nor one string column: {strings}")
    column = "text" if "text" in strings else strings[0]

    def texts():
        for batch in rows.select_columns([column]).iter(batch_size=ROWS_LOOKED_AT):
            yield from (text or "" for text in batch[column])

    layout = detect_layout(itertools.islice(texts(), ROWS_LOOKED_AT))
    if layout != PLAIN:
        yield from split_documents(texts(), layout)
    else:
        for text in texts():
            yield from split_documents(text.splitlines(), PLAIN)


def _complete(sources):
    missing = [split for split in SPLITS if split not in sources]
    return {**sources, **cut(sources["train"], missing)}


def _wikitext_files(name, data_dir):
    """Looks for WikiText's three files in `data_dir/NAME*` and `data_dir`."""
    if not data_dir.is_dir():
        raise UserError(f"--data_dir={data_dir}: no such folder")
    folders = sorted(folder for folder in data_dir.glob(f"{name}*") if folder.is_dir())
    other = data_dir.resolve().name.startswith("wikitext-")  # perhaps of the other WikiText
    if not other or data_dir.resolve().name.startswith(name):
        folders.append(data_dir)
    for pattern, folder, packed in itertools.product(WIKITEXT_FILES, folders, ("", ".gz")):
        files = {}
        for word, split in SPLIT_WORDS.items():
            path = folder / (pattern.format(word) + packed)
            if path.is_file():
                files.setdefault(split, [path])
        if len(files) == len(SPLITS):
            return files
    return None


def _find_files(spec):
    """Returns the text files that a comma-separated list of files, folders and globs names."""
    if not spec.strip(","):
        raise UserError("--corpus is empty: name a text, or 'sample' for the bundled one")
    files = []
    for item in [spec] if os.path.exists(spec) else filter(None, spec.split(",")):
        matches = [item] if os.path.exists(item) else sorted(glob.glob(item, recursive=True))
        found = []
        for path in map(Path, matches):
            if path.is_dir():
                found += sorted(file for file in path.rglob("*") if _is_text(file, path))
            else:
                found.append(path)
        if not matches:
            raise UserError(f"--corpus={item}: no such file or folder")
        if not found:
            raise UserError(f"--corpus={item}: no {', '.join(TEXT_SUFFIXES)} file in this folder")
        files += found
    return list(dict.fromkeys(files))


def _is_text(file, folder):
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return file.suffix in TEXT_SUFFIXES and not hidden and file.is_file()


def _split_of(path):
    """train.txt, wiki.train.tokens, en-dev.txt, train-00000-of-00002.txt; not my-test-notes.txt."""
    for part in path.name.lower().split("."):
        word = re.sub(r"-\d+(-of-\d+)?$", "", part)
        split = SPLIT_WORDS.get(re.split(r"[_-]", word)[-1])
        if split:
            return split
    return None


def _path_name(spec):
    item = Path(spec.split(",")[0]).resolve()
    plain = [part.split(".")[0] for part in item.parts if not re.search(r"[*?\[]", part)]
    return _file_name(plain[-1] if plain else "")


def _file_name(text):
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-")[:40] or "corpus"


def _digest(facts):
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()
