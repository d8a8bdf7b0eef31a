"""Compares finished runs: one table, and one page with their curves.

    python -m tfdistill.compare runs/mlm runs/distilbert-0 runs/distilbert-1

Runs whose flags are alike but for the seed are one row: mean ± standard deviation. All must have
learned from the same corpus. Differences have the paired standard error of the held-out text. The
page is written to --page. With --json: {"corpus", "split", "target_loss", "groups", "rows",
"differences", "page"}.
"""

import json
from pathlib import Path

from tfdistill.command_line.cli import Command
from tfdistill.command_line.run_config import RunConfig
from tfdistill.recipes.recipe_file import is_recipe_file
from tfdistill.settings import flagfile
from tfdistill.settings.settings import options_of
from tfdistill.settings.tools import Compare
from tfdistill.system.errors import UserError
from tfdistill.system.options import NOTHING, SPEED
from tfdistill.system.paths import require_file

COMMAND = Command(__doc__, (Compare, "json"), positional="runs", separator=",")


def main():
    """Runs the command."""
    COMMAND.run(_compare)


def _compare(config):
    from tfdistill.command_line.console import Console
    from tfdistill.reports import comparison_page
    from tfdistill.reports.comparison import compare_runs
    from tfdistill.system.files import write_atomically

    page = Path(config.page)
    require_file("page", config.page)
    _require_room(page, comparison_page.is_comparison_page)
    folders = [folder for folder in config.runs.split(",") if folder]
    if not folders:
        raise UserError("no runs: name their folders, such as runs/a runs/b")
    once = {Path(folder).resolve(): folder for folder in folders}
    runs = [_read_run(folder) for folder in once.values()]
    comparison = compare_runs(runs, _without_effect(), config.target_loss)
    write_atomically(page, comparison_page.comparison_page(comparison))
    console = Console(json=config.json)
    console.say(comparison_page.format_comparison(comparison))
    console.say(f"page: {page}")
    if config.json:
        print(json.dumps({**comparison_page.comparison_json(comparison), "page": str(page)}))


def _without_effect():
    """Returns the names of settings that do not change the result of a run."""
    options = options_of(RunConfig)
    return {name for name in options if options[name].effect in (NOTHING, SPEED)}


def _require_room(page, is_comparison_page):
    """Nothing is overwritten but an earlier comparison."""
    if page.is_file() and not is_comparison_page(page.read_text(errors="replace")):
        raise UserError(f"--page={page} exists and is no comparison of runs: name another file")


def _read_run(folder):
    """What `reports.comparison` calls a run."""
    path = Path(folder)
    if not (path / "flags.txt").is_file():
        raise UserError(f"{folder} is no run of tfdistill (no flags.txt): name folders of runs")
    if not (path / "metrics.json").is_file():
        raise UserError(
            f"{folder} is not finished (no metrics.json): give its train command again, or leave "
            "it out"
        )
    try:
        return _content(path, folder)
    except ValueError as error:
        raise UserError(f"{folder} holds a broken file ({error}): leave it out") from None


def _content(path, folder):
    from tfdistill.run.directory import RunPaths, read_state
    from tfdistill.training.paired_bootstrap import load_row_sums

    state = read_state(path)
    start_loss = state["done"].get("start", {}).get("validation_loss")
    stages = state["done"].get("student", {}).get("stages", ["student"])
    metrics = json.loads((path / "metrics.json").read_text())
    if not isinstance(metrics, dict):
        raise ValueError("metrics.json is not that of a run")
    if not {"corpus", "split", "models"} <= metrics.keys() or "student" not in metrics["models"]:
        raise ValueError("metrics.json is not that of a run")
    return {
        "folder": folder,
        "flags": _flags(path, state["settings"]),
        "metrics": metrics,
        "start_loss": start_loss,
        "peak": state["done"].get("student", {}).get("peak_memory_bytes"),
        "curves": _curves(path, stages, start_loss),
        "row_sums": load_row_sums(RunPaths(path).row_sums),
    }


def _flags(path, settings):
    """A run's flags as text; an older run knew fewer, which had their defaults' effect."""
    defaults = flagfile.parse_flag_lines(flagfile.flag_lines(RunConfig()))
    stored = flagfile.parse_flag_lines((path / "flags.txt").read_text().splitlines())
    # What the run went by says more than the flag where that names a file.
    known = defaults | stored | {name: flagfile.as_text(value) for name, value in settings.items()}
    if known["recipe"] != "hybrid" and not is_recipe_file(known["recipe"]):
        del known["then"]  # of ours only hybrid has another recipe follow
    return known


def _curves(path, stages, start_loss):
    """Logged points of each model, by its key in metrics.json."""
    from tfdistill.reports.comparison import join_phases
    from tfdistill.training.checkpoints import StageState

    def rows(stage):
        return StageState(path / "checkpoints", stage).load_rows()

    return {
        "student": join_phases([rows(stage) for stage in stages], start_loss),
        "baseline_start": join_phases([rows("baseline_start")], start_loss),
        "baseline_text": join_phases([rows("baseline_text")]),
        "baseline": join_phases([rows("baseline")]),
        "teacher": join_phases([rows("teacher")]),
    }


if __name__ == "__main__":
    main()
