"""Predicts the words behind [MASK], from a Hugging Face directory or a TFLite file.

    python -m tfdistill.fill_mask --model=runs/mini/student "The whale [MASK] the ship."

The tokenizer is the model's own (a TFLite file's is looked for beside it and in ../student), or
that of --tokenizer. With --json: {"text", "predictions": one list of [token, probability] per
[MASK]}.
"""

import json

from tfdistill.command_line.cli import Command
from tfdistill.command_line.run_text import HELP
from tfdistill.run import machine
from tfdistill.settings.tools import Model
from tfdistill.system.errors import UserError

COMMAND = Command(
    __doc__,
    (Model, "tokenizer", "device", "json"),
    help={name: HELP[name] for name in ("tokenizer", "device")},
    positional="text",
)
NOTHING = 0.001  # a fresh head gives every word of 30,000 less


def main():
    """Runs the command."""
    COMMAND.run(_fill_mask)


def _fill_mask(config):
    if not config.model:
        raise UserError("--model is empty: name a Hugging Face directory or a .tflite file")
    if not config.model.endswith(".tflite"):  # which needs no TensorFlow
        machine.for_looking(config)
    from tfdistill.command_line.console import Console
    from tfdistill.deployment.predictor import Predictor

    predictor = Predictor.open(config.model, config.tokenizer or None)
    Console(json=config.json).warn(predictor.notes)
    predictions = predictor.fill(config.text, config.top_k)
    if config.json:
        print(json.dumps({"text": config.text, "predictions": predictions}))
    else:
        print(_table(predictions))


def _table(predictions):
    lines = []
    for number, words in enumerate(predictions, start=1):
        if len(predictions) > 1:
            lines.append(f"[MASK] {number}")
        lines += [f"{_percent(probability):>9}  {token}" for token, probability in words]
    if all(words[0][1] < NOTHING for words in predictions):
        lines.append(f"no word reaches {NOTHING:.1%}: the model has not learned to fill [MASK]")
    return "\n".join(lines)


def _percent(probability):
    """Two digits of what is small, which one decimal would show as 0.0 %."""
    if probability >= NOTHING:
        return f"{probability:.1%}"
    return f"{probability * 100:.2g}%"


if __name__ == "__main__":
    main()
