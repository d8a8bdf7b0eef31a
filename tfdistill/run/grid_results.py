"""A grid of runs: all are made, then the tables and pages of the finished ones are written."""

from pathlib import Path

from tfdistill.run.compared_runs import read_run
from tfdistill.run.grid import read_grid
from tfdistill.run.grid_job import DONE, GridJob
from tfdistill.settings.run import Run
from tfdistill.system import strict_json
from tfdistill.system.errors import UserError
from tfdistill.system.files import locked, write_atomically


def make_grid(config, console, command):
    """Makes the runs of a grid and writes its results, or only lists the runs.

    Args:
        config: a `RunConfig`: `grid`, `dry_run`, `retry`, `output_dir`, and what `read_grid` and
            `write_results` read.
        console: a `Console`.
        command: the `Command` that makes one run.

    Returns:
        (dict of the results for JSON, None if the runs are only listed; a `UserError` if runs
        failed, or None).

    Raises:
        UserError: the file is wrong, or the results cannot be written.
    """
    if not config.grid:
        raise UserError("no `grid`: name the JSON file that describes the runs")
    given = config.output_dir != Run.output_dir  # whose default is that of a single run
    folder = Path(config.output_dir if given else Path("runs") / Path(config.grid).stem).absolute()
    grid = read_grid(config.grid, folder, config, command)
    job = GridJob(grid, folder, console)
    console.say("\n".join(job.describe()))
    if config.dry_run:
        return None, None
    failures = job.make(config.retry)
    lock = folder / "locks" / "results.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with locked(lock):  # several processes end at the same time, with the last run
        text, result = write_results(grid, job, folder, config)
    console.say(f"{text}\nresults: {folder / 'results.md'}")
    if not failures:
        return result, None
    return result, UserError(f"{len(failures)} runs failed: `retry` makes them again")


def write_results(grid, job, folder, config):
    """Writes results.md, results.json and a page for each table.

    Args:
        grid: a `Grid`.
        job: its `GridJob`.
        folder: `pathlib.Path` of the grid.
        config: a `RunConfig`: `target_loss`.

    Returns:
        (text of the tables, dict of the results for JSON).

    Raises:
        UserError: a finished run cannot be read, or the runs of a table have different data.
    """
    from tfdistill.reports import comparison_page
    from tfdistill.reports.comparison import compare_runs

    parts, tables = [], {}
    for name, runs in _finished(grid, job, type(config)()).items():
        if not runs:
            continue
        comparison = compare_runs(runs, target_loss=config.target_loss)
        page = folder / f"{name or 'results'}.html"
        write_atomically(page, comparison_page.comparison_page(comparison))
        parts.append((name, comparison_page.format_comparison(comparison)))
        tables[name] = {**comparison_page.comparison_json(comparison), "page": str(page)}
    missing = _missing(grid, job)
    result = {"tables": tables, "missing": missing}
    write_atomically(folder / "results.json", strict_json.dumps(result) + "\n")
    write_atomically(folder / "results.md", _markdown(parts, missing))
    lines = [line for name, text in parts for line in (f"== {name}" if name else "", text, "")]
    lines += [f"{name}: {reason}" for name, reason in missing.items()]
    return "\n".join(lines).strip(), result


def _finished(grid, job, defaults):
    """dict of the tables' names to lists of runs, whose flags are the names of the values."""
    found = {}
    for name, runs in grid.by_table().items():
        found[name] = []
        for run in runs:
            if job.state(run) == DONE:
                axes = {
                    axis: value.removeprefix(f"{axis}-")  # of lists of values
                    for axis, value in run.place.items()
                    if axis not in grid.tables
                }
                found[name].append(read_run(str(run.folder), defaults) | {"flags": axes})
    return found


def _missing(grid, job):
    """dict of the names of runs without results to the reasons."""
    failed = job.failures()
    found = {
        run.name: failed.get(run.name, "not made yet")
        for run in grid.ordered()
        if job.state(run) != DONE
    }
    return found | {name: f"left out: {reason}" for name, reason in grid.left_out}


def _markdown(parts, missing):
    lines = ["# Results of the grid", ""]
    for name, text in parts:
        lines += [*([f"## {name}", ""] if name else []), "```", text, "```", ""]
    if missing:
        lines += ["## Runs without results", ""]
        lines += [f"- {name}: {reason}" for name, reason in missing.items()]
    return "\n".join(lines).rstrip() + "\n"
