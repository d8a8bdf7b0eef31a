"""Files with labels: which format they have, and their examples."""

import re
from pathlib import Path

from tfdistill.data.labelled.columns import TAGS, WORDS, named_columns
from tfdistill.data.labelled.conll import read_conll
from tfdistill.data.labelled.rows import table_examples
from tfdistill.data.labelled.squad import read_squad
from tfdistill.data.labelled.tables import SEPARATORS, TAB, read_json, read_separated
from tfdistill.data.text_files import NOT_TEXT, REPLACE, check_file, read_text
from tfdistill.system.errors import UserError

CSV, TSV, JSONL, CONLL, SQUAD = FORMATS = ("csv", "tsv", "jsonl", "conll", "squad")
# Formats of each kind of examples.
OF_KIND = {
    "text": (CSV, TSV, JSONL),
    "numbers": (CSV, TSV, JSONL),
    "tags": (CONLL, CSV, TSV, JSONL),
    "spans": (SQUAD, JSONL),
}
_SEPARATORS = {"": SEPARATORS, CSV: (";", ","), TSV: (TAB,)}
_ROWS = re.compile(r'\s*(\[\s*)?\{\s*"')
_ARTICLES = re.compile(r'\s*\{[^\[{]*"data"\s*:\s*\[')


def read_checked(path, setting, bad):
    """Reads a text file.

    Args:
        path: the file.
        setting: the setting that names it, for messages.
        bad: `BadRows`, which says what is done about text that is not UTF-8.

    Returns:
        str, its content.

    Raises:
        UserError: it is missing, empty, or not text.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"`{setting}`={path}: a folder: name one file")
    if not path.is_file():
        raise UserError(f"`{setting}`={path}: no such file")
    checked = check_file(path, bad.encoding_errors)
    if not checked.head.strip():
        raise UserError(f"`{setting}`={path}: the file is empty")
    if bad.encoding_errors == REPLACE:
        bad.add_not_text(str(path), checked.bad_lines)
    text = read_text(path, bad.encoding_errors)
    return text if "\n" in text else text.replace("\r", "\n")


def find_format(text, path, kind, wanted=""):
    """Finds the format of a file.

    Args:
        text: its content.
        path: its `Path`.
        kind: "text", "numbers", "tags" or "spans".
        wanted: one of `FORMATS` to force it.

    Returns:
        One of `FORMATS`.

    Raises:
        UserError: the kind of examples has no such format.
    """
    found = wanted or _found(text, path, kind)
    if found not in OF_KIND[kind]:
        named = f"`data_format`={wanted}" if wanted else f"{path} looks like {found}"
        raise UserError(f"{named}: this task reads {', '.join(OF_KIND[kind])}")
    return found


def is_squad(text):
    """Whether the content of a file is SQuAD's JSON.

    Args:
        text: the content, or its beginning.
    """
    head = text[:4096]
    return bool(_ARTICLES.match(head)) and "paragraphs" in head


def _found(text, path, kind):
    head = text[:4096]
    if kind == "spans":
        return SQUAD if _ARTICLES.match(head) or not _ROWS.match(head) else JSONL
    if _ROWS.match(head):
        return SQUAD if is_squad(text) else JSONL
    first = head.lstrip("\n").split("\n")[0]
    if kind == "tags":
        suffixes = [suffix.lower() for suffix in path.suffixes]
        names = {name.strip('"\r ').lower() for name in re.split("[,;]", first)}
        is_table = ".csv" in suffixes or (names & WORDS and names & TAGS)
        return CSV if is_table else CONLL
    return TSV if "\t" in first else CSV


def read_file(path, setting, kind, reading, bad, label=None):
    """Reads the examples of a file.

    Args:
        path: the file.
        setting: the setting that names it, for messages.
        kind: "text", "numbers", "tags" or "spans".
        reading: `Reading`.
        bad: `BadRows`.
        label: as for `choose_columns`.

    Returns:
        (list of examples, tuple of notes, the column of labels; "" for formats without names of
        columns).

    Raises:
        UserError: the file or a row cannot be read.
    """
    text, path = read_checked(path, setting, bad), Path(path)
    file, found = str(path), find_format(text, path, kind, reading.format)
    examples, notes, column = [], (), ""
    if found == CONLL:
        examples, notes, column = read_conll(file, text, reading, bad, label)
    elif found == SQUAD:
        examples = read_squad(file, text, bad)
    elif (table := _table(file, text, found, reading, bad)).columns:
        examples, notes, column = table_examples(table, kind, reading, bad, label)
    if not examples:
        left_out = f", and {bad.counts[file]:,} bad rows" if bad.counts.get(file) else ""
        if bad.not_text.get(file):
            left_out += f", and {bad.not_text[file]:,} {bad.unit} that {NOT_TEXT}"
        raise UserError(f"`{setting}`={path}: no examples in it{left_out}")
    return examples, notes, column


def read_table(path, setting, kind, reading, bad):
    """Reads the rows of a file of a table's format.

    Args:
        path, setting, kind, reading, bad: as for `read_file`; of kinds with other formats, none.

    Returns:
        `Table`.

    Raises:
        UserError: the file cannot be read, or has another format.
    """
    text, path = read_checked(path, setting, bad), Path(path)
    return _table(str(path), text, find_format(text, path, kind, reading.format), reading, bad)


def _table(file, text, found, reading, bad):
    if found == JSONL:
        return read_json(file, text, bad)
    named, separators = named_columns(reading), _SEPARATORS[reading.format]
    return read_separated(file, text, bad, named=named, separators=separators)
