"""Shapes of models, drawn to one scale."""

from tfdistill.reports.svg import COLOURS, SOFT, as_svg

BAR = 0.34  # height of a matrix, where a layer has the height 1


def shapes_plot(shapes):
    """Draws models beside each other: bars as long as the layers are wide.

    Args:
        shapes: dict of names to dicts of "layers", "width", "intermediate", "heads" and
            "head_size".

    Returns:
        An `<svg>` element.
    """
    widest = max(max(s["intermediate"], s["heads"] * s["head_size"]) for s in shapes.values())
    deepest = max(shape["layers"] for shape in shapes.values())

    def draw(figure):
        grid = figure.subplots(1, len(shapes), squeeze=False)[0]
        for axes, (name, shape) in zip(grid, shapes.items(), strict=True):
            _draw(axes, shape)
            axes.set_title(name, fontsize=9)
            axes.set_axis_off()
            axes.set_xlim(-0.52 * widest, 0.52 * widest)
            axes.set_ylim(-1.0, deepest + 0.2)

    return as_svg(draw, 10, 0.9 + 0.28 * deepest, "shapes of models, to one scale")


def _draw(axes, shape):
    """One model: the embeddings, and above them for each layer its heads and its neurons."""
    width, size = shape["width"], shape["head_size"]
    _bar(axes, -width / 2, -0.75, width, SOFT)
    for layer in range(shape["layers"]):
        left = -shape["heads"] * size / 2
        for head in range(shape["heads"]):
            _bar(axes, left + head * size, layer, size, COLOURS["teacher"])
        _bar(
            axes,
            -shape["intermediate"] / 2,
            layer + 0.45,
            shape["intermediate"],
            COLOURS["student"],
        )


def _bar(axes, left, bottom, length, colour):
    axes.barh(bottom, length, BAR, left, align="edge", color=colour, edgecolor="white", lw=0.6)
