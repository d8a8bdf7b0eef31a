"""What the results of a grid have beside a comparison: its claims, and starts before training."""

import textwrap
from html import escape

from tfdistill.reports import claims, depth_plot
from tfdistill.reports.comparison import group_runs, mean_and_deviation
from tfdistill.reports.page import figure, note, section, table
from tfdistill.reports.table import ABSENT, WIDTH, Column, format_models

CLAIMS, STARTS = "Claims", "Starts before training"
STARTS_NOTE = "Validation loss of runs that end with their start: mean ± standard deviation."
STARTS_COLUMNS = [
    Column("n", "", lambda start: str(len(start["values"]))),
    Column("loss", "nats, val.", lambda start: _spread(start["values"], ".3f")),
]


def claims_text(results, count):
    """Writes claims for a terminal.

    Args:
        results: list of dicts, see `run.grid_claims.claim_results`.
        count: number of the grid's claims.

    Returns:
        str of several lines; "" without claims.
    """
    if not results:
        return ""
    lines = [f"{CLAIMS}:"]
    for result in results:
        lines += _wrap(f"{result['state']}: {result['name']}: {result['sentence']}.")
    return "\n".join([*lines, *_wrap(claims.NOTE.format(count=count))])


def _wrap(text):
    return textwrap.wrap(
        text, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def claims_html(results, count, changes=""):
    """Writes claims for the page.

    Args:
        results, count: as for `claims_text`.
        changes: a line about claims that changed after the first run.

    Returns:
        HTML; "" without claims and changes.
    """
    first = f'<p class="line"><b>{escape(changes)}</b></p>' if changes else ""
    if not results:
        return section(CLAIMS, first)
    lines = [
        f'<p class="line"><b>{escape(each["state"])}</b>: {escape(each["name"])}: '
        f"{escape(each['sentence'])}.</p>"
        for each in results
    ]
    return section(CLAIMS, first, *lines, note(claims.NOTE.format(count=count)))


def starts_of(runs):
    """Groups the runs that end with their start.

    Args:
        runs: list of dicts of `folder`, `flags` and `start_loss`; those with `metrics` are left
            out.

    Returns:
        list of dicts of the groups' `name` and `values`, nats.
    """
    ended = [run for run in runs if "metrics" not in run and run["start_loss"] is not None]
    return [
        {"name": group.name, "values": [run["start_loss"] for run in group.runs]}
        for group in group_runs(ended)
    ]


def starts_text(starts):
    """Writes the starts for a terminal; "" without any.

    Args:
        starts: of `starts_of`.
    """
    if not starts:
        return ""
    lines = format_models({start["name"]: start for start in starts}, STARTS_COLUMNS)
    return "\n".join([f"{STARTS}:", *lines, STARTS_NOTE])


def starts_html(starts, lines=()):
    """Writes the starts for the page; "" without any.

    Args:
        starts: of `starts_of`.
        lines: of `depth_plot.depth_lines`.
    """
    head = [("start", ""), *((column.name, column.unit) for column in STARTS_COLUMNS)]
    rows = [
        [start["name"], *(column.write(start) for column in STARTS_COLUMNS)] for start in starts
    ]
    shown = f'<div class="named">{table(head, rows)}</div>'
    drawn = figure(depth_plot.depth_curves(lines), depth_plot.NOTE)
    return section(STARTS, shown, note(STARTS_NOTE), drawn) if starts else ""


def _spread(values, digits):
    mean, deviation = mean_and_deviation(values)
    if mean is None:
        return ABSENT
    return f"{mean:{digits}}" + (f" ± {deviation:{digits}}" if deviation is not None else "")
