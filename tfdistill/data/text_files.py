"""Text files: unpacking, checking, and reading them as lines or as the rows of a JSON file.

Packed files (.gz, .bz2, .xz) are treated like the files inside them.
"""

import bz2
import codecs
import gzip
import hashlib
import html
import itertools
import lzma
import re
import zlib
from typing import NamedTuple

from tfdistill.system.errors import UserError
from tfdistill.system.files import refuse_lfs_pointer
from tfdistill.system.strict_json import parse

# What happens to text that is not UTF-8, and how Python's streams call it.
STRICT, REPLACE, SKIP = ENCODING_ERRORS = "strict", "replace", "skip"
_HANDLERS = {STRICT: STRICT, REPLACE: REPLACE, SKIP: "surrogateescape"}
REPLACEMENT, MARK = "\ufffd", "\ufdd0"  # MARK, no character by Unicode's law: see `read_text`
NOT_TEXT = "are not UTF-8, or have NUL bytes"  # said of lines and rows
CURE = "or set `encoding_errors`"
LONGEST_LINE = 20_000  # characters; longer lines are broken at a space
PACKED = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
HEAD = 1 << 16  # characters at the beginning of a file from which its layout is detected
ENTITY = re.compile(r"&(?:[A-Za-z][A-Za-z0-9]*|#[0-9]+|#[xX][0-9A-Fa-f]+);")

_EMPTY_LINE = re.compile(r"\n[ \t\r]*\n")
# In a stream with SKIP, bytes that are not UTF-8; and the same or NUL bytes.
_ESCAPED = re.compile("[\udc80-\udcff]")
_BAD = re.compile("[\udc80-\udcff\\0]")
_UTF16 = codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE  # byte order marks
READ_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError)


class CheckedFile(NamedTuple):
    """Facts about a text file.

    Attributes:
        digest: SHA-256 of the text as a hexadecimal string.
        size: bytes of the text.
        head: str, the first `HEAD` characters, without a byte order mark.
        empty_lines: whether it has an empty line after another line.
        bad_lines: lines that are not UTF-8, or hold a NUL byte; 0 where these are errors.
    """

    digest: str
    size: int
    head: str
    empty_lines: bool
    bad_lines: int = 0


def check_file(path, errors=STRICT):
    """Reads a text file and checks that it is text.

    Args:
        path: a `Path`; packed files are unpacked.
        errors: one of `ENCODING_ERRORS`: whether what is not UTF-8 is an error, or counted.

    Returns:
        A `CheckedFile`.

    Raises:
        UserError: the file cannot be read, is binary, or is not UTF-8.
    """
    digest = hashlib.sha256()
    strict = errors == STRICT
    decoder = codecs.getincrementaldecoder("utf-8")(STRICT if strict else REPLACE)
    size, head, end, empty_lines, lines = 0, None, "", False, 1
    try:
        refuse_lfs_pointer(path)
        with _open(path, "rb") as stream:
            for chunk in itertools.chain(iter(lambda: stream.read(1 << 20), b""), [b""]):
                if not size and chunk.startswith(_UTF16):
                    raise UserError(f"{path}: UTF-16, as Windows writes it: convert it to UTF-8")
                if strict and 0 in chunk:
                    place = chunk.index(0)
                    line = lines + chunk.count(b"\n", 0, place)
                    raise UserError(
                        f"{path}: a binary file (NUL at byte {size + place}, line {line}): a text "
                        f"file is needed, {CURE}"
                    )
                waiting = len(decoder.getstate()[0])  # first bytes of a character cut in two
                try:
                    text = decoder.decode(chunk, final=not chunk)
                except UnicodeDecodeError as error:
                    place = size - waiting + error.start
                    line = lines + chunk.count(b"\n", 0, max(0, error.start - waiting))
                    raise UserError(
                        f"{path}: not UTF-8 at byte {place}, line {line}: convert the file to "
                        f"UTF-8, {CURE}"
                    ) from None
                head = text[:HEAD] if head is None else head
                empty_lines = empty_lines or _EMPTY_LINE.search(end + text) is not None
                end = text[-8:]
                digest.update(chunk)
                size += len(chunk)
                lines += chunk.count(b"\n")
    except READ_ERRORS as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: cannot be read: {reason}") from None
    head, bad = head.removeprefix("\ufeff"), 0 if strict else _bad_lines(path)
    return CheckedFile(digest.hexdigest(), size, head, empty_lines, bad)


