"""A grid of runs: all are made, then the tables and pages of the finished ones are written."""

from pathlib import Path

from tfdistill.reports.comparison import join_phases
from tfdistill.reports.grid_overview import overview_markdown
from tfdistill.reports.measures import end_of
from tfdistill.reports.table import ABSENT
from tfdistill.run.compared_runs import read_run, read_training
from tfdistill.run.directory import MODELS, STAGES, RunPaths, read_state
from tfdistill.run.grid import runs_by_reason
from tfdistill.run.grid_claims import claim_results
from tfdistill.run.grid_job import DONE, LAST_STAGE, GridJob
from tfdistill.run.grid_kept_claims import keep_claims
from tfdistill.run.grid_reader import read_grid
from tfdistill.run.grid_sources import missing_sources
from tfdistill.settings.run import Run
from tfdistill.system import strict_json
from tfdistill.system.errors import UserError
from tfdistill.system.files import locked, write_atomically
from tfdistill.system.paths import require_folder


def make_grid(config, console, command):
    """Makes the runs of a grid and writes its results, or does one of both, or lists the runs.

    Args:
        config: a `RunConfig`: `grid`, `dry_run`, `retry`, `results_only`, `output_dir`, and what
            `read_grid` and `write_results` read.
        console: a `Console`.
        command: the `Command` that makes one run.

    Returns:
        (dict of the results for JSON, None if the runs are only listed; a `UserError` if runs
        failed, or would miss what they read, or None).

    Raises:
        UserError: the file is wrong, or the results cannot be written.
    """
    if not config.grid:
        raise UserError("no `grid`: name the JSON file that describes the runs")
    for name in ("dry_run", "retry"):
        if config.results_only and getattr(config, name):
            raise UserError(f"`results_only` makes no run: leave out `{name}`")
    given = config.output_dir != Run.output_dir  # whose default is that of a single run
    folder = Path(config.output_dir if given else Path("runs") / Path(config.grid).stem).absolute()
    grid = read_grid(config.grid, folder, config, command)
    require_folder("output_dir", str(folder))
    job = GridJob(grid, folder, console)
    lines = job.describe(config.retry)
    console.say("\n".join(lines[-1:] if config.results_only else lines))
    if config.dry_run:
        return None, _missing_sources(grid, job, command, console)
    made = sum(job.state(run) == DONE for run in grid.ordered())
    changes = keep_claims(grid.claims, folder, made)
    failures = job.failures() if config.results_only else job.make(config.retry)
    lock = folder / "locks" / "results.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with locked(lock):  # several processes end at the same time, with the last run
        text, result = write_results(grid, job, folder, config, changes)
    console.say(f"{text}\nresults: {folder / 'results.md'}")
    if not failures:
        return result, None
    return result, UserError(f"{len(failures)} runs failed: `retry` makes them again")


def _missing_sources(grid, job, command, console):
    """Tells what the runs that are not made would miss: a `UserError`; None if nothing."""
    waiting = [run for run in grid.ordered() if job.state(run) != DONE]
    found = missing_sources(waiting, command)
    for name, messages in found.items():
        for message in messages:
            console.say(f"{name}: {message}")
    if not found:
        return None
    return UserError(
        f"{len(found)} of {len(waiting)} runs to make would miss what they read, as said above: "
        "correct the paths"
    )


def write_results(grid, job, folder, config, changes=""):
    """Writes results.md, results.json and a page for each table.

    Args:
        grid: a `Grid`.
        job: its `GridJob`.
        folder: `pathlib.Path` of the grid.
        config: a `RunConfig`: `target_loss`.
        changes: of `keep_claims`: a line about claims that changed after the first run.

    Returns:
        (text of the tables, dict of the results for JSON).

    Raises:
        UserError: a finished run cannot be read, or the runs of a table have different data.
    """
    finished = _finished(grid, job, type(config)())
    claims, parts, tables = claim_results(grid.claims, finished), [], {}
    for name, runs in grid.by_table().items():
        if made := [finished[run.folder] for run in runs if run.folder in finished]:
            page = folder / f"{name or 'results'}.html"
            of_table = [claim for claim in claims if claim["table"] == name]
            sections = made, of_table, len(claims), changes, _words(grid.target)
            text, tables[name] = _table(page, config.target_loss, *sections)
            if empty := _empty_cells(grid, name):
                text = f"{text}\n\n{empty}"
            parts.append((name, text))
    missing = _missing(grid, job)
    result = {"tables": tables, "missing": missing, "claims_changed": changes}
    write_atomically(folder / "results.json", strict_json.dumps(result) + "\n")
    first = [_overview(grid, finished), f"```\n{changes}\n```" if changes else ""]
    write_atomically(folder / "results.md", _markdown(parts, missing, filter(None, first)))
    lines = [changes, ""]
    lines += [line for name, text in parts for line in (f"== {name}" if name else "", text, "")]
    lines += runs_by_reason(missing)
    return "\n".join(lines).strip(), result


