"""Runs the whole job: raw text, a teacher, a student distilled from it, and files for a phone.

    python -m tfdistill.train --flagfile=mini

It writes the folder --output_dir: teacher/, student/, export/, report.html, metrics.json and
tensorboard/. The same command continues a stopped run. With --json it prints the metrics on
standard output; --dry_run only says what the run would do and take.
"""

from tfdistill.command_line.cli import Command
from tfdistill.command_line.console import Console
from tfdistill.command_line.run_config import RecipeOptions
from tfdistill.command_line.user_recipe import require_on_command_line
from tfdistill.settings.augmentation import Augmentation
from tfdistill.settings.distillation import Distillation
from tfdistill.settings.export import Export
from tfdistill.settings.fine_tuning import FineTuning
from tfdistill.settings.labelled_data import LabelledDataSettings
from tfdistill.settings.models import Student, Teacher
from tfdistill.settings.optimizer import Optimizer
from tfdistill.settings.run import Run
from tfdistill.settings.task import TaskChoice
from tfdistill.settings.text import Corpus, Rows
from tfdistill.system import strict_json

COMMAND = Command(
    __doc__,
    (
        *(TaskChoice, LabelledDataSettings, Corpus, Rows, Teacher, Student, Distillation),
        *(FineTuning, Augmentation, RecipeOptions, Optimizer, Export, Run, "dry_run"),
    ),
)


def main():
    """Runs the command."""
    jobs = []  # the job, once it exists

    def left():
        return jobs[0].left() if jobs else "nothing was changed"

    COMMAND.run(lambda config: _train(config, jobs), left)


def _train(config, jobs):
    require_on_command_line(config.recipe)
    from tfdistill.run.job import MainJob

    jobs.append(MainJob(config, Console(json=config.json)))
    if config.dry_run:
        return jobs[0].dry_run()
    metrics, failure = jobs[0].run()
    if config.json:
        print(strict_json.dumps(metrics))
    if failure:
        raise failure


if __name__ == "__main__":
    main()
