"""Predictions beside the rows that they are for: CSV, TSV, JSON lines, or CoNLL."""

import csv
import io
import itertools
import json
from pathlib import Path

from tfdistill.system.errors import UserError

PREDICTION, PROBABILITY = "prediction", "probability"  # names of new columns
CONLL, JSONL = ".conll", ".jsonl"
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
ENDINGS = *_DELIMITERS, JSONL, CONLL


def ending_of(path):
    """The ending of a file's name, such as ".csv"."""
    return Path(path).suffix.lower()


def require_words(path, texts):
    """Refuses a CoNLL file for texts that are not split into words.

    Args:
        path: name of the file to write.
        texts: list of str, or of tuples of words.

    Raises:
        UserError: one of them is not split.
    """
    if ending_of(path) == CONLL and any(isinstance(text, str) for text in texts):
        raise UserError(
            f"`output`={path}: {CONLL} holds words with their tags, and `input` has texts: name "
            f"a {JSONL} or .csv file, or give the words"
        )


def written(rows, texts, found, ending, console):
    """The content of a file of predictions.

    Args:
        rows: list of dicts, the rows of the input.
        texts: list of str, or of tuples of words.
        found: list of what `LabelPredictor.predict` returned for them.
        ending: of the file's name, one of `ENDINGS`.
        console: a `Console`.

    Returns:
        str. New columns get another name if the rows have such a column, which is printed.
    """
    if ending == CONLL:
        return "".join(map(_sentence, texts, (each["tags"] for each in found)))
    if ending == JSONL:
        new = [{PREDICTION: each} for each in found]
        return "".join(
            json.dumps(row, ensure_ascii=False) + "\n" for row in _joined(rows, new, console)
        )
    flat = _joined(map(_cells, rows), list(map(_flat, found)), console)
    file = io.StringIO(newline="")
    columns = dict.fromkeys(name for row in flat for name in row)  # JSON rows may have others
    writer = csv.DictWriter(file, list(columns), delimiter=_DELIMITERS[ending])
    writer.writeheader()
    writer.writerows(flat)
    return file.getvalue()


def _sentence(words, tags):
    return "".join(f"{word}\t{tag}\n" for word, tag in zip(words, tags, strict=True)) + "\n"


def _joined(rows, new, console):
    """Rows with new cells, under names that no row has: a list of dicts."""
    rows = list(rows)
    taken, names = {name for row in rows for name in row}, {}
    for name in new[0]:
        numbered = (f"{name}_{number}" for number in itertools.count(2))
        names[name] = next(each for each in itertools.chain([name], numbered) if each not in taken)
    console.warn(
        f"`input` has a column {name!r}: the new one is {other!r}"
        for name, other in names.items()
        if name != other
    )
    return [
        row | {names[name]: value for name, value in cells.items()}
        for row, cells in zip(rows, new, strict=True)
    ]


def _cells(row):
    """A row whose lists of words are text with blanks between them, as data are read."""
    return {
        name: " ".join(cell) if isinstance(cell, list) and all(map(_is_word, cell)) else cell
        for name, cell in row.items()
    }


def _is_word(item):
    return isinstance(item, str) and not any(map(str.isspace, item))


def _flat(prediction):
    """A prediction as one or two cells of a table."""
    if "tags" in prediction:
        return {PREDICTION: " ".join(prediction["tags"])}
    if "entities" in prediction:
        return {PREDICTION: json.dumps(prediction["entities"], ensure_ascii=False)}
    if "embedding" in prediction:
        return {PREDICTION: json.dumps(prediction["embedding"])}
    for number in ("value", "cosine"):
        if number in prediction:
            return {PREDICTION: prediction[number]}
    answer = prediction.get("label", prediction.get("answer"))
    return {PREDICTION: answer, PROBABILITY: prediction["probability"]}
