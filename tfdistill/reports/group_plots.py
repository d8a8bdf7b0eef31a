"""Curves of groups of runs: means, with bands of their standard deviation."""

import statistics
import textwrap

from tfdistill.reports.plots import loss_title, points_of
from tfdistill.reports.svg import as_svg, group_line


def overlaid_curves(groups, task, part=""):
    """The loss of groups of runs: the mean of a group, and its standard deviation as a band.

    Args:
        groups: list of (name, list of the runs' curves: lists of rows as for `loss_curves`).
        task: the `Task`.
        part: which groups these are, where a page has several such figures.

    Returns:
        An `<svg>` element; "" when there is nothing to draw.
    """
    panels = [("Validation", "validation_loss"), ("Training", f"loss_{task.hard_loss}")]
    drawn = []
    for title, key in panels:
        lines = [
            [points_of(rows, lambda row, key=key: row.get(key)) for rows in c] for _, c in groups
        ]
        lines = [[line for line in group if line[0]] for group in lines]
        if any(lines):
            drawn.append((title, lines))
    if not drawn:
        return ""
    names = [textwrap.shorten(name, 100, placeholder=" …") for name, _ in groups]
    columns = max(1, min(4, len(names), 120 // (6 + max(map(len, names)))))

    def draw(figure):
        widths = [3, 2][: len(drawn)]
        grid = figure.subplots(1, len(drawn), squeeze=False, width_ratios=widths)[0]
        for axes, (title, lines) in zip(grid, drawn, strict=True):
            for number, group in enumerate(lines):
                _draw_group(axes, group, number)
            axes.set(title=f"{title}: {loss_title(task)}", xlabel="step")
            axes.set_ylim(*visible_range([line for group in lines for line in group]))
            axes.grid(axis="y")
        marks = [figure.axes[0].plot([], [], **group_line(n))[0] for n in range(len(names))]
        figure.legend(marks, names, loc="outside lower left", ncols=columns)

    height = 3.8 + 0.22 * -(-len(names) // columns)
    label = f"{task.words.loss_name} of the groups by training step{part and f', {part}'}"
    return as_svg(draw, 10, height, label)


def _draw_group(axes, lines, number):
    if not lines:
        return
    steps, losses, deviations = mean_line(lines)
    style = group_line(number)
    axes.plot(steps, losses, marker="o" if len(steps) < 30 else None, ms=3.5, **style)
    if deviations is not None:
        edges = losses - deviations, losses + deviations
        axes.fill_between(steps, *edges, color=style["color"], alpha=0.18, lw=0)


def mean_line(lines):
    """The mean of several lines, at all steps that lie within every one of them.

    Args:
        lines: list of (steps, losses).

    Returns:
        (steps, means, sample standard deviations); the last is None for a single line.
    """
    import numpy as np

    first, last = max(steps[0] for steps, _ in lines), min(steps[-1] for steps, _ in lines)
    at = sorted({step for steps, _ in lines for step in steps if first <= step <= last})
    losses = np.array([np.interp(at, *line) for line in lines])
    return at, losses.mean(axis=0), losses.std(axis=0, ddof=1) if len(lines) > 1 else None


def visible_range(lines):
    """Limits of the losses: lines that begin far above most others do not flatten them."""
    late = [
        loss
        for steps, losses in lines
        for step, loss in zip(steps, losses, strict=True)
        if step >= steps[-1] / 2
    ]
    top = max(*late, statistics.median_low(max(losses) for _, losses in lines))
    low = min(loss for _, losses in lines for loss in losses)
    room = 0.05 * (top - low) or 0.05
    return low - room, top + room