def _bad_lines(path):
    """Number of the lines that are not UTF-8 or hold a NUL byte."""
    with _open(path, "rt", encoding="utf-8-sig", errors=_HANDLERS[SKIP]) as stream:
        bad, found = 0, False
        while piece := stream.readline(LONGEST_LINE):
            found = found or _is_bad(piece)
            if piece.endswith("\n"):
                bad, found = bad + found, False
        return bad + found


def _is_bad(text):
    return not text.isascii() and _ESCAPED.search(text) is not None or "\0" in text


def looks_like_text(path):
    """Whether a file begins with UTF-8 text; False if it cannot be read.

    Args:
        path: a `Path`; packed files are unpacked.
    """
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head := _first_bytes(path))
    except (*READ_ERRORS, UnicodeDecodeError):
        return False
    return 0 not in head


def is_one_object(path):
    """Whether a file begins with a JSON object over several lines, and so has no rows.

    Args:
        path: a `Path`; packed files are unpacked. An unreadable file counts as rows.
    """
    try:
        first, end, _ = _first_bytes(path).removeprefix(codecs.BOM_UTF8).lstrip().partition(b"\n")
    except READ_ERRORS:
        return False
    return first.startswith(b"{") and bool(end) and not first.rstrip().endswith(b"}")


def read_text(path, errors=STRICT):
    """Reads a whole UTF-8 text file, with the line ends that it has.

    Args:
        path: a `Path` that `check_file` accepts; packed files are unpacked.
        errors: one of `ENCODING_ERRORS`: bytes that are not UTF-8, and NUL bytes, become U+FFFD
            with "replace", and `MARK` with "skip": readers leave out the rows that have it.

    Returns:
        str, without a byte order mark.
    """
    with _open(path, "rt", encoding="utf-8-sig", errors=_HANDLERS[errors], newline="") as stream:
        text = stream.read()
    return _BAD.sub(MARK, text) if errors == SKIP else text.replace("\0", REPLACEMENT)


def read_lines(path, errors=STRICT):
    """Reads the lines of a UTF-8 text file.

    Args:
        path: a `Path`; packed files are unpacked.
        errors: one of `ENCODING_ERRORS`: what is not UTF-8, and NUL bytes, become U+FFFD with
            "replace"; with "skip", a line (of a long one, a piece) that has them is left out.

    Yields:
        Lines; lines longer than `LONGEST_LINE` characters in pieces.
    """
    with _open(path, "rt", encoding="utf-8-sig", errors=_HANDLERS[errors]) as stream:
        rest = ""
        while piece := stream.readline(LONGEST_LINE):
            if errors != STRICT and (piece := _cleaned(piece, errors)) is None:
                continue
            line, rest = rest + piece, ""
            if len(piece) == LONGEST_LINE and not piece.endswith("\n"):
                head, space, tail = line.rpartition(" ")
                if space:
                    line, rest = head, tail
            yield line
        if rest:
            yield rest


def _cleaned(text, errors):
    """Text without bad characters; None for one that is to be skipped."""
    if errors == SKIP:
        return None if _is_bad(text) else text
    return text.replace("\0", REPLACEMENT)


def read_column(path, column, errors=STRICT):
    """Reads the text of each row of a JSON file: one object per line, or one list of objects.

    A list is held in memory as a whole; lines are read one by one. In WikiExtractor's JSON output,
    entities such as `&lt;` are decoded.

    Args:
        path: a `Path`; packed files are unpacked.
        column: name of the column that holds the text.
        errors: as for `read_lines`; a list is one line.

    Yields:
        str, one for each row; "" if the text is null.

    Raises:
        UserError: the file is not such JSON, or a row has no text in that column.
    """
    for number, row in _rows(path, errors):
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
        yield text


def decode_entities(text):
    """Decodes HTML entities; other ampersands stay.

    Example:
        >>> decode_entities("a &lt; b &amp; AT&T")
        'a < b & AT&T'
    """
    return ENTITY.sub(lambda match: html.unescape(match[0]), text) if "&" in text else text


def _rows(path, errors):
    """Yields (number, JSON value) for the items of a list, or for lines that are not empty."""
    with _open(path, "rt", encoding="utf-8-sig", errors=_HANDLERS[errors]) as stream:
        lines = stream if errors == STRICT else (_cleaned(line, errors) or "" for line in stream)
        numbered = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
        first = next(numbered, (0, ""))
        if first[1].lstrip().startswith("["):
            yield from enumerate(_parse(path, "", first[1] + "".join(lines)), 1)
        elif first[1]:
            for number, line in itertools.chain([first], numbered):
                yield number, _parse(path, f", line {number}", line)


def _parse(path, place, text):
    try:
        return parse(text)
    except ValueError as error:
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
