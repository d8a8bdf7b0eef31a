"""What the predict command does: texts from its flags or a file, and their labels."""

import os

from tfdistill.deployment.label_predictor import SPANS, LabelPredictor
from tfdistill.reports.predictions import format_labels
from tfdistill.run import machine
from tfdistill.run.prediction_input import rows_of_file
from tfdistill.run.prediction_output import ENDINGS, JSONL, ending_of, require_words, written
from tfdistill.system import strict_json
from tfdistill.system.errors import UserError
from tfdistill.system.files import write_atomically


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
    predictor = LabelPredictor.open(
        config.model, config.tokenizer or None, config.pooling, config.part
    )
    predictor.rules = predictor.rules.changed(
        doc_stride=config.doc_stride, max_answer_length=config.max_answer_length
    )
    console.warn(predictor.notes)
    if config.question and predictor.task != SPANS:
        raise UserError(f"`question`: the task of {config.model} is {predictor.task}: give a text")
    rows, texts, others = _given(config, predictor.task, console)
    require_words(config.output, texts)
    found = predictor.predict(texts, others)
    if config.input and (cut := sum(each.get("cut", False) for each in found)):
        console.warn([f"{cut:,} of {len(found):,} were cut at {predictor.length} tokens"])
    if config.output:
        content = written(rows, texts, found, ending_of(config.output), console)
        write_atomically(config.output, content.encode("utf-8"))
        console.say(f"{config.output}: {len(found):,} predictions")
        if config.json:
            print(strict_json.dumps({"output": config.output, "predictions": len(found)}))
    elif config.json or config.input:
        print(written(rows, texts, found, JSONL, console), end="")
    else:
        print(format_labels(found[0], config.top_k, predictor.length))


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
    if config.output and ending_of(config.output) not in ENDINGS:
        raise UserError(f"`output`={config.output}: the name must end in {', '.join(ENDINGS)}")
    if config.output and os.path.realpath(config.output) == os.path.realpath(config.input):
        raise UserError(f"`output`={config.output} is the file of `input`: name another")


def _given(config, task, console):
    """The rows as dicts, their texts, and their second texts or None: three lists."""
    if config.input:
        return rows_of_file(config, task, console)
    if config.question:
        row = {"question": config.question, "context": config.context}
    else:
        row = {"text": config.text}
        row |= {"text_pair": config.second_text} if config.second_text else {}
    text, other = [*row.values(), None][:2]
    return [row], [text], [other]
