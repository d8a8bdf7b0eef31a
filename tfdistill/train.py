"""The main job: raw text, a teacher, a student that learns from it, and the files for a phone.

    python -m tfdistill.train --flagfile=mini

--flagfile takes a file of flags, a line each, or the name of a bundled one (python -m tfdistill
lists them); a later flag wins. Writes the folder --output_dir: teacher/, student/, export/,
report.html, metrics.json, tensorboard/. A run that was stopped goes on when the same command is
given again. With --json the metrics are printed on standard output.
"""

import json

from tfdistill.command_line.cli import Command
from tfdistill.command_line.console import Console
from tfdistill.command_line.run_config import RecipeOptions
from tfdistill.recipes.recipe_file import require_on_command_line
from tfdistill.run.job import MainJob
from tfdistill.settings.distillation import Distillation
from tfdistill.settings.models import Student, Teacher
from tfdistill.settings.optimizer import Optimizer
from tfdistill.settings.run import Run
from tfdistill.settings.text import Corpus, Rows

COMMAND = Command(
    __doc__,
    (Corpus, Rows, Teacher, Student, Distillation, RecipeOptions, Optimizer, Run),
)


def main():
    """Runs the command."""
    jobs = []  # the one, once there is one

    def left():
        return jobs[0].left() if jobs else "nothing was changed"

    COMMAND.run(lambda config: _train(config, jobs), left)


def _train(config, jobs):
    require_on_command_line(config.recipe)
    job = MainJob(config, Console(json=config.json))
    jobs.append(job)
    metrics, failure = job.run()
    if config.json:
        print(json.dumps(metrics))
    if failure:
        raise failure


if __name__ == "__main__":
    main()
