"""Makes a grid of runs, such as recipes by data sets by seeds, and writes its tables.

    python -m tfdistill.experiment configs/experiments/starts.json --dry_run

The file names the axes and the flags of their values (docs/EXPERIMENTS.md). Each run is one of
tfdistill.train; a stage that several share, such as a teacher, is made once. The same command goes
on after a stop, and several at once share the work. The results lie in --output_dir: results.md
and a page for each table, mean ± standard deviation over the seeds; --results_only writes those of
the runs that are finished. With --json: {"tables", "missing", "claims_changed"}.
"""

from tfdistill import train
from tfdistill.command_line.cli import Command
from tfdistill.command_line.console import Console
from tfdistill.settings.tools import Experiment
from tfdistill.system import strict_json

COMMAND = Command(
    __doc__,
    (Experiment, "output_dir", "data_dir", "teacher", "target_loss", "json"),
    help={
        "output_dir": "Folder of all runs of the grid; by default runs/ and the name of its file.",
        "data_dir": "Folder that replaces {data_dir} in the grid's flags.",
        "teacher": "Model that replaces {teacher} in the grid's flags.",
    },
    positional="grid",
)


def main():
    """Runs the command."""
    COMMAND.run(
        _experiment,
        lambda: "the same command goes on; --results_only writes the tables of finished runs",
    )


def _experiment(config):
    from tfdistill.run.grid_results import make_grid

    result, failure = make_grid(config, Console(json=config.json), train.COMMAND)
    if config.json:
        print(strict_json.dumps(result))
    if failure:
        raise failure


if __name__ == "__main__":
    main()
