"""The table of a student's parts: quality, size and latency of each, for the page and Markdown."""

from tfdistill.reports.table import Column, cell, difference_columns, metric_column
from tfdistill.tasks import task_of

NOTE = (
    "Each part is some of the student's heads, neurons and layers, with the student's weights. ±: "
    "standard error; part − student is paired. Size and latency: a TFLite file of the part alone."
)


def part_rows(metrics):
    """The columns and rows of the table.

    Args:
        metrics: dict, the content of a run's metrics.json.

    Returns:
        (list of `Column`s, dict of names to lists of cells); both empty for a student without
        parts.
    """
    parts = metrics.get("parts", {})
    if not parts:
        return [], {}
    task = task_of(metrics)
    first = difference_columns(task)[0]
    columns = [
        Column("layers", "", lambda part: str(part["layers"])),
        Column("heads", "", lambda part: str(part["heads"])),
        Column("neurons", "", lambda part: str(part["intermediate"])),
        Column("params", "million", lambda part: f"{part['parameters'] / 1e6:.2f}"),
        metric_column(task, task.primary),
        Column("part − student", first.unit, lambda part: first.write(part["difference"])),
    ]
    for name in next(iter(parts.values()))["files"]:
        columns += [
            Column(f"{name} {task.primary.name}", task.primary.unit, _in_file(task, name)),
            Column(f"{name} size", "MB", lambda p, n=name: f"{p['files'][n]['bytes'] / 1e6:.1f}"),
            Column(f"{name} latency", "ms", lambda p, n=name: f"{p['files'][n]['latency_ms']:.2f}"),
        ]
    rows = {name: [cell(column, part) for column in columns] for name, part in parts.items()}
    return columns, rows


def files_line(metrics):
    """A sentence on the files that hold all parts; "" without.

    Args:
        metrics: as for `part_rows`.
    """
    files = metrics.get("part_files", {})
    return "; ".join(
        f"{name} holds all parts in {facts['bytes'] / 1e6:.1f} MB, a file for each would take "
        f"{facts['bytes_apart'] / 1e6:.1f} MB"
        for name, facts in files.items()
    ) + "." * bool(files)


def _in_file(task, name):
    metric = task.primary
    return lambda part: metric.text({metric.key: part["files"][name][f"{metric.key}_lite"]})
