"""Chooses models and settings for a task and its budgets, or says what to change after a run.

    python -m tfdistill.advise --task=text_classification --teacher=DIR --rows=5000 --budget_mb=20
    python -m tfdistill.advise --task=text_classification --train_data=FILE --write=FILE.flags
    python -m tfdistill.advise --run=runs/reviews

It prints each choice with its reason, and then a flagfile for tfdistill.train. Flags of training
that are given, such as those of the data, are kept. --run reads the results of a finished run
instead. With --json: {"task", "teacher", "student", "shapes", "choices", "flags", …}, or for a run
{"folder", "problems"}.
"""

from tfdistill.command_line.cli import Command
from tfdistill.command_line.console import Console
from tfdistill.settings.advice import Advice
from tfdistill.settings.labelled_data import LabelledDataSettings
from tfdistill.system import strict_json

COMMAND = Command(
    __doc__,
    ("task", "teacher", Advice, "length", LabelledDataSettings, "text_column", "encoding_errors")
    + ("data_dir", "shards_dir", "json"),
    help={
        "task": "Task to advise on: text_classification, regression, token_classification, "
        "question_answering, sentence_embedding or masked_lm.",
        "teacher": "Hugging Face directory of the teacher, or one of the names that are "
        "recommended; empty: the recommended one.",
        "shards_dir": "Folder that keeps the files made for `budget_ms`.",
    },
)


def main():
    """Runs the command."""
    COMMAND.run(_advise)


def _advise(config):
    from tfdistill.run.advice import advise_and_show

    found = advise_and_show(config, Console(json=config.json))
    if config.json:
        print(strict_json.dumps(found))


if __name__ == "__main__":
    main()
