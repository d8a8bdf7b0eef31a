"""CoNLL files: a word and its tag per line, an empty line after each sentence."""

import re

from tfdistill.data.labelled.examples import TaggedExample
from tfdistill.data.labelled.tables import TAB, is_position
from tfdistill.system.errors import UserError

DOCUMENT = "-DOCSTART-"
MOST_WORDS = 1000  # of a file of one sentence
HEADER_WORDS = frozenset("token tokens word words text form".split())
HEADER_TAGS = frozenset("tag tags label labels ner ner_tag ner_tags upos pos".split())
NUMBERED, UPOS = 10, 3  # columns of CoNLL-U, and the index of its parts of speech
_BLANKS = re.compile("[ \t]+")
ENTITY_TAG = re.compile(r"O|[BIESLU]-\S+")
_NUMBER = re.compile(r"\d+([-.]\d+)?")


def read_words(file, text, reading, bad):
    """Reads the words of a CoNLL file, which may have tags.

    Args:
        file, text, reading, bad: as for `read_conll`.

    Returns:
        (list of tuples of str, the words of each sentence; tuple of notes).

    Raises:
        UserError: a row cannot be read, or there is no such column.
    """
    examples, notes = read_conll(file, text, reading, bad, with_tags=False)
    return [example.words for example in examples], notes


def read_conll(file, text, reading, bad, with_tags=True):
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
        with_tags: whether tags must be there; without, a line may be a word alone.

    Returns:
        (list of `TaggedExample`, tuple of notes).

    Raises:
        UserError: a row cannot be read, or there is no such column.
    """
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
    least = 3 if with_tags or tagged else 2
    numbered, notes = width >= least and _are_numbered(rows), ()
    if numbered:
        rows, notes = _whole_words(file, rows)
    word, tag, first, note = _columns(file, rows, reading, (width, numbered))
    if not with_tags:
        tag = word
    elif word == tag:
        raise UserError(
            f"{file}: one column only, {width} wide: a word and its tag are needed in each line, "
            "separated by a tab or a blank"
        )
    examples = _sentences(file, rows[first:], (word, tag, width), bad)
    if len(examples) == 1 and len(examples[0].words) > MOST_WORDS:
        raise UserError(f"{file}: no empty line: one is needed after each sentence")
    return examples, (*note, *notes)


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


def _columns(file, rows, reading, form):
    """(index of the words' column, of the tags', first row of data, notes)."""
    width, numbered = form
    place, head = next(((i, fields) for i, (_, fields) in enumerate(rows) if fields), (0, []))
    text = "" if reading.text == "text" and "text" not in head else reading.text
    tag = reading.tag
    lower = [field.lower() for field in head]
    has_header = any(column and not is_position(column) for column in (text, tag)) or (
        bool(HEADER_WORDS & set(lower)) and bool(HEADER_TAGS & set(lower))
    )
    if has_header:
        first = place + 1
        word_at = _named(file, text, "text_column", head, HEADER_WORDS)
        tag_at = _named(file, tag, "tag_column", head, HEADER_TAGS)
        notes = (f"{file}: words from column {head[word_at]!r}, tags from {head[tag_at]!r}",)
        return word_at, tag_at, first, notes
    reverse = not text and not tag and _tags_come_first(rows)
    usual = (width - 1, 0) if reverse else (int(numbered), width - 1)
    if numbered and width == NUMBERED:
        usual = 1, UPOS
    word_at = _position(file, text, "text_column", width, usual[0])
    tag_at = _position(file, tag, "tag_column", width, usual[1])
    notes = ()
    if width > 2 or reverse:
        notes = (
            f"{file}: words from column {word_at + 1}, tags from column {tag_at + 1} of {width}",
        )
    return word_at, tag_at, 0, notes


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


def _sentences(file, rows, columns, bad):
    """The sentences of rows; one with a bad row is left out: list of `TaggedExample`."""
    word_at, tag_at, width = columns
    examples, words, tags, start, good = [], [], [], 0, True
    for number, fields in [*rows, (0, [])]:
        if not fields:
            if words and good:
                examples.append(TaggedExample(tuple(words), tuple(tags), f"{file}:{start}"))
            words, tags, good = [], [], True
            continue
        problem = _problem(fields, columns)
        if problem and good:
            bad.add(file, number, problem)
        good = good and not problem
        start = start if words else number
        words.append(fields[word_at] if good else "")
        tags.append(fields[tag_at] if good else "")
    return examples


def _problem(fields, columns):
    word_at, tag_at, width = columns
    if len(fields) != width:
        return f"{len(fields)} columns, not {width} as in the other lines"
    if not fields[word_at].strip():
        return "no word"
    return "" if fields[tag_at].strip() else "no tag"