def _table(page, target_loss, runs, claims, count, changes, target_name):
    """Writes the page of a table: (its text, dict of its content for JSON)."""
    from tfdistill.reports import comparison_page, grid_sections
    from tfdistill.reports.comparison import compare_runs
    from tfdistill.reports.depth_plot import depth_lines

    starts = grid_sections.starts_of(runs)
    texts = [grid_sections.claims_text(claims, count), grid_sections.starts_text(starts)]
    found = {"claims": claims, "starts": starts}
    if evaluated := [run for run in runs if "metrics" in run]:
        compared = compare_runs(evaluated, target_loss=target_loss, target_name=target_name)
        above = grid_sections.claims_html(claims, count, changes)
        above += grid_sections.starts_html(starts, depth_lines(runs))
        write_atomically(page, comparison_page.comparison_page(compared, above))
        texts.insert(0, comparison_page.format_comparison(compared))
        found |= {**comparison_page.comparison_json(compared), "page": str(page)}
    return "\n\n".join(filter(None, texts)), found


def _finished(grid, job, defaults):
    """dict of the folders of finished runs to runs, whose flags are the names of the values."""
    found = {}
    for run in grid.runs:
        if job.state(run) == DONE:
            found[run.folder] = _content(run, defaults) | {"flags": _values(grid, run)}
            found[run.folder]["counted_seconds"] = sum(map(_training_seconds, run.counted))
    if grid.target:
        for run in grid.runs:
            if run.folder in found:
                found[run.folder]["target"] = _end(grid.target_of(run), found)
    return found


def _values(grid, run):
    """The names of a run's values, without those of its table; `seed`: those of its seeds."""
    found = {
        axis: value.removeprefix(f"{axis}-")  # of lists of values
        for axis, value in run.place.items()
        if axis not in grid.tables
    }
    seeds = [found.pop(axis) for axis in list(found) if axis in grid.seeds]
    return found | ({"seed": " ".join(seeds)} if seeds else {})


def _training_seconds(run):
    """Seconds of the last stage of a shared run, such as the training of a general student."""
    return read_training(run.folder, run.last_stage or "student")["seconds"]


def _empty_cells(grid, table):
    """Lines that say which cells of a table have no runs, and why; "" for none."""
    lines = [
        f"{_words({axis: value for axis, value in cell.items() if axis not in grid.tables})}: "
        f"{ABSENT} ({reason})"
        for cell, reason in grid.empty
        if " ".join(cell[axis] for axis in grid.tables) == table
    ]
    return "\n".join(lines)


def _overview(grid, finished):
    """The table of all cells in Markdown; "" where the grid has none."""
    if not grid.overview:
        return ""
    cells = {}
    for run in grid.runs:
        cell = {axis: value for axis, value in run.place.items() if axis in grid.overview}
        members = cells.setdefault(tuple(cell.items()), (cell, []))[1]
        members.append(finished.get(run.folder))
    cells = [(cell, [each for each in runs if each], len(runs)) for cell, runs in cells.values()]
    return overview_markdown(grid.overview, cells, grid.empty)


def _content(run, defaults):
    """What a finished run holds; of one that ends before its models are measured, its start."""
    last = STAGES.index(run.last_stage or LAST_STAGE)
    if last >= STAGES.index("evaluate"):
        return _with_given_teacher(read_run(str(run.folder), defaults), run)
    start = read_state(run.folder)["done"].get("start", {})
    facts = {"start_loss": start.get("validation_loss"), "layers": start.get("layers")}
    return {"folder": str(run.folder), **facts}


def _with_given_teacher(content, run):
    """A run's content with the training of its teacher, where a shared run gave that.

    Args:
        content: of `read_run`.
        run: the `GridRun`.
    """
    trained = [
        read_training(each.folder, model)
        for each in run.needs
        for model in MODELS
        if run.flags.get("teacher") == str(RunPaths(each.folder).model(model))
    ]
    if not trained:
        return content
    own = read_training(run.folder, "teacher")
    trained += [own] * bool(own["steps"])  # it trained the teacher further
    metrics = content["metrics"]
    seconds = metrics.get("seconds", {}) | {"teacher": sum(each["seconds"] for each in trained)}
    curve = join_phases([each["curve"] for each in trained])
    return content | {
        "metrics": metrics | {"seconds": seconds},
        "curves": content["curves"] | {"teacher": curve},
        "teacher_peak": max((each["peak"] for each in trained if each["peak"]), default=None),
    }


def _end(run, found):
    """The last validation loss of a run's student; None where there is none."""
    curves = found[run.folder].get("curves", {}) if run and run.folder in found else {}
    return end_of(curves.get("student", []))


def _words(place):
    return " ".join(f"{axis}={value}" for axis, value in place.items())


def _missing(grid, job):
    """dict of the names of runs without results to the reasons."""
    failed = job.failures()
    found = {
        run.name: failed.get(run.name, "not made yet")
        for run in grid.ordered()
        if job.state(run) != DONE
    }
    return found | {name: f"left out: {reason}" for name, reason in grid.left_out}


def _markdown(parts, missing, first):
    lines = ["# Results of the grid", "", *(line for part in first for line in (part, ""))]
    for name, text in parts:
        lines += [*([f"## {name}", ""] if name else []), "```", text, "```", ""]
    if missing:
        lines += ["## Runs without results", ""]
        lines += [f"- {line}" for line in runs_by_reason(missing)]
    return "\n".join(lines).rstrip() + "\n"
