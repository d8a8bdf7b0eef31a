"""Text files: unpacking, checking, and reading them as lines or as the rows of a JSON file.

Packed files (.gz, .bz2, .xz) are treated like the files inside them.
"""

import bz2
import codecs
import gzip
import hashlib
import html
import itertools
import json
import lzma
import re
import zlib
from typing import NamedTuple

from tfdistill.system.errors import UserError
from tfdistill.system.files import refuse_lfs_pointer

LONGEST_LINE = 20_000  # characters; longer lines are broken at a space
PACKED = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
HEAD = 1 << 16  # characters at the beginning of a file from which its layout is detected
ENTITY = re.compile(r"&(?:[A-Za-z][A-Za-z0-9]*|#[0-9]+|#[xX][0-9A-Fa-f]+);")

_EMPTY_LINE = re.compile(r"\n[ \t\r]*\n")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_UTF16 = codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE  # byte order marks
_READ_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError)


class CheckedFile(NamedTuple):
    """Facts about a text file.

    Attributes:
        digest: SHA-256 of the text as a hexadecimal string.
        size: bytes of the text.
        head: str, the first `HEAD` characters, without a byte order mark.
        empty_lines: whether it has an empty line after another line.
    """

    digest: str
    size: int
    head: str
    empty_lines: bool


def check_file(path):
    """Reads a text file once and checks that it is text.

    Args:
        path: a `Path`; packed files are unpacked.

    Returns:
        A `CheckedFile`.

    Raises:
        UserError: the file cannot be read, is binary, or is not UTF-8.
    """
    digest = hashlib.sha256()
    decoder = codecs.getincrementaldecoder("utf-8")()
    size, head, end, empty_lines = 0, None, "", False
    try:
        refuse_lfs_pointer(path)
        with _open(path, "rb") as stream:
            for chunk in itertools.chain(iter(lambda: stream.read(1 << 20), b""), [b""]):
                if not size and chunk.startswith(_UTF16):
                    raise UserError(f"{path}: UTF-16, as Windows writes it: convert it to UTF-8")
                if 0 in chunk:
                    place = size + chunk.index(0)
                    raise UserError(
                        f"{path}: a binary file (NUL at byte {place}): a text file is needed"
                    )
                waiting = len(decoder.getstate()[0])  # first bytes of a character cut in two
                try:
                    text = decoder.decode(chunk, final=not chunk)
                except UnicodeDecodeError as error:
                    place = size - waiting + error.start
                    raise UserError(
                        f"{path}: not UTF-8 at byte {place}: convert the file to UTF-8"
                    ) from None
                head = text[:HEAD] if head is None else head
                empty_lines = empty_lines or _EMPTY_LINE.search(end + text) is not None
                end = text[-8:]
                digest.update(chunk)
                size += len(chunk)
    except _READ_ERRORS as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: cannot be read: {reason}") from None
    return CheckedFile(digest.hexdigest(), size, head.removeprefix("\ufeff"), empty_lines)


def looks_like_text(path):
    """Whether a file begins with UTF-8 text; False if it cannot be read.

    Args:
        path: a `Path`; packed files are unpacked.
    """
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head := _first_bytes(path))
    except (*_READ_ERRORS, UnicodeDecodeError):
        return False
    return 0 not in head


def is_one_object(path):
    """Whether a file begins with a JSON object over several lines, and so has no rows.

    Args:
        path: a `Path`; packed files are unpacked. An unreadable file counts as rows.
    """
    try:
        first, end, _ = _first_bytes(path).removeprefix(codecs.BOM_UTF8).lstrip().partition(b"\n")
    except _READ_ERRORS:
        return False
    return first.startswith(b"{") and bool(end) and not first.rstrip().endswith(b"}")


def read_text(path):
    """Reads a whole UTF-8 text file, with the line ends that it has.

    Args:
        path: a `Path` that `check_file` accepts; packed files are unpacked.

    Returns:
        str, without a byte order mark.
    """
    with _open(path, "rt", encoding="utf-8-sig", newline="") as stream:
        return stream.read()


def read_lines(path):
    """Reads the lines of a UTF-8 text file.

    Args:
        path: a `Path`; packed files are unpacked.

    Yields:
        Lines; lines longer than `LONGEST_LINE` characters in pieces.
    """
    with _open(path, "rt", encoding="utf-8-sig") as stream:
        rest = ""
        while piece := stream.readline(LONGEST_LINE):
            line, rest = rest + piece, ""
            if len(piece) == LONGEST_LINE and not piece.endswith("\n"):
                head, space, tail = line.rpartition(" ")
                if space:
                    line, rest = head, tail
            yield line
        if rest:
            yield rest


def read_column(path, column):
    """Reads the text of each row of a JSON file: one object per line, or one list of objects.

    A list is held in memory as a whole; lines are read one by one. In WikiExtractor's JSON output,
    entities such as `&lt;` are decoded.

    Args:
        path: a `Path`; packed files are unpacked.
        column: name of the column that holds the text.

    Yields:
        str, one for each row; "" if the text is null.

    Raises:
        UserError: the file is not such JSON, or a row has no text in that column.
    """
    for number, row in _rows(path):
        if not isinstance(row, dict):
            raise UserError(f"{path}, row {number}: not a JSON object: rows need a column of text")
        if column not in row:
            raise UserError(
                f"{path}, row {number}: no column {column!r}, only {', '.join(row) or 'none'}: "
                "set `text_column` to the one with the text"
            )
        text = row[column] if row[column] is not None else ""
        if not isinstance(text, str):
            raise UserError(
                f"{path}, row {number}: column {column!r} holds {type(text).__name__}, not "
                "text: set `text_column` to another one"
            )
        if "curid=" in str(row.get("url")):  # WikiExtractor's addresses
            text = decode_entities(text)
        yield text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)


def parse_json(text):
    """Reads a JSON value; halves of surrogate pairs, which no text has, become U+FFFD.

    Args:
        text: str.

    Returns:
        The value.

    Raises:
        ValueError: it is not JSON.
        RecursionError: it is nested too deeply.
    """
    value = json.loads(text)
    return _without_surrogates(value) if "\\ud" in text or "\\uD" in text else value


def _without_surrogates(value):
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_surrogates(each) for each in value]
    if isinstance(value, dict):
        return {_without_surrogates(k): _without_surrogates(v) for k, v in value.items()}
    return value


def decode_entities(text):
    """Decodes HTML entities; other ampersands stay.

    Example:
        >>> decode_entities("a &lt; b &amp; AT&T")
        'a < b & AT&T'
    """
    return ENTITY.sub(lambda match: html.unescape(match[0]), text) if "&" in text else text


def _rows(path):
    """Yields (number, JSON value) for the items of a list, or for lines that are not empty."""
    with _open(path, "rt", encoding="utf-8-sig") as stream:
        numbered = ((number, line) for number, line in enumerate(stream, 1) if line.strip())
        first = next(numbered, (0, ""))
        if first[1].lstrip().startswith("["):
            yield from enumerate(_parse(path, "", first[1] + stream.read()), 1)
        elif first[1]:
            for number, line in itertools.chain([first], numbered):
                yield number, _parse(path, f", line {number}", line)


def _parse(path, place, text):
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = getattr(error, "msg", None) or error
        raise UserError(
            f"{path}{place}: not JSON ({reason}): a JSON file needs one object per line, or one "
            "list of objects"
        ) from None


def _first_bytes(path):
    with _open(path, "rb") as stream:
        return stream.read(1 << 12)


def _open(path, mode, **options):
    return PACKED.get(path.suffix.lower(), open)(path, mode, **options)
