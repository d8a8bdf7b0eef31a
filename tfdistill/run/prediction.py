"""What the predict command does: texts from its flags or a file, and their labels."""

import csv
import io
import json
from pathlib import Path

from tfdistill.deployment.label_predictor import SPANS, LabelPredictor
from tfdistill.reports.predictions import format_labels
from tfdistill.run import machine
from tfdistill.system.errors import UserError
from tfdistill.system.files import write_atomically

# Columns of files, if none is named: the text, and the second text or the context.
_TEXTS = ("text", "sentence", "sentence1", "question1", "question")
_OTHERS = ("text_pair", "sentence2", "question2", "context")
_DELIMITERS = {".csv": ",", ".tsv": "\t"}


def predict(config, console):
    """Predicts and prints, or writes a file.

    Args:
        config: a `RunConfig`.
        console: a `Console`.

    Raises:
        UserError: there is no such model or file, or a text is missing.
        OSError: the file cannot be written.
    """
    _require_one_source(config)
    rows = _read(config.input) if config.input else [_row_of(config)]
    if config.output:
        _format_of(config.output, "output")
    texts, others = _columns(rows, config)
    if not config.model.endswith(".tflite"):  # LiteRT runs without TensorFlow
        machine.for_looking(config)
    predictor = LabelPredictor.open(config.model, config.tokenizer or None)
    console.warn(predictor.notes)
    if config.question and predictor.task != SPANS:
        raise UserError(f"`question`: the task of {config.model} is {predictor.task}: give a text")
    found = predictor.predict(texts, others)
    results = [row | {"prediction": each} for row, each in zip(rows, found, strict=True)]
    if config.output:
        write_atomically(config.output, _written(results, config.output).encode("utf-8"))
        console.say(f"{config.output}: {len(results):,} predictions")
    elif config.json or config.input:
        for result in results:
            print(json.dumps(result, ensure_ascii=False))
    else:
        print(format_labels(found[0], config.top_k))


def _require_one_source(config):
    if not config.model:
        raise UserError("`model` is empty: name a Hugging Face directory or a .tflite file")
    given = [name for name in ("text", "question", "input") if getattr(config, name)]
    if len(given) != 1:
        raise UserError(
            "give one of: a text in quotes, perhaps with a second one; `question` with `context`; "
            "`input`, a file"
        )
    if config.question and not config.context:
        raise UserError("`context` is empty: give the text that holds the answer")
    if config.output and not config.input:
        raise UserError("`output` is for the predictions of a file: name it with `input`")


def _row_of(config):
    if config.question:
        return {"question": config.question, "context": config.context}
    second = {"text_pair": config.second_text} if config.second_text else {}
    return {"text": config.text} | second


def _format_of(path, setting):
    suffix = Path(path).suffix.lower()
    if suffix not in (*_DELIMITERS, ".jsonl"):
        raise UserError(f"`{setting}`={path}: the name must end in .csv, .tsv or .jsonl")
    return suffix


def _read(path):
    """The rows of a file: a list of dicts."""
    suffix = _format_of(path, "input")
    try:
        text = Path(path).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise UserError(f"`input`={path} cannot be read: {reason}") from error
    if suffix == ".jsonl":
        return [_object(line, f"{path}:{number}") for number, line in _lines(text)]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=_DELIMITERS[suffix])
    rows = []
    for row in reader:
        if None in row or None in row.values():
            raise UserError(
                f"{path}:{reader.line_num}: the row has not the {len(reader.fieldnames)} columns "
                "of the first line: correct it"
            )
        rows.append(row)
    return rows


def _lines(text):
    return [(i, line) for i, line in enumerate(text.split("\n"), start=1) if line.strip()]


def _object(line, place):
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UserError(f"{place}: the line is no JSON object: correct it")
    return found


def _columns(rows, config):
    """The texts, and the second texts or None: two lists."""
    if not rows:
        raise UserError(f"`input`={config.input} holds no rows: give a file with texts")
    # "text", the default, stands for the usual names.
    usual = _TEXTS if config.text_column == "text" else [config.text_column]
    text, other = (_first(names, rows[0]) for names in (usual, _OTHERS))
    if text is None:
        raise UserError(
            f"`text_column`: none of the columns {', '.join(rows[0])} is the text: name it"
        )
    texts = [_text(row, text, number) for number, row in enumerate(rows, start=1)]
    if other is None:
        return texts, [None] * len(rows)
    return texts, [_text(row, other, number) for number, row in enumerate(rows, start=1)]


def _first(names, row):
    return next((name for name in names if name in row), None)


def _text(row, column, number):
    if not isinstance(row.get(column), str):
        raise UserError(f"`input`: row {number} has no text in the column {column}: correct it")
    return row[column]


def _written(results, path):
    """The content of the output file."""
    suffix = _format_of(path, "output")
    if suffix == ".jsonl":
        return "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in results)
    flat = [each | _flat(each["prediction"]) for each in results]
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, list(flat[0]), delimiter=_DELIMITERS[suffix])
    writer.writeheader()
    writer.writerows(flat)
    return file.getvalue()


def _flat(prediction):
    """A prediction as two cells of a table."""
    if "entities" in prediction:
        return {"prediction": json.dumps(prediction["entities"], ensure_ascii=False)}
    if "value" in prediction:
        return {"prediction": prediction["value"]}
    answer = prediction.get("label", prediction.get("answer"))
    return {"prediction": answer, "probability": prediction["probability"]}
