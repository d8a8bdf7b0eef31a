"""Timed TFLite files: tables for a terminal, and a plot."""

import itertools

from tfdistill.reports.svg import GROUP_COLOURS, as_svg
from tfdistill.reports.table import Column, format_models
from tfdistill.system.errors import UserError

_MB = 1e6
_NOTES = (  # each is shown if the times have the column
    ("length", "row: tokens of the signature that takes the text, with padding"),
    ("median_ms", "median, 5 %, 95 %: time of a run by the clock"),
    ("cpu_ms", "CPU: CPU time of a run, the median"),
    (
        "rate",
        "rate: of the file's fully connected operators, which are timed alone, in turn with it",
    ),
    (
        "share",
        "share: CPU time of these operators by that of the file; noise may put it over 100 %",
    ),
    ("first_ms", "first: the first run; load: until the file is ready, by the clock"),
    ("resident_mb", "memory: what the tool's memory grew by; file: size of the file"),
)


_FILES_NOTES = (
    "load: until all lengths are ready",
    "memory: resident when each has run, above that of a process with LiteRT",
)


def _number(key, digits, scale=1.0):
    return lambda row: f"{row[key] / scale:,.{digits}f}"


TIME_COLUMNS = (
    Column("row", "tokens", lambda row: str(row["length"])),
    Column("median", "ms", _number("median_ms", 2)),
    Column("5 %", "ms", _number("p5_ms", 2)),
    Column("95 %", "ms", _number("p95_ms", 2)),
    Column("mean", "ms", _number("mean_ms", 2)),
    Column("CPU", "ms", _number("cpu_ms", 2)),
    Column("first", "ms", _number("first_ms", 2)),
    Column("load", "ms", _number("load_ms", 1)),
    Column("memory", "MB", _number("resident_mb", 1)),
    Column("file", "MB", _number("megabytes", 2)),
    Column("rate", "GMAC/s", _number("rate", 1, 1e9)),
    Column("share", "%", _number("share", 1, 0.01)),
)


def format_files(files):
    """Writes sizes of files and what it takes to load them.

    Args:
        files: dict of names to dicts as `file_facts` returns.

    Returns:
        list of str, the last of which say what the columns are.
    """
    columns, rows = [Column("file", "MB", _number("bytes", 2, _MB))], {}
    threads = sorted({count for facts in files.values() for count in facts["loads"]})
    for count in threads:
        many = f"{count} thread{'s' if count > 1 else ''}"
        columns.append(Column("load", f"CPU ms, {many}", _number(f"load_ms_{count}", 1)))
        columns.append(Column("memory", f"MB, {many}", _number(f"memory_{count}", 1, _MB)))
    for name, facts in files.items():
        rows[name] = {"bytes": facts["bytes"]}
        for count, load in facts["loads"].items():
            rows[name][f"load_ms_{count}"] = load["load_cpu_ms"]
            rows[name][f"memory_{count}"] = load["resident_bytes"]
    return [*format_models(rows, columns), *_FILES_NOTES]


def format_times(times):
    """Writes times of files as tables, one for each number of threads.

    Args:
        times: list of dicts as `file_times` yields or `read_output` returns; a table has the
            columns that its rows fill.

    Returns:
        list of str, the last of which say what the columns are.
    """
    lines = []
    for count in sorted({row["threads"] for row in times}):
        rows = {}
        for row in times:
            if row["threads"] == count:
                rows[_unused(_name(row), rows)] = row
        columns = [each for each in TIME_COLUMNS if any(_fills(each, row) for row in rows.values())]
        lines += [f"{count} thread{'s' if count > 1 else ''}", *format_models(rows, columns), ""]
    return lines + [note for key, note in _NOTES if any(key in row for row in times)]


def times_by_tokens(times):
    """Median times of files by the length of the text, on one thread.

    Args:
        times: list of dicts of `file`, `threads`, `tokens` or `length`, and `median_ms`; others
            are left out.

    Returns:
        An `<svg>` element.

    Raises:
        UserError: all are left out.
    """
    lines = {}
    for row in times:
        tokens = row.get("tokens", row.get("length"))
        if row["threads"] == 1 and tokens and "median_ms" in row:
            lines.setdefault(row.get("file", "file"), []).append((tokens, row["median_ms"]))

    if not lines:
        raise UserError("`plot`: no line has the length and the median of a run: leave it out")

    def draw(figure):
        axes = figure.subplots()
        for (name, points), colour in zip(
            lines.items(), itertools.cycle(GROUP_COLOURS), strict=False
        ):
            axes.plot(*zip(*points, strict=True), color=colour, label=name, marker="o", ms=3.5)
        axes.set(title="Milliseconds per text, one thread", xlabel="tokens", yscale="log")
        axes.grid(axis="y")
        axes.legend()

    return as_svg(draw, 9, 4.2, "milliseconds per text by tokens")


def _name(row):
    tokens = row.get("tokens", row.get("length"))
    return row.get("file", "file") + (f", {tokens} tokens" if tokens else "")


def _unused(name, rows):
    """The name, with a number where rows have it already."""
    names = (name if number == 1 else f"{name} ({number})" for number in itertools.count(1))
    return next(each for each in names if each not in rows)


def _fills(column, row):
    try:
        column.write(row)
    except KeyError:
        return False
    return True
