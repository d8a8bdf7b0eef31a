"""Compares finished runs: one table, and one page with their curves.

    python -m tfdistill.compare runs/mlm runs/distilbert-0 runs/distilbert-1

Runs that differ only in the seed, or in settings that change nothing in them, form one row: mean ±
standard deviation. All runs must have the same task and the same data. Differences have the paired
standard error of the held-out data. The page is written to --page. With --json: {"corpus",
"split", "target_loss", "groups", "rows", "differences", "page"}.
"""

from tfdistill.command_line.cli import Command
from tfdistill.command_line.console import Console
from tfdistill.run.compared_runs import compare_folders
from tfdistill.settings.tools import Compare
from tfdistill.system import strict_json

COMMAND = Command(__doc__, (Compare, "json"), positional="runs", separator=",")


def main():
    """Runs the command."""
    COMMAND.run(_compare)


def _compare(config):
    result = compare_folders(config, Console(json=config.json))
    if config.json:
        print(strict_json.dumps(result))


if __name__ == "__main__":
    main()
