"""Exports a student for the phone, and checks on held-out text that the files match the model.

    python -m tfdistill.export --output_dir=runs/mini

It takes the student of the run in --output_dir, or any model with --model, and writes export/ in
--output_dir anew: TFLite files, saved_model/, tokenizer and model_card.md; with --part, those of a
part in parts/. The TFLite files take rows of several lengths (--tflite_lengths). --tflite_variants
adds others; classifiers and sentence encoders get one for MediaPipe. The held-out text is the run's
own, or the test split of --corpus in rows of --length tokens. With --json: {"directory", "files":
{name: bytes, latency and parity}, "mediapipe": {bytes, latency, metric, texts, other_ids}}.

--web writes a page that runs the student in the browser, from the files of the run if there are any
(examples/web/README.md); with --json, "web": {"directory", "files": {name: bytes}}.
"""

import json

from tfdistill.command_line.cli import Command
from tfdistill.command_line.console import Console
from tfdistill.command_line.run_text import HELP
from tfdistill.settings.labelled_data import LabelledDataSettings
from tfdistill.settings.text import Corpus

COMMAND = Command(
    __doc__,
    (
        *(Corpus, LabelledDataSettings, "task", "model", "length", "tflite_lengths", "mediapipe"),
        *("part", "tflite_variants", "allow_loss", "web", "web_runtime", "doc_stride"),
        *("max_answer_length", "pooling", "output_dir", "force", "device", "json"),
    ),
    help=HELP
    | {
        "model": "Hugging Face directory or hub name; empty: the student of the run in "
        "`output_dir`.",
        "part": "Part of a student of `recipe`=dynabert, such as w50d75, to export alone: parts/ "
        "in `output_dir` gets a folder of its name: export/, and a Hugging Face one, student/.",
        "output_dir": "Folder whose export/ is written; without `model`, the run of the student.",
        "force": "Let the files of `model` replace those of the run in `output_dir`.",
    },
    reads_run=True,
)


def main():
    """Runs the command."""
    COMMAND.run(_export)


def _export(config):
    from tfdistill.run.web_page import export

    facts, failure = export(config, Console(json=config.json))
    if config.json:
        print(json.dumps(facts))
    if failure:
        raise failure


if __name__ == "__main__":
    main()
