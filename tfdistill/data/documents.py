"""Text files as streams of documents: reading, checking, layouts, and cutting into splits.

A document is an iterable of its lines without blank ones. It is read lazily, so that a document may
be larger than the memory, and is used up when the next one is asked for.
"""

import codecs
import functools
import gzip
import hashlib
import itertools
import operator
import re
import zlib

from tfdistill.errors import UserError

SPLITS = ("train", "validation", "test")
UNKNOWN = "[UNK]"  # stands in a line for a word that the corpus itself does not know
LONGEST_LINE = 20_000  # characters; longer lines are broken at a space
PLAIN, WIKITEXT, WIKITEXT_DENSE = "plain", "wikitext", "wikitext without blank lines"

# Splits cut by document: of every CYCLE documents one is held out for each missing split.
CYCLE = 20
HELD_OUT = {"validation": CYCLE - 2, "test": CYCLE - 1}

_HEADING = re.compile(r"= [^=]+ =")
_WIKITEXT_MARKS = {" @-@ ": "-", " @,@ ": ",", " @.@ ": "."}


def check_file(path):
    """Reads a text file once and makes sure that it is text.

    Args:
        path: a `Path`; `.gz` files are unpacked.

    Returns:
        The SHA-256 of the text as a hexadecimal string, and its size in bytes.

    Raises:
        UserError: when the file cannot be read, is binary, or is not UTF-8.
    """
    digest = hashlib.sha256()
    decoder = codecs.getincrementaldecoder("utf-8")()
    size = 0
    try:
        with _open(path, "rb") as stream:
            for chunk in itertools.chain(iter(lambda: stream.read(1 << 20), b""), [b""]):
                if 0 in chunk:
                    place = size + chunk.index(0)
                    raise UserError(f"{path}: a binary file (NUL at byte {place}), text is needed")
                waiting = len(decoder.getstate()[0])  # first bytes of a character cut in two
                try:
                    decoder.decode(chunk, final=not chunk)
                except UnicodeDecodeError as error:
                    place = size - waiting + error.start
                    raise UserError(
                        f"{path}: not UTF-8 at byte {place}: convert the file to UTF-8"
                    ) from None
                digest.update(chunk)
                size += len(chunk)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: cannot be read: {reason}") from None
    return digest.hexdigest(), size


def read_lines(path):
    """Reads the lines of a UTF-8 text file.

    Args:
        path: a `Path`; `.gz` files are unpacked.

    Yields:
        Lines; those longer than `LONGEST_LINE` characters in pieces.
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


def detect_layout(lines):
    """Tells WikiText's layout from plain text.

    In WikiText a heading ` = Title = ` stands between blank lines, which sets it apart from lines
    such as ` = Goals ; A = ` that its tables left behind. Where no heading stands so, the blank
    lines may have been dropped, and every line of a heading's form counts.

    Args:
        lines: an iterable of lines.

    Returns:
        `PLAIN`, `WIKITEXT` or `WIKITEXT_DENSE`.
    """
    layout = PLAIN
    for _, heading, alone in _marked(lines):
        if heading and alone:
            return WIKITEXT
        if heading:
            layout = WIKITEXT_DENSE
    return layout


def split_documents(lines, layout):
    """Divides lines into documents.

    Args:
        lines: an iterable of lines.
        layout: what `detect_layout` found. Plain lines are all one document. In WikiText's layout
            headings start documents and are their first line, ` @-@ ` is undone, and `<unk>`
            becomes `UNKNOWN`.

    Yields:
        Documents; none without text.
    """

    def numbered():
        number = 0
        for line, heading, alone in _marked(lines):
            if layout != PLAIN:
                number += heading and (alone or layout == WIKITEXT_DENSE)
                if " @" in line:
                    for mark, text in _WIKITEXT_MARKS.items():
                        line = line.replace(mark, text)
                line = line.replace("<unk>", UNKNOWN)
            if line:
                yield number, line

    for _, group in itertools.groupby(numbered(), key=operator.itemgetter(0)):
        yield map(operator.itemgetter(1), group)


def cut(source, missing):
    """Cuts the splits that a corpus lacks from its training documents, always in the same way.

    With at least `CYCLE` documents, whole documents are held out: of every 20 the 19th for
    validation and the 20th for test. With fewer, every document is cut: its last 5 % of lines for
    test and the 5 % before for validation; one of less than 20 lines is broken at spaces first.

    Args:
        source: function that opens the stream of training documents.
        missing: the splits to cut, of "validation" and "test".

    Returns:
        A dict of functions that open the streams of "train" and of the missing splits.
    """
    missing = [split for split in SPLITS if split in missing]

    @functools.cache
    def first_lengths():
        documents = itertools.islice(map(_in_pieces, source()), CYCLE)
        return [sum(1 for _ in document) for document in documents]

    def stream(split):
        lengths = first_lengths()
        for number, document in enumerate(source()):
            if len(lengths) == CYCLE:
                held_out = [name for name in missing if number % CYCLE == HELD_OUT[name]]
                if [split] == (held_out or ["train"]):
                    yield document
            else:
                document = _in_pieces(document)
                share = lengths[number] // CYCLE
                ends = {name: lengths[number] - share * i for i, name in enumerate(missing[::-1])}
                stop = ends.get(split, lengths[number] - share * len(missing))
                start = stop - share if split in ends else 0
                if start < stop:
                    yield itertools.islice(document, start, stop)

    return {split: functools.partial(stream, split) for split in ["train", *missing]}


def _in_pieces(document):
    """A document of `CYCLE` lines or more, or the words of a shorter one in `CYCLE` pieces."""
    lines = list(itertools.islice(document, CYCLE))
    if len(lines) == CYCLE:
        return itertools.chain(lines, document)
    words = " ".join(lines).split(" ")
    if len(words) < CYCLE:
        return iter(lines)
    bounds = [len(words) * i // CYCLE for i in range(CYCLE + 1)]
    return (" ".join(words[i:j]) for i, j in itertools.pairwise(bounds))


def _open(path, mode, **options):
    return (gzip.open if path.name.endswith(".gz") else open)(path, mode, **options)


def _marked(lines):
    """Yields each line stripped, whether it has a heading's form, and whether it stands alone."""
    before = ""
    stripped = itertools.chain((line.strip() for line in lines), [""])
    for line, after in itertools.pairwise(stripped):
        yield line, _HEADING.fullmatch(line) is not None, not before and not after
        before = line
