"""CoNLL files: a word and its tag per line, an empty line after each sentence."""

import re
from typing import NamedTuple

from tfdistill.data.labelled.examples import TaggedExample
from tfdistill.data.labelled.tables import TAB, is_position
from tfdistill.data.text_files import MARK, REPLACEMENT
from tfdistill.system.errors import UserError

DOCUMENT = "-DOCSTART-"
MOST_WORDS = 1000  # of a file of one sentence
HEADER_WORDS = frozenset("token tokens word words text form".split())
HEADER_POS = frozenset("upos pos".split())
HEADER_TAGS = frozenset("tag tags label labels ner ner_tag ner_tags".split()) | HEADER_POS
UNKNOWN = "", "_"  # cells without a tag
NUMBERED, UPOS = 10, 3  # columns of CoNLL-U, and the index of its parts of speech
_BLANKS = re.compile("[ \t]+")
ENTITY_TAG = re.compile(r"O|[BIESLU]-\S+")
_NUMBER = re.compile(r"\d+([-.]\d+)?")


class _Columns(NamedTuple):
    """Where the words and the tags stand.

    Attributes:
        word: index of the words' column.
        tag: that of the tags' column; None for a file without.
        first: first row of data.
        names: names of the two columns in the header; "" without one.
        notes: tuple of lines about the choice.
    """

    word: int
    tag: int | None
    first: int = 0
    names: tuple = ("", "")
    notes: tuple = ()


def read_words(file, text, reading, bad):
    """Reads the words of a CoNLL file, which may have tags.

    Args:
        file, text, reading, bad: as for `read_conll`.

    Returns:
        (list of tuples of str, the words of each sentence; tuple of notes; name of their column, ""
        without a header).

    Raises:
        UserError: a row cannot be read, or there is no such column.
    """
    examples, columns = _read(file, text, reading, bad, label="", with_tags=False)
    return [example.words for example in examples], columns.notes, columns.names[0]


def read_conll(file, text, reading, bad, label=None):
    """Reads a CoNLL file.

    Columns are separated by tabs if all lines have one, else by blanks. Without a header, the first
    column has the words and the last the tags; the other way round, if only the first column has
    tags of entities. Lines of -DOCSTART- and comments are left out: lines with # that have another
    number of columns, or no tag of entities where all other lines have one. A bad row leaves its
    sentence out.

    If the first of three or more columns (of two without tags) numbers the words of each sentence,
    as in CoNLL-U, the second has the words. Lines of several words, numbered 3-4, and of words that
    the text has not, numbered 5.1, are left out.

    Args:
        file: its name in messages.
        text: its content.
        reading: `Reading`.
        bad: `BadRows`.
        label: for held-out data, which may have no tags: name of the training data's column of
            tags, "" if it has none; None for training data.

    Returns:
        (list of `TaggedExample`, tuple of notes, name of the tags' column, "" without a header).
        The tags of held-out data are None if there is no column of tags, or all are empty or _.

    Raises:
        UserError: a row cannot be read, or there is no such column.
    """
    examples, columns = _read(file, text, reading, bad, label)
    return examples, columns.notes, columns.names[1]


def _read(file, text, reading, bad, label, with_tags=True):
    """The examples of a file, a list, and its `_Columns`."""
    numbered = [(number, line.rstrip("\r")) for number, line in enumerate(text.split("\n"), 1)]
    filled = [line for _, line in numbered if line.strip()]
    tabs = all(TAB in line for line in filled if not line.startswith(("#", DOCUMENT)))
    rows = [(number, _split(line, tabs)) for number, line in numbered]
    width = _usual_width(rows)
    others = [fields for _, fields in rows if fields and not fields[0].startswith("#")]
    tagged = bool(others) and all(map(_has_entity_tag, others))
    rows = [
        (number, fields)
        for number, fields in rows
        if not fields or not _is_aside(fields, width, tagged)
    ]
    least = 3 if label is None or tagged else 2
    numbered, notes = width >= least and _are_numbered(rows), ()
    if numbered:
        rows, notes = _whole_words(file, rows)
    columns = _columns(file, rows, reading, (width, numbered), label)
    rows = rows[columns.first :]
    if label is None and columns.tag is None:
        raise UserError(
            f"{file}: one column only, {width} wide: a word and its tag are needed in each line, "
            "separated by a tab or a blank"
        )
    if not with_tags or (label is not None and _all_unknown(rows, columns.tag)):
        columns = columns._replace(tag=None)
    examples = _sentences(file, rows, columns, width, bad)
    if len(examples) == 1 and len(examples[0].words) > MOST_WORDS:
        raise UserError(f"{file}: no empty line: one is needed after each sentence")
    return examples, columns._replace(notes=(*columns.notes, *notes))


def _all_unknown(rows, tag):
    """Whether no row has a tag in the column with an index, which may be None."""
    cells = (fields[tag : tag + 1] for _, fields in rows if fields and tag is not None)
    return all(not cell or cell[0].strip() in UNKNOWN for cell in cells)


def _are_numbered(rows):
    """Whether the first column numbers the words of each sentence."""
    before, known = [], set()
    for _, fields in rows:
        if fields and not _NUMBER.fullmatch(fields[0]):
            return False
        if fields and not before:
            known.add(re.split("[-.]", fields[0])[0])
        before = fields
    return bool(known) and known <= {"0", "1"}


def _whole_words(file, rows):
    """(numbered rows without those of several or of added words, notes)."""
    whole = [(number, fields) for number, fields in rows if not fields or fields[0].isdecimal()]
    left_out = len(rows) - len(whole)
    note = f"{file}: {left_out:,} lines with numbers such as 3-4 or 5.1 left out"
    return whole, (note,) if left_out else ()


