"""The report's plots, as SVG elements that stand in the page itself."""

import functools
import io
import itertools
import re
import statistics
import textwrap
from html import escape

INK, SOFT, LINE = "#1c2430", "#5d6877", "#e3e7ec"
COLOURS = {
    "teacher": "#2c5f8d",
    "student": "#d3562a",
    "student_start": "#eab79f",
    "baseline": "#7d8794",
    "baseline_start": "#a98b3d",
    "no_teacher": "#a98b3d",
    "baseline_text": "#6c9a8b",
    "unigram": "#c3cad3",
    "floor": "#c3cad3",
}
GROUP_COLOURS = (
    *("#2c5f8d", "#d3562a", "#1f7a4d", "#8a4fa3", "#c79a1b", "#35a3a8"),
    *("#b3265f", "#5d6877", "#7a4a1e", "#6d9df0", "#93b53a", "#e08bb0"),
)
PANELS = 4  # in a row
DASHES = ("-", "--", ":")
_STYLE = {
    "svg.fonttype": "none",  # text stays text, in the page's own font
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": LINE,
    "axes.labelcolor": SOFT,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": LINE,
    "legend.frameon": False,
    "text.parse_math": False,  # a dollar in the name of a run is one
}


def loss_curves(curves, labels, task):
    """The loss of the labels in training and on the validation split, all models on one scale.

    Args:
        curves: dict of stage names to lists of rows, dicts with `step`, `loss`, and where they
            were measured `loss_<hard loss of the task>` and `validation_loss`, nats.
        labels: dict of stage names to the names in the legend.
        task: the `Task`.

    Returns:
        An `<svg>` element; "" when there is nothing to draw.
    """
    panels = [
        ("Training", functools.partial(_hard_loss, task)),
        ("Validation", lambda row: row.get("validation_loss")),
    ]
    lines = [
        (title, [(name, *_points(rows, measure)) for name, rows in curves.items()])
        for title, measure in panels
    ]
    lines = [(title, [line for line in drawn if line[1]]) for title, drawn in lines]
    lines = [(title, drawn) for title, drawn in lines if drawn]
    if not lines:
        return ""

    # Phases of one model share its colour.
    phases = [name for name in curves if "-" in name]
    dashes = dict.fromkeys(curves, "-") | dict(zip(phases, itertools.cycle(DASHES), strict=False))

    def draw(figure):
        grid = figure.subplots(1, len(lines), sharey=True, squeeze=False)[0]
        for axes, (title, drawn) in zip(grid, lines, strict=True):
            for name, steps, losses in drawn:
                mark = "o" if len(steps) < 30 else None
                colour = _colour(name)
                axes.plot(
                    steps,
                    losses,
                    color=colour,
                    label=labels.get(name, name),
                    linestyle=dashes[name],
                    marker=mark,
                    ms=3.5,
                )
            axes.set(title=f"{title}: {_loss_title(task)}", xlabel="step")
            axes.grid(axis="y")
        grid[0].legend()

    return as_svg(draw, 10, 3.6, f"{task.words.loss_name} by training step")


def metric_curves(curves, labels, metric):
    """A metric on the validation split, one line for each model.

    Args:
        curves, labels: as for `loss_curves`.
        metric: the `Metric`.

    Returns:
        An `<svg>` element; "" when it was not measured.
    """
    lines = {
        name: _points(rows, lambda row: row.get(metric.curve_key)) for name, rows in curves.items()
    }
    lines = {name: line for name, line in lines.items() if line[0]}
    if not lines:
        return ""

    def draw(figure):
        axes = figure.subplots()
        for name, (steps, values) in lines.items():
            values, label = [metric.scale * value for value in values], labels.get(name, name)
            axes.plot(steps, values, color=_colour(name), label=label, marker="o", ms=3.5)
        unit = f" ({metric.unit})" if metric.unit else ""
        axes.set(title=f"Validation: {metric.name}{unit}", xlabel="step")
        axes.grid(axis="y")
        axes.legend()

    return as_svg(draw, 10, 3.2, f"{metric.name} by training step")


def reliability(points, labels):
    """Shares of right predictions by the confidence of the predictions.

    Args:
        points: dict of models' keys to lists of dicts of `confidence` and `accuracy`, shares.
        labels: dict of keys to names in the legend.

    Returns:
        An `<svg>` element.
    """

    def draw(figure):
        axes = figure.subplots()
        axes.plot([0, 100], [0, 100], color=SOFT, ls="--", lw=1)
        for name, found in points.items():
            x, y = ([100 * point[key] for point in found] for key in ("confidence", "accuracy"))
            axes.plot(x, y, color=_colour(name), label=labels.get(name, name), marker="o", ms=3.5)
        axes.set(title="Right predictions (%)", xlabel="confidence (%)")
        axes.grid(axis="y")
        axes.legend()

    return as_svg(draw, 9, 3.2, "right predictions by confidence")


