"""The report's plots: curves of models, reliability, terms of a loss, bars."""

import functools
import itertools

from tfdistill.reports.svg import COLOURS, DASHES, INK, SOFT, as_svg

PANELS = 4  # in a row


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
        (title, [(name, *points_of(rows, measure)) for name, rows in curves.items()])
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
            axes.set(title=f"{title}: {loss_title(task)}", xlabel="step")
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
        name: points_of(rows, lambda row: row.get(metric.curve_key))
        for name, rows in curves.items()
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
                found[name, term] = points_of(rows, lambda row, term=term: row.get(term))
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


def loss_title(task):
    """The loss of a task with its unit: "cross-entropy (nats)".

    Args:
        task: the `Task`.
    """
    return task.words.loss_name + (f" ({task.loss_unit})" if task.loss_unit else "")


def _hard_loss(task, row):
    """The loss of the labels; None in a phase without it."""
    terms = any(key.startswith("loss_") for key in row)
    return row.get(f"loss_{task.hard_loss}" if terms else "loss")


def points_of(rows, measure):
    """The points of a curve where something was measured.

    Args:
        rows: list of dicts with `step`.
        measure: function of a row to a number, or None.

    Returns:
        (list of steps, list of values).
    """
    points = [(row["step"], measure(row)) for row in rows]
    points = [point for point in points if point[1] is not None]
    return [step for step, _ in points], [value for _, value in points]


def _colour(name):
    """The colour of a model; phases of one model ("student-distil") share it."""
    return COLOURS.get(name.split("-")[0], SOFT)
