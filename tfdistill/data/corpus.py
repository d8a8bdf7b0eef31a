"""Corpora: from the setting `corpus` to streams of documents for the three splits."""

import dataclasses
import functools
import hashlib
import itertools
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tfdistill.data.corpus_files import SPLIT_WORDS, find_files, holds_json, name_splits
from tfdistill.data.documents import (
    ROWS,
    ROWS_LOOKED_AT,
    SPLITS,
    cut,
    detect_layout,
    marked_layout,
    row_documents,
    split_documents,
)
from tfdistill.data.hub_sets import PREFIX as HUB
from tfdistill.data.hub_sets import load_hub_set
from tfdistill.data.text_files import STRICT, check_file, read_column, read_lines
from tfdistill.system.errors import UserError

SAMPLE = Path(__file__).parent.parent / "assets" / "sample"
TEXT_COLUMN = "text"  # the default of the setting `text_column`
# Names of WikiText's files, in the order of preference: raw text, without a cut vocabulary, first.
WIKITEXT_FILES = ("wiki.{}.raw", "{}.raw", "wiki.{}.tokens", "{}.tokens", "{}.txt")
WIKITEXT_HUB = {
    "wikitext-2": ("Salesforce/wikitext", "wikitext-2-raw-v1"),
    "wikitext-103": ("Salesforce/wikitext", "wikitext-103-raw-v1"),
}


@dataclasses.dataclass(frozen=True)
class Corpus:
    """A text corpus.

    Attributes:
        name: short name, fit for a file name.
        fingerprint: hexadecimal digest of the content: equal for equal text.
        splits: for "train", "validation" and "test" a function that opens the stream of documents;
            a document is an iterable of lines, exhausted when the next document is read.
        size: bytes of all the text, or None if unknown.
        files: dict of the splits with files of their own to lists of `Path`s; other splits are cut
            from "train". Empty for a data set of the hub.
        bad_lines: dict of the splits with files of their own to the lines that are not UTF-8.
        left_out: dict of the other `Path`s in the folders to the reason why they are not read.
    """

    name: str
    fingerprint: str
    splits: dict[str, Callable[[], Iterator[Iterable[str]]]]
    size: int | None
    files: dict[str, list[Path]] = dataclasses.field(default_factory=dict)
    bad_lines: dict[str, int] = dataclasses.field(default_factory=dict)
    left_out: dict[Path, str] = dataclasses.field(default_factory=dict)


def is_named(spec):
    """Whether the argument of `open_corpus` is the name of a corpus, not a path."""
    return spec == "sample" or spec in WIKITEXT_HUB


def open_corpus(spec, data_dir="", text_column=TEXT_COLUMN, encoding_errors=STRICT):
    """Finds a corpus.

    Args:
        spec: "sample" (bundled), "wikitext-2", "wikitext-103", "hf:NAME[:CONFIG]" (a text data set
            of the hub, or a folder that `datasets` reads), or files, folders and globs of text
            separated by commas; `corpus_files` chooses the files that are read and the splits.
            Missing splits are cut from the training text.
        data_dir: folder that may hold WikiText's files.
        text_column: the column with the text, for JSON files and hub data sets. The name does not
            matter for a hub data set with a single column of strings.
        encoding_errors: one of `text_files.ENCODING_ERRORS`: what is done about files that are not
            UTF-8.

    Returns:
        A `Corpus`.

    Raises:
        UserError: a file is missing or not text, or its first row has no such column.
    """
    if spec == "sample":
        files = {split: [SAMPLE / f"{split}.txt"] for split in SPLITS}
        return _from_files(spec, files, text_column)  # UTF-8
    if spec in WIKITEXT_HUB:
        if files := _wikitext_files(spec, Path(data_dir)) if data_dir else None:
            return _from_files(spec, files, text_column, encoding_errors)
        return _from_hub(spec, *WIKITEXT_HUB[spec], spec, TEXT_COLUMN)
    if spec.startswith(HUB):
        name, _, config = spec.removeprefix(HUB).partition(":")
        return _from_hub(_file_name(f"{name}-{config}"), name, config, spec, text_column)
    found = find_files(spec)
    corpus = _from_files(_path_name(spec), name_splits(found.folders), text_column, encoding_errors)
    return dataclasses.replace(corpus, left_out=found.left_out)


