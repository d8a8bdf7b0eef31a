"""Predicts the words for [MASK], with a Hugging Face model or a TFLite file.

    python -m tfdistill.fill_mask --model=runs/mini/student "The whale [MASK] the ship."

A RoBERTa or XLM-R has its own token in the text, <mask>.
The tokenizer is the model's own unless --tokenizer is given; for a TFLite file it is searched in
the file's folder and in ../student. With --json: {"text", "predictions": one list of
[token, probability] for each [MASK]}.
"""

import json

from tfdistill.command_line.cli import Command
from tfdistill.command_line.run_text import HELP
from tfdistill.reports.predictions import format_predictions
from tfdistill.settings.tools import Model
from tfdistill.system.errors import UserError

COMMAND = Command(
    __doc__,
    (Model, "tokenizer", "device", "json"),
    help={name: HELP[name] for name in ("tokenizer", "device")},
    positional="text",
)


def main():
    """Runs the command."""
    COMMAND.run(_fill_mask)


def _fill_mask(config):
    if not config.model:
        raise UserError("`model` is empty: name a Hugging Face directory or a .tflite file")
    from tfdistill.command_line.api import fill_masks

    tokenizer = config.tokenizer or None
    predictions = fill_masks(config.model, config.text, config.top_k, tokenizer, config.device)
    if config.json:
        print(json.dumps({"text": config.text, "predictions": predictions}))
    else:
        print(format_predictions(predictions))


if __name__ == "__main__":
    main()
