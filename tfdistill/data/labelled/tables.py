"""Tables of examples: CSV, TSV, and JSON with a row per object, with the lines of their rows."""

import csv
import dataclasses
import itertools
import re
import sys
from collections.abc import Iterable

from tfdistill.data.text_files import MARK, REPLACEMENT
from tfdistill.system.errors import UserError
from tfdistill.system.strict_json import parse

TAB, QUOTE = "\t", '"'
SEPARATORS = (TAB, ";", ",")  # the first of them that the first line has
JSON_FORM = "give one list of objects, or one object per line"

_ENCLOSED = re.compile(r'(?:^|\t)"((?:[^"]|"")*)"(?=\t|$)', re.MULTILINE)
_NEEDS_QUOTES = re.compile(r'""|\t|\n')


@dataclasses.dataclass(frozen=True)
class Table:
    """The rows of a file or of a split.

    Attributes:
        file: its name in messages.
        columns: tuple of the columns' names, or of their positions from "1" without a header.
        rows: iterable of (place, dict of columns to values), the place being a line or a number.
        notes: tuple of lines that tell how it is read.
    """

    file: str
    columns: tuple
    rows: Iterable
    notes: tuple = ()


def is_position(column):
    """Whether a column's name is a position: 1, 2, ..., or -1 for the last."""
    return column.removeprefix("-").isdecimal() and int(column) != 0


def read_separated(file, text, bad, *, named=(), names=(), quoted=None, separators=SEPARATORS):
    """Reads CSV and TSV.

    Tabs separate the columns if the first line has one, else commas or semicolons. Quotes enclose
    fields of CSV; they are text in TSV, unless the file needs them to enclose tabs, line breaks or
    quotes. A file in which they enclose nothing consistently is read without.

    Args:
        file: its name in messages.
        text: its content.
        bad: `BadRows`.
        named: the columns that the user names: if all are positions, there is no header.
        names: names of the columns of a file without a header.
        quoted: whether quotes enclose fields; None: as said above.
        separators: those that the first line may have, the first one found being taken.

    Returns:
        `Table`.
    """
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    lines = [line.removesuffix("\r") for line in lines]
    head = next((line for line in lines if line.strip()), "")
    separator = next((each for each in separators if each in head), separators[-1])
    if quoted is None:
        quoted = _is_quoted(lines, separator)
    split = _quoted_rows if quoted else _plain_rows
    rows = split(file, lines, separator, bad)
    first = next(rows, (1, []))
    if not names and named and all(is_position(c) and c not in first[1] for c in named):
        names = tuple(map(str, range(1, len(first[1]) + 1)))
    # A column without a name, such as an index, is called by its position.
    head = (name.strip().replace(MARK, REPLACEMENT) for name in first[1])
    columns = tuple(names or (name or str(i) for i, name in enumerate(head, 1)))
    if len(set(columns)) < len(columns):
        twice = next(column for column in columns if columns.count(column) > 1)
        raise UserError(f"{file}:1: two columns are called {twice!r}: give each a name of its own")
    rest = itertools.chain([first], rows) if names else rows
    notes = ()
    if separator != TAB and not quoted and any(QUOTE in line for line in lines):
        notes = (f"{file}: quotes do not enclose fields and are read as text",)
    return Table(file, columns, _named_rows(file, rest, columns, bad), notes)


def read_json(file, text, bad):
    """Reads JSON: one object per line, or one list of objects.

    Args:
        file, text, bad: as for `read_separated`.

    Returns:
        `Table`; its columns are those of all rows, of which each may lack some.
    """
    rows = list(_json_rows(file, text, bad))
    return Table(file, tuple(dict.fromkeys(name for _, row in rows for name in row)), rows)


def _named_rows(file, rows, columns, bad):
    for place, values in rows:
        if bad.leaves_out(file, values):
            continue
        if len(values) != len(columns):
            bad.add(file, place, f"{len(values)} columns, not {len(columns)} as in the first line")
        else:
            yield place, dict(zip(columns, values, strict=True))


def _plain_rows(file, lines, separator, bad):
    """Yields (line, fields), quotes being text."""
    for number, line in enumerate(lines, 1):
        if line.strip(" "):
            yield number, line.split(separator)


def _quoted_rows(file, lines, separator, bad):
    """Yields (line, fields); after a row whose quotes are wrong, reading goes on at its next line.

    The module csv ends a row with an error where text follows a quote that closes a field, or where
    a quote is never closed.
    """
    csv.field_size_limit(sys.maxsize)
    start = 0
    while start < len(lines):
        rest = (f"{line}\n" for line in itertools.islice(lines, start, None))
        reader = csv.reader(rest, delimiter=separator, strict=True)
        before = start
        try:
            for fields in reader:
                if fields:
                    yield before + 1, fields
                before = start + reader.line_num
            return
        except csv.Error:
            problem = f"a quote ({QUOTE}) that is not closed, or text after the one that closes"
            bad.add(file, before + 1, problem)
            start = before + 1


class _Unreadable(Exception):
    """A row whose quotes are wrong, while a file's quoting is tried."""


class _Strict:
    """`BadRows` of a trial."""

    def add(self, file, place, problem):
        raise _Unreadable


def _is_quoted(lines, separator):
    """Whether quotes enclose fields of the file."""
    if not any(QUOTE in line for line in lines):
        return False
    plain = [len(fields) for _, fields in _plain_rows("", lines, separator, None)]
    is_plain = len(set(plain)) == 1  # every line is a row, if quotes are text
    try:
        rows = [fields for _, fields in _quoted_rows("", lines, separator, _Strict())]
    except _Unreadable:
        # Either a wrong row of a quoted file, or quotes that are text.
        return separator != TAB and not is_plain
    if separator != TAB:
        return True
    # Writers of TSV enclose everything, or what needs it; other quotes belong to the text.
    if len(_ENCLOSED.findall(lines[0])) == len(rows[0]):
        return True
    if len({len(fields) for fields in rows}) > 1 or (is_plain and len(rows) < len(plain)):
        return False
    enclosed = _ENCLOSED.findall("\n".join(lines))
    return bool(enclosed) and all(map(_NEEDS_QUOTES.search, enclosed))


def _json_rows(file, text, bad):
    """Yields (place, object)."""
    if text.lstrip().startswith("["):
        values = enumerate(_parsed(file, text), 1)
        kept = ((number, value) for number, value in values if not bad.leaves_out(file, value))
        numbered = ((f"row {number}", value) for number, value in kept)
    else:
        numbered = _json_lines(file, text, bad)
    for place, value in numbered:
        if not isinstance(value, dict):
            bad.add(file, place, "not a JSON object with a value for each column")
        else:
            yield place, value


def _json_lines(file, text, bad):
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or bad.leaves_out(file, line):
            continue
        try:
            value = parse(line)
        except ValueError as error:
            if line.strip() in ("{", "["):
                raise UserError(f"{file}:{number}: JSON over several lines: {JSON_FORM}") from None
            bad.add(file, number, f"not JSON ({getattr(error, 'msg', error)})")
        else:
            yield number, value


def _parsed(file, text):
    try:
        return parse(text)
    except ValueError as error:
        reason = getattr(error, "msg", error)
        line = getattr(error, "lineno", 1)
        raise UserError(f"{file}:{line}: not JSON ({reason}): {JSON_FORM}") from None