def term_curves(curves, task):
    """The terms that distillation adds to the loss of the labels: one panel for each.

    Args:
        curves: as for `loss_curves`; the terms are the keys `loss_<term>`.
        task: the `Task`.

    Returns:
        An `<svg>` element; "" when no curve has such a term.
    """
    found = {}
    for name, rows in curves.items():
        for term in sorted({key for row in rows for key in row if key.startswith("loss_")}):
            if term != f"loss_{task.hard_loss}":
                found[name, term] = _points(rows, lambda row, term=term: row.get(term))
    if not found:
        return ""

    rows = -(-len(found) // PANELS)

    def draw(figure):
        grid = figure.subplots(rows, min(len(found), PANELS), squeeze=False).ravel()
        for empty in grid[len(found) :]:
            empty.set_visible(False)
        for axes, ((name, term), points) in zip(grid, found.items(), strict=False):
            axes.plot(*points, color=_colour(name))
            axes.set(title=f"{name}: {term.removeprefix('loss_')}", xlabel="step")
            axes.set_ylim(bottom=0)
            axes.grid(axis="y")

    return as_svg(draw, 10, 2.6 * rows, "Terms of the distillation loss by training step")


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
            [_points(rows, lambda row, key=key: row.get(key)) for rows in c] for _, c in groups
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
            axes.set(title=f"{title}: {_loss_title(task)}", xlabel="step")
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


def group_line(number):
    """How the line of a group is drawn; dashes tell groups apart once all colours are used.

    Args:
        number: of the group, from 0.

    Returns:
        dict of arguments of matplotlib's `plot`.
    """
    turn, colour = divmod(number, len(GROUP_COLOURS))
    return {"color": GROUP_COLOURS[colour], "ls": ("-", "--", ":")[turn % 3], "lw": 1.8}


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


def bars(panels):
    """Horizontal bars, one panel for each measure.

    Args:
        panels: list of (title with its unit, list of (label, value, model's key), number format).

    Returns:
        An `<svg>` element; "" when every panel is empty.
    """
    panels = [panel for panel in panels if panel[1]]
    if not panels:
        return ""
    tallest = max(len(values) for _, values, _ in panels)

    def draw(figure):
        grid = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, (title, values, number) in zip(grid, panels, strict=True):
            labels, widths, keys = zip(*values[::-1], strict=True)
            drawn = axes.barh(labels, widths, color=[_colour(key) for key in keys], height=0.62)
            axes.bar_label(drawn, [number.format(width) for width in widths], padding=4)
            axes.set_title(title)
            axes.set_xlim(0, 1.22 * max(widths) or 1)
            axes.set_ylim(len(values) - tallest - 0.5, len(values) - 0.5)  # equal bars everywhere
            axes.tick_params(length=0, labelcolor=INK)
            axes.set_xticks([])
            axes.spines[["bottom", "left"]].set_visible(False)

    return as_svg(draw, 10, 0.8 + 0.36 * tallest, "; ".join(title for title, _, _ in panels))


def _loss_title(task):
    """The loss of a task with its unit: "cross-entropy (nats)"."""
    return task.words.loss_name + (f" ({task.loss_unit})" if task.loss_unit else "")


def _hard_loss(task, row):
    """The loss of the labels; None in a phase without it."""
    terms = any(key.startswith("loss_") for key in row)
    return row.get(f"loss_{task.hard_loss}" if terms else "loss")


def _points(rows, measure):
    points = [(row["step"], measure(row)) for row in rows]
    points = [point for point in points if point[1] is not None]
    return [step for step, _ in points], [value for _, value in points]


def _colour(name):
    """The colour of a model; phases of one model ("student-distil") share it."""
    return COLOURS.get(name.split("-")[0], SOFT)


def as_svg(draw, width, height, label):
    """Draws a plot.

    Args:
        draw: function of a `matplotlib.figure.Figure`.
        width, height: inches.
        label: what the plot shows, for readers who do not see it.

    Returns:
        An `<svg>` element.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    # The salt keeps the ids of several plots in one page apart, and equal from run to run.
    with rc_context({**_STYLE, "svg.hashsalt": label}):
        figure = Figure((width, height), layout="constrained")
        figure.get_layout_engine().set(wspace=0.06)
        draw(figure)
        file = io.StringIO()
        empty = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(file, format="svg", transparent=True, metadata=empty)
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg, count=2)
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1)