def _from_files(name, files, column, errors=STRICT):
    """Makes a corpus of files: a dict from a split to its paths, "train" among them."""
    size, contents, layouts, bad_lines = 0, [], {}, {}
    for split, paths in files.items():
        for path in paths:
            checked = check_file(path, errors)
            bad_lines[split] = bad_lines.get(split, 0) + checked.bad_lines
            layout = ROWS if holds_json(path) else marked_layout(checked)
            if layout == ROWS and not checked.head.lstrip().startswith("["):  # a list is one line
                next(read_column(path, column, errors), None)  # fails early for a wrong column
            # The digest of the text does not cover how the text is read.
            reading = [layout, column] if layout == ROWS else [layout] if layout else []
            reading += [errors] * bool(checked.bad_lines)
            contents.append([split, checked.digest, *reading])
            layouts[path] = layout
            size += checked.size

    @functools.cache
    def layout_of(path):
        return layouts[path] or detect_layout(read_lines(path, errors))

    def source(paths):
        for path in paths:
            layout = layout_of(path)
            if layout == ROWS:
                yield from row_documents(functools.partial(read_column, path, column, errors))
            else:
                yield from split_documents(read_lines(path, errors), layout)

    sources = {split: functools.partial(source, paths) for split, paths in files.items()}
    return Corpus(name, _digest(contents), _complete(sources), size, files, bad_lines)


def _from_hub(name, hub_name, config, spec, column):
    """Makes a corpus of a hub data set, which is loaded when its documents are first read."""
    load = functools.cache(lambda: _load_hub_splits(hub_name, config, spec))

    def texts_of(rows):
        return functools.partial(_column_texts, rows, column, spec)

    def stream(split):
        sources = {
            known: functools.partial(row_documents, texts_of(rows))
            for known, rows in load().items()
        }
        return _complete(sources)[split]()

    splits = {split: functools.partial(stream, split) for split in SPLITS}
    # A folder is identified by its content, a data set of the hub by its name.
    facts = ["hub", hub_name, config]
    if os.path.isdir(hub_name):
        facts = ["folder", _folder_digest(Path(hub_name)), config]
    if column != TEXT_COLUMN:
        facts.append(column)
    return Corpus(name, _digest(facts), splits, None)


def _load_hub_splits(hub_name, config, spec):
    cure = "check the name and the network, or set `corpus` to text files"
    if spec in WIKITEXT_HUB:
        cure += ", or set `data_dir` to the folder of its files"
    loaded = load_hub_set(hub_name, config, f"`corpus`={spec}", cure)
    if "train" not in loaded:
        raise UserError(f"`corpus`={spec}: no train split, only {', '.join(loaded)}")
    return {split: loaded[split] for split in SPLITS if split in loaded}


def _column_texts(rows, column, spec):
    """Yields the texts of one split of a hub data set."""
    types = {name: getattr(kind, "dtype", None) for name, kind in rows.features.items()}
    strings = [name for name, kind in types.items() if kind in ("string", "large_string")]
    if column not in strings and (column != TEXT_COLUMN or len(strings) != 1):
        raise UserError(
            f"`corpus`={spec}: no column {column!r} of text: set `text_column` to one of {strings}"
        )
    column = column if column in strings else strings[0]
    for batch in rows.select_columns([column]).iter(batch_size=ROWS_LOOKED_AT):
        yield from (text or "" for text in batch[column])


def _complete(sources):
    missing = [split for split in SPLITS if split not in sources]
    return {**sources, **cut(sources["train"], missing)}


def _wikitext_files(name, data_dir):
    """Looks for WikiText's three files in `data_dir/NAME*` and `data_dir`."""
    if not data_dir.is_dir():
        raise UserError(f"`data_dir`={data_dir}: no such folder")
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


def _path_name(spec):
    item = Path(spec.split(",")[0]).resolve()
    plain = [part.split(".")[0] for part in item.parts if not re.search(r"[*?\[]", part)]
    return _file_name(plain[-1] if plain else "")


def _file_name(text):
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-")[:40] or "corpus"


def _folder_digest(folder):
    """Digest of the names and contents of a folder's files, except hidden ones."""
    facts = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in name.parts):
            with open(path, "rb") as file:
                facts.append([name.as_posix(), hashlib.file_digest(file, "sha256").hexdigest()])
    return _digest(facts)


def _digest(facts):
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()