def _split(line, tabs):
    if not line.strip():
        return []
    return line.split(TAB) if tabs else _BLANKS.split(line.strip(" \t"))


def _usual_width(rows):
    widths = [len(fields) for _, fields in rows if fields]
    return max(set(widths), key=lambda width: (widths.count(width), width)) if widths else 0


def _is_aside(fields, width, tagged):
    """Whether a row is a comment or marks a document; `tagged`: other rows have tags of entities.

    Comments may have as many columns as the rows: "# id 17 domain=en".
    """
    is_row = len(fields) == width and (not tagged or _has_entity_tag(fields))
    return fields[0] == DOCUMENT or (fields[0].startswith("#") and not is_row)


def _has_entity_tag(fields):
    return any(map(ENTITY_TAG.fullmatch, fields))


def _columns(file, rows, reading, form, label):
    """Chooses the `_Columns`; `form`: the number of columns, and whether the first has numbers."""
    width, numbered = form
    place, head = next(((i, fields) for i, (_, fields) in enumerate(rows) if fields), (0, []))
    head = [name.replace(MARK, REPLACEMENT) for name in head]
    text = "" if reading.text == "text" and "text" not in head else reading.text
    if _has_header(head, (text, reading.tag), width, label):
        word = _named(file, text, "text_column", head, HEADER_WORDS)
        tag = _tags_named(file, reading.tag, head, label)
        names = head[word], "" if tag is None else head[tag]
        told = f"{file}: words from column {names[0]!r}"
        told += f", tags from {names[1]!r}" * (tag is not None)
        return _Columns(word, tag, place + 1, names, (told,))
    reverse = not text and not reading.tag and _tags_come_first(rows)
    usual = (width - 1, 0) if reverse else (int(numbered), width - 1)
    if numbered and width == NUMBERED:
        usual = 1, UPOS
    word = _position(file, text, "text_column", width, usual[0])
    tag = usual[1] if label else None  # its name is that of a header, which other files have
    if not _is_name(reading.tag) and not (label is not None and _is_behind(reading.tag, width)):
        tag = _position(file, reading.tag, "tag_column", width, usual[1])
    if tag in (word, None):
        return _Columns(word, None)
    told = f"{file}: words from column {word + 1}, tags from column {tag + 1} of {width}"
    return _Columns(word, tag, notes=(told,) * (width > 2 or reverse))


def _has_header(head, columns, width, label):
    """Whether the first row names the columns; `columns`: those that are set."""
    text, tag = columns
    if _is_name(text) or (_is_name(tag) and (label is None or tag in head)):
        return True
    lower = {field.lower() for field in head}
    if width == 1:
        return label is not None and not text and bool(HEADER_WORDS & lower)
    return bool(HEADER_WORDS & lower) and bool(label or HEADER_TAGS & lower)


def _tags_named(file, tag, head, label):
    """The index of the tags' column by the header; None for held-out data without."""
    if label is None:
        return _named(file, tag, "tag_column", head, HEADER_TAGS)
    if tag and not _is_name(tag):
        return None if _is_behind(tag, len(head)) else _position(file, tag, "", len(head), 0)
    known = [name for name in (label, tag) if name]
    if found := [head.index(name) for name in known if name in head]:
        return found[0]
    usual = HEADER_TAGS - HEADER_POS if known else HEADER_TAGS
    found = [i for i, each in enumerate(head) if each.lower() in usual]
    return found[0] if len(found) == 1 else None


def _is_name(column):
    return bool(column) and not is_position(column)


def _is_behind(column, width):
    """Whether a column is a position that rows of a width have not."""
    return bool(column) and abs(int(column)) > width


def _tags_come_first(rows):
    fields = [fields for _, fields in rows if len(fields) > 1]
    return all(ENTITY_TAG.fullmatch(each[0]) for each in fields) and not all(
        ENTITY_TAG.fullmatch(each[-1]) for each in fields
    )


def _named(file, name, setting, head, usual):
    if is_position(name or "-"):
        return _position(file, name, setting, len(head), 0)
    if name in head:
        return head.index(name)
    found = [i for i, each in enumerate(head) if each.lower() in usual]
    if name or len(found) != 1:
        wanted = f"no column {name!r}" if name else "several columns, or none, fit"
        raise UserError(f"{file}:1: {wanted}: set `{setting}` to one of {', '.join(head)}")
    return found[0]


def _position(file, column, setting, width, usual):
    if not column:
        return usual
    number = int(column)
    if not 0 < abs(number) <= width:
        raise UserError(f"{file}: `{setting}`={column}: its lines have {width} columns")
    return number - 1 if number > 0 else width + number


def _sentences(file, rows, columns, width, bad):
    """The sentences of rows; one with a row to leave out is not there: list of `TaggedExample`."""
    examples, words, tags, start, good = [], [], [], 0, True
    for number, fields in [*rows, (0, [])]:
        if not fields:
            if words and good:
                own = None if columns.tag is None else tuple(tags)
                examples.append(TaggedExample(tuple(words), own, f"{file}:{start}"))
            words, tags, good = [], [], True
            continue
        good = good and not bad.leaves_out(file, fields)
        problem = _problem(fields, columns, width)
        if problem and good:
            bad.add(file, number, problem)
        good = good and not problem
        start = start if words else number
        words.append(fields[columns.word] if good else "")
        tags.append(fields[columns.tag] if good and columns.tag is not None else "")
    return examples


def _problem(fields, columns, width):
    if len(fields) != width:
        return f"{len(fields)} columns, not {width} as in the other lines"
    if not fields[columns.word].strip():
        return "no word"
    return "no tag" if columns.tag is not None and not fields[columns.tag].strip() else ""
