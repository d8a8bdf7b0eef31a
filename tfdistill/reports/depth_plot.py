"""The losses of starts by their number of layers, such as of teachers that were cut."""

import math
import re

from tfdistill.reports.comparison import WITHIN_A_GROUP, group_runs, mean_and_deviation
from tfdistill.reports.svg import as_svg, group_line

NOTE = (
    "Lines: the mean over the seeds; bands: one standard deviation. The number of layers is that "
    "of the run's student before training."
)


def depth_lines(runs):
    """The starts of runs by their number of layers, a line for each value of the other axes.

    The values of the axis that decides the number of layers, such as cut_1 to cut_6, name no line
    of their own: the number is left out of them.

    Args:
        runs: as for `grid_sections.starts_of`; those without `layers` are left out.

    Returns:
        list of (name, dict of the numbers of layers to lists of losses); empty if all runs have
        the same number of layers. The name of a line that has no other beside it is "".
    """
    ended = [run for run in runs if "metrics" not in run and run.get("layers") is not None]
    ended = [run for run in ended if run["start_loss"] is not None]
    if len({run["layers"] for run in ended}) < 2:
        return []
    deciding = _deciding(ended)
    lines = []
    for group in group_runs([run | {"flags": _other_flags(run, deciding)} for run in ended]):
        points = {}
        for run in sorted(group.runs, key=lambda run: run["layers"]):
            points.setdefault(run["layers"], []).append(run["start_loss"])
        lines.append((group.name if group.flags else "", points))
    return lines


def _deciding(runs):
    """The axes whose values say the number of layers; if any do so by name, those alone."""
    found = []
    for axis in {axis for run in runs for axis in run["flags"]} - WITHIN_A_GROUP:
        of_axis = [(run["flags"][axis], run["layers"]) for run in runs if axis in run["flags"]]
        values, layers = dict(of_axis), {number for _, number in of_axis}
        if len(layers) > 1 and all(values[value] == number for value, number in of_axis):
            found.append((axis, all(_without(*pair) for pair in of_axis)))
    named = {axis for axis, by_name in found if by_name}
    return named or {axis for axis, _ in found}


def _without(value, layers):
    """A value with N in the place of its number of layers; "" without the number in it."""
    found, count = re.subn(rf"(?<!\d){layers}(?!\d)", "N", value, count=1)
    return found if count else ""


def _other_flags(run, deciding):
    flags = run["flags"].items()
    return {
        axis: _without(value, run["layers"]) if axis in deciding else value for axis, value in flags
    }


def depth_curves(lines):
    """Draws the lines, each with a band of one standard deviation.

    Args:
        lines: of `depth_lines`.

    Returns:
        An `<svg>` element; "" without lines.
    """
    if not lines:
        return ""
    names, ticks = [name for name, _ in lines if name], {n for _, points in lines for n in points}
    columns = min(4, len(names) or 1)

    def draw(figure):
        axes = figure.subplots()
        for number, (name, points) in enumerate(lines):
            _draw_line(axes, points, group_line(number), name)
        axes.set(title="Validation loss before training (nats)", xlabel="layers")
        axes.set_xticks(sorted(ticks))
        axes.grid(axis="y")
        if names:
            figure.legend(loc="outside lower left", ncols=columns)

    height = 3.8 + 0.22 * -(-len(names) // columns)
    return as_svg(draw, 8, height, "validation loss before training by number of layers")


def _draw_line(axes, points, style, name):
    spreads = [mean_and_deviation(values) for values in points.values()]
    layers, means = list(points), [mean for mean, _ in spreads]
    axes.plot(layers, means, marker="o", ms=3.5, label=name, **style)
    edges = [
        [math.nan if deviation is None else mean + sign * deviation for mean, deviation in spreads]
        for sign in (-1, 1)  # no band where there is one seed
    ]
    axes.fill_between(layers, *edges, color=style["color"], alpha=0.18, lw=0)
