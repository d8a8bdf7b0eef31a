"""The overview of a grid: one table of the primary metrics of all its cells."""

import string

from tfdistill.reports.comparison import mean_and_deviation
from tfdistill.reports.table import ABSENT
from tfdistill.tasks import task_of

TEACHER, STUDENT = "teacher", "student"
NOTE = (
    "Mean ± standard deviation over the seeds (sample, n-1), on the test split; teacher: over the "
    "different teachers of the column. Where runs are missing, their number is named."
)


def overview_markdown(axes, cells, empty):
    """Writes the overview as a Markdown table.

    Args:
        axes: (axis of the rows, axis of the columns).
        cells: list of (dict of axes to names of values, list of the finished runs of the cell, see
            `reports.comparison`, number of its runs), in the order of the grid.
        empty: list of (dict of axes to names of values, reason) of cells without runs.

    Returns:
        str; the reasons of empty cells stand below the table.
    """
    known = [*(place for place, *_ in cells), *(place for place, _ in empty)]
    # Runs that an axis does not concern have no value of it.
    rows, columns = (list(dict.fromkeys(p[axis] for p in known if axis in p)) for axis in axes)
    reasons = list(dict.fromkeys(reason for _, reason in empty))
    marks = dict(zip(reasons, _marks(), strict=False))
    table = {(p.get(axes[0]), p.get(axes[1])): _spread(runs, STUDENT, n) for p, runs, n in cells}
    for place, reason in empty:
        table[place.get(axes[0]), place.get(axes[1])] = f"{ABSENT} ({marks[reason]})"
    found = {column: _finished(cells, axes[1], column) for column in columns}
    heads = [f"{column}: {_metric(found[column])}" for column in columns]
    lines = [[axes[0], *heads], ["---"] * (1 + len(columns))]
    lines.append([TEACHER, *(_teachers(found[column]) for column in columns)])
    lines += [[row, *(table.get((row, column), "") for column in columns)] for row in rows]
    text = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    notes = [f"({mark}) {reason}." for reason, mark in marks.items()]
    return "\n\n".join([text, *notes, NOTE])


def _marks():
    yield from string.ascii_lowercase
    yield from (f"{one}{two}" for one in string.ascii_lowercase for two in string.ascii_lowercase)


def _finished(cells, axis, value):
    """The finished runs with a value."""
    found = (run for place, runs, _ in cells if place.get(axis) == value for run in runs)
    return [run for run in found if "metrics" in run]


def _metric(runs):
    if not runs:
        return "not made yet"
    metric = task_of(runs[0]["metrics"]).primary
    return f"{metric.name}{f' ({metric.unit})' if metric.unit else ''}"


def _teachers(runs):
    """Mean and deviation of the different teachers; runs that measured the same share one."""
    found = {}
    for run in runs:
        own, key = run["metrics"]["models"].get(TEACHER, {}), task_of(run["metrics"]).primary.key
        if own.get(key) is not None:
            found.setdefault((own.get("loss"), own[key]), run)
    return _spread(list(found.values()), TEACHER, len(found))


def _spread(runs, model, expected):
    """Mean and deviation of the primary metric of one model of some runs."""
    runs = [run for run in runs if "metrics" in run]
    if not runs:
        return ""
    metric = task_of(runs[0]["metrics"]).primary
    values = [run["metrics"]["models"][model].get(metric.key) for run in runs]
    mean, deviation = mean_and_deviation(values)
    if mean is None:
        return ABSENT
    text = f"{metric.scale * mean:.{metric.digits}f}"
    if deviation is not None:
        text += f" ± {metric.scale * deviation:.{metric.digits}f}"
    return text + (f" ({len(runs)} of {expected})" if len(runs) < expected else "")
