"""How plots look: colours, lines, and the SVG element that stands in a page itself."""

import io
import re
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


def group_line(number):
    """How the line of a group is drawn; dashes tell groups apart once all colours are used.

    Args:
        number: of the group, from 0.

    Returns:
        dict of arguments of matplotlib's `plot`.
    """
    turn, colour = divmod(number, len(GROUP_COLOURS))
    return {"color": GROUP_COLOURS[colour], "ls": DASHES[turn % len(DASHES)], "lw": 1.8}


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
