"""Text as streams of documents: the layouts of text files, and cutting documents into splits.

A document is an iterable of its lines, without blank lines. It is read lazily, so that it may be
larger than the memory, and is exhausted when the next document is read.
"""

import functools
import itertools
import operator
import re

from tfdistill.data.text_files import decode_entities

SPLITS = ("train", "validation", "test")
UNKNOWN = "[UNK]"  # in a line: a word that the corpus itself does not know
PLAIN, WIKITEXT, WIKITEXT_DENSE = "plain", "wikitext", "wikitext without blank lines"
EXTRACTED, SENTENCES, ROWS = "wikiextractor", "a sentence a line", "rows of JSON"
ROWS_LOOKED_AT = 1000  # rows of a table from which the layout is detected

# For each missing split, one of every CYCLE documents is held out.
CYCLE = 20
HELD_OUT = {"validation": CYCLE - 2, "test": CYCLE - 1}

# Text has one sentence per line, with empty lines between documents, if at least this share of its
# lines end like sentences and documents have at least this many lines on average. In wrapped text
# with paragraphs of two lines or more, fewer than half of the lines end like sentences; and text
# with one paragraph per line has a single line between two empty ones.
SENTENCE_SHARE, LINES_OF_A_DOCUMENT = 0.7, 2
WORDS_OF_A_NAME = 3  # at most, in the name of a speaker of a play

_HEADING = re.compile(r"= [^=]+ =")
_WIKITEXT_MARKS = {" @-@ ": "-", " @,@ ": ",", " @.@ ": "."}
_DOC = re.compile(r"<doc id=.*>")
_JSON = re.compile(r'\s*(\[\s*)?\{\s*"(?:[^"\\]|\\.)*"\s*:')
_SENTENCE_ENDS = frozenset(".!?…。！？।؟۔")
_CLOSERS = "\"'”’»)]」』） "


def marked_layout(checked):
    """Detects layouts that can be recognised from the first lines.

    Args:
        checked: the `CheckedFile` of the text.

    Returns:
        `ROWS` for JSON objects, one per line or in a list; `EXTRACTED` for the output of
        WikiExtractor; `SENTENCES` for the format of BERT's pre-training data, one sentence per line
        with empty lines between documents; else None, and `detect_layout` decides.
    """
    if _JSON.match(checked.head):
        return ROWS
    lines = [line.strip() for line in checked.head.split("\n")]
    if "<doc id=" in checked.head and any(map(_DOC.fullmatch, lines)):
        return EXTRACTED
    return SENTENCES if checked.empty_lines and _are_sentences(lines) else None


def _are_sentences(lines):
    firsts = [line for before, line in itertools.pairwise(["", *lines]) if line and not before]
    lines = [line for line in lines if line]
    ends = sum(line.rstrip(_CLOSERS)[-1:] in _SENTENCE_ENDS for line in lines)
    return (
        ends > 0
        and ends >= SENTENCE_SHARE * len(lines)
        and len(lines) >= LINES_OF_A_DOCUMENT * len(firsts)
        and not any(map(_HEADING.fullmatch, lines))
        and not _are_speakers(firsts)
    )


def _are_speakers(firsts):
    """Whether the first lines of paragraphs are mostly a few repeated names, as in plays."""
    names = [line for line in firsts if len(line.split()) <= WORDS_OF_A_NAME]
    return len(names) > len(firsts) / 2 and len(set(names)) < len(names) / 2


def detect_layout(lines):
    """Distinguishes WikiText's layout from plain text.

    In WikiText a heading ` = Title = ` is between blank lines, unlike lines such as
    ` = Goals ; A = `, which are remains of tables. If no heading is between blank lines, these may
    have been dropped, and every line with the form of a heading counts.

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
        layout: the result of `marked_layout` or `detect_layout`, but not `ROWS`. Plain lines are
            one document. In WikiText's layout headings start documents and are their first line,
            ` @-@ ` is undone, and `<unk>` becomes `UNKNOWN`. In WikiExtractor's output `<doc …>`
            starts a document and `</doc>` ends it; both are left out, and entities such as `&lt;`
            are decoded. In the layout with sentences, an empty line ends a document.

    Yields:
        Documents with text.
    """
    if layout == PLAIN:
        numbered = ((0, line) for line in map(str.strip, lines))
    elif layout == EXTRACTED:
        numbered = _extracted(lines)
    elif layout == SENTENCES:
        numbered = _between_empty_lines(lines)
    else:
        numbered = _wikitext(lines, layout)
    with_text = filter(operator.itemgetter(1), numbered)
    for _, group in itertools.groupby(with_text, key=operator.itemgetter(0)):
        yield map(operator.itemgetter(1), group)


def row_documents(texts):
    """Divides the texts of a table's rows into documents: one per row, or WikiText's articles.

    Args:
        texts: function that opens the stream of the rows' texts.

    Yields:
        Documents with text.
    """
    layout = detect_layout(itertools.islice(texts(), ROWS_LOOKED_AT))
    if layout != PLAIN:
        yield from split_documents(texts(), layout)
    else:
        for text in texts():
            yield from split_documents(text.splitlines(), PLAIN)


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


def _wikitext(lines, layout):
    """Yields (document's number, line without WikiText's marks)."""
    number = 0
    for line, heading, alone in _marked(lines):
        number += heading and (alone or layout == WIKITEXT_DENSE)
        if " @" in line:
            for mark, text in _WIKITEXT_MARKS.items():
                line = line.replace(mark, text)
        yield number, line.replace("<unk>", UNKNOWN)


def _extracted(lines):
    """Yields (document's number, line) of WikiExtractor's output, "" in place of its marks."""
    number = 0
    for line in map(str.strip, lines):
        if line == "</doc>" or _DOC.fullmatch(line):
            number, line = number + 1, ""
        yield number, decode_entities(line).strip()


def _between_empty_lines(lines):
    """Yields (document's number, line)."""
    number = 0
    for line in map(str.strip, lines):
        number += not line
        yield number, line


def _marked(lines):
    """Yields each line stripped, whether it has a heading's form, and whether it stands alone."""
    before = ""
    stripped = itertools.chain((line.strip() for line in lines), [""])
    for line, after in itertools.pairwise(stripped):
        yield line, _HEADING.fullmatch(line) is not None, not before and not after
        before = line
