"""What the predict command does: texts from its flags or a file, and their labels."""

import csv
import io
import json
from pathlib import Path

from tfdistill.data.labelled.bad_rows import BadRows
from tfdistill.data.labelled.columns import choose_columns, named_columns
from tfdistill.data.labelled.examples import Reading
from tfdistill.data.labelled.files import JSONL, find_format, read_checked
from tfdistill.data.labelled.tables import read_json, read_separated
from tfdistill.deployment.label_predictor import SPANS, TAGS, LabelPredictor
from tfdistill.reports.predictions import format_labels
from tfdistill.run import machine
from tfdistill.system.errors import UserError
from tfdistill.system.files import write_atomically

_KINDS = {TAGS: "sentences to tag", SPANS: "questions"}  # of columns, by task
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
    if not config.model.endswith(".tflite"):  # LiteRT runs without TensorFlow
        machine.for_looking(config)
    predictor = LabelPredictor.open(config.model, config.tokenizer or None)
    predictor.longest_answer = config.max_answer_length
    console.warn(predictor.notes)
    if config.question and predictor.task != SPANS:
        raise UserError(f"`question`: the task of {config.model} is {predictor.task}: give a text")
    rows, texts, others = _given(config, predictor.task, console)
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
    if config.output and Path(config.output).suffix.lower() not in (*_DELIMITERS, ".jsonl"):
        raise UserError(f"`output`={config.output}: the name must end in .csv, .tsv or .jsonl")


def _given(config, task, console):
    """The rows as dicts, their texts, and their second texts or None: three lists."""
    if config.input:
        return _rows_of_file(config, _KINDS.get(task, "texts to label"), console)
    if config.question:
        row = {"question": config.question, "context": config.context}
    else:
        row = {"text": config.text}
        row |= {"text_pair": config.second_text} if config.second_text else {}
    text, other = [*row.values(), None][:2]
    return [row], [text], [other]


def _rows_of_file(config, kind, console):
    """`_given` for a file; prints which columns the texts come from."""
    reading = Reading(
        text=config.text_column,
        pair=config.text_pair_column,
        skip_bad_rows=config.skip_bad_rows,
    )
    content, bad = read_checked(config.input, "input"), BadRows(reading.skip_bad_rows)
    if find_format(content, Path(config.input), "text") == JSONL:
        table = read_json(config.input, content, bad)
    else:
        table = read_separated(config.input, content, bad, named=named_columns(reading))
    chosen, told = choose_columns(table, kind, reading)
    text, other = (*chosen, None)[:2]
    rows, texts, others = [], [], []
    for place, row in table.rows:
        found = [None if name is None else row.get(name) for name in (text, other)]
        if not isinstance(found[0], str) or not isinstance(found[1], str | None):
            bad.add(config.input, place, f"no text in the column {text or other}")
            continue
        rows.append(row)
        texts.append(found[0])
        others.append(found[1])
    if not rows:
        raise UserError(f"`input`={config.input} holds no rows: give a file with texts")
    console.warn((*table.notes, *told, *bad.notes()))
    return rows, texts, others


def _written(results, path):
    """The content of the output file."""
    suffix = Path(path).suffix.lower()
    if suffix == ".jsonl":
        return "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in results)
    flat = [each | _flat(each["prediction"]) for each in results]
    file = io.StringIO(newline="")
    columns = dict.fromkeys(name for row in flat for name in row)  # JSON rows may have others
    writer = csv.DictWriter(file, list(columns), delimiter=_DELIMITERS[suffix])
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
