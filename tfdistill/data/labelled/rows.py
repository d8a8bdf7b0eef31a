"""Rows of tables turned into examples."""

import ast
import dataclasses
import json
import math

from tfdistill.data.labelled.columns import choose_columns
from tfdistill.data.labelled.examples import TaggedExample, TextExample
from tfdistill.data.labelled.squad import span_example
from tfdistill.system.errors import UserError

LARGEST = 1e15  # of the numbers to learn: the square is a float32


def table_examples(table, kind, reading, bad, label=None):
    """Turns the rows of a table into examples.

    Args:
        table: `Table`.
        kind: "text", "numbers", "tags" or "spans". A cell of words or tags is a list, or text with
            blanks between them; a cell of answers is SQuAD's {"text": [...], "answer_start": [...]}
            or a list of {"text", "answer_start"}.
        reading: `Reading`.
        bad: `BadRows`.
        label: as for `choose_columns`.

    Returns:
        (list of examples, tuple of notes, the column of labels). A row without a label is a bad
        one, unless no row has one: their labels are None then.

    Raises:
        UserError: a row cannot be read, classes are of several kinds, or there is no such column.
    """
    columns, notes = choose_columns(table, kind, reading, label)
    rows = list(table.rows)
    # Test files of contests have no labels: no such column, empty cells, or None of the hub.
    label = columns[1] if kind != "spans" else columns[2]
    unknown = bool(rows) and all(_is_empty(row.get(label)) for _, row in rows)
    if kind == "text":
        _require_one_kind(table.file, [row.get(label) for _, row in rows])
    read = {"text": _text, "numbers": _text, "tags": _tagged, "spans": _span}[kind]
    examples = []
    for place, row in rows:
        cells = [None if column is None else row.get(column) for column in columns]
        if kind == "spans":  # as SQuAD's rows on the hub have them
            cells += [row.get("id"), row.get("title")]
        has_pair = kind in ("text", "numbers") and columns[2] is not None
        try:
            examples.append(read(cells, f"{table.file}:{place}", kind, (unknown, has_pair)))
        except ValueError as problem:
            bad.add(table.file, place, str(problem))
    if kind == "tags":
        require_sentences(table.file, [example.words for example in examples])
    return examples, (*table.notes, *notes), label


def require_sentences(file, sentences):
    """Refuses a table with a word in each row, where a row is a sentence.

    Args:
        file: its name in messages.
        sentences: list of tuples of words.

    Raises:
        UserError: there are several rows, and each is one word.
    """
    if len(sentences) > 1 and all(len(words) == 1 for words in sentences):
        raise UserError(
            f"{file}: every row has one word, but a row is a sentence: write a word and its "
            "tag per line, with a blank between them and an empty line after each sentence (CoNLL)"
        )


def read_number(value):
    """Reads the number of a regression label.

    Args:
        value: str or number.

    Returns:
        float.

    Raises:
        ValueError: it is not a finite number, or too large to be learnt.
    """
    too_large = f"the label is over {LARGEST:g}, too large to be learnt"
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    except OverflowError:
        raise ValueError(too_large) from None
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError(f"the label {value!r} is not a number")
    if abs(number) > LARGEST:
        raise ValueError(too_large)
    return number


def _require_one_kind(file, labels):
    """Refuses classes of which some are whole numbers or text, others fractions or truth values.

    As text, 1, 1.0 and true would be three classes.
    """
    first = {}
    for label in labels:
        if isinstance(label, (str, int, float)) and label == label:  # NaN stands for nothing
            kind = type(label) if isinstance(label, (bool, float)) else str
            first.setdefault(kind, label)
    if len(first) > 1:
        shown = " and ".join(json.dumps(label) for label in first.values())
        raise UserError(f"{file}: labels of several kinds, such as {shown}: write all in one way")


def _text(cells, origin, kind, known):
    text, label, pair = cells
    unknown, has_pair = known
    text = filled(text, "text")
    pair = filled(pair, "second text") if has_pair else None
    if unknown:
        label = None
    elif _is_empty(label):
        raise ValueError("no label")
    elif kind == "numbers":
        label = read_number(label)
    elif isinstance(label, float) and math.isnan(label):  # a missing value of pandas
        raise ValueError("no label")
    elif isinstance(label, (list, dict)):
        raise ValueError("several labels, where one is needed")
    else:
        label = str(label).strip()
    return TextExample(text, pair, label, None, origin)


def _is_empty(cell):
    return cell is None or (isinstance(cell, str) and not cell.strip())


def filled(text, name):
    """Checks that a cell holds text.

    Args:
        text: its value.
        name: what it holds, for messages.

    Returns:
        str.

    Raises:
        ValueError: it is empty, or no text.
    """
    if text is not None and not isinstance(text, str):
        raise ValueError(f"the {name} is a {type(text).__name__}, not text")
    if not (text or "").strip():
        raise ValueError(f"no {name}")
    return text


def listed(cell, name):
    """Reads a cell of words or tags: a list, a list as text, or text with blanks between them.

    Args:
        cell: its value.
        name: what it holds, for messages.

    Returns:
        tuple of str.

    Raises:
        ValueError: it is none of them, or an item is neither text nor a number.
    """
    if isinstance(cell, str):
        try:
            cell = ast.literal_eval(cell) if cell.startswith("[") else cell.split()
        except (ValueError, SyntaxError):
            cell = cell.split()
    if not isinstance(cell, (list, tuple)):
        raise ValueError(f"no {name}")
    for item in cell:
        if not isinstance(item, (str, int, float)) or item != item:  # NaN stands for nothing
            raise ValueError(f"{item!r} among the {name}")
    return tuple(str(item) for item in cell)


def _tagged(cells, origin, kind, known):
    words, tags = listed(cells[0], "words"), None
    if not words or not all(word.strip() for word in words):
        raise ValueError("no words, or an empty one")
    if not known[0]:
        tags = listed(cells[1], "tags")
        if len(tags) != len(words):
            raise ValueError(f"{len(tags)} tags for {len(words)} words")
        if not all(tags):
            raise ValueError("an empty tag")
    return TaggedExample(words, tags, origin)


def _span(cells, origin, kind, known):
    question, context, answers, name, title = cells
    texts = (str(name or origin), question, context)
    if known[0]:
        return dataclasses.replace(span_example(texts, [], title or context, origin), answers=None)
    return span_example(texts, answers, title or context, origin)
