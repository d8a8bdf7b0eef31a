"""The parts of a super-student that a search tried: a table, and a plot of loss against size."""

from tfdistill.reports.plots import COLOURS, SOFT, as_svg
from tfdistill.reports.table import Column, format_models

SIZES = {"int8_bytes": ("int8 file", "MB"), "parameters": ("params", "million")}


def _millions(key):
    return lambda row: f"{row[key] / 1e6:.2f}"


def _size_of(name):
    return lambda row: str(row["shape"][name])


COLUMNS = (
    Column("layers", "", _size_of("layers")),
    Column("width", "", _size_of("width")),
    Column("neurons", "", _size_of("intermediate")),
    Column("heads", "", _size_of("heads")),
    Column("of", "", _size_of("head_size")),
    *(Column(name, unit, _millions(key)) for key, (name, unit) in SIZES.items()),
    Column("loss", "nats", lambda row: f"{row['loss']:.3f}"),
)


def format_front(found, space):
    """Writes the result of a search as lines.

    Args:
        found: what `run.search.search_and_show` returns.
        space: int, the number of parts that the super-student has.

    Returns:
        str.
    """
    rows = {f"{number}": row for number, row in enumerate(found["front"], 1)}
    rows["best"] = found["best"]
    tried = f"{len(found['trials']):,} of {space:,} parts were tried"
    bounds = [
        f"{SIZES[name][0]} at most {most / 1e6:.2f} {SIZES[name][1]}"
        for name, most in found["bounds"].items()
    ]
    head = f"{tried}; {', '.join(bounds) or 'no bounds'}. Those that no other beats in both:"
    note = "Losses: masked LM on the validation split, with the weights of the super-student."
    return "\n".join([head, "", *format_models(rows, COLUMNS), "", note])


def front_plot(trials, front, bounds):
    """Draws the losses of all parts by the sizes of their files, and the front.

    Args:
        trials, front: lists of rows (see `run.search.Trials`).
        bounds: dict of sizes to their bounds.

    Returns:
        An `<svg>` element.
    """

    def points(rows):
        return [row["int8_bytes"] / 1e6 for row in rows], [row["loss"] for row in rows]

    def draw(figure):
        axes = figure.subplots()
        axes.scatter(*points(trials), color=SOFT, s=12, label="tried")
        axes.plot(*points(front), color=COLOURS["student"], marker="o", ms=4, label="front")
        if "int8_bytes" in bounds:
            axes.axvline(bounds["int8_bytes"] / 1e6, color=SOFT, ls="--", lw=1, label="bound")
        axes.set(title="Loss with inherited weights (nats)", xlabel="int8 file (MB)")
        axes.grid(axis="y")
        axes.legend()

    return as_svg(draw, 9, 4.2, "loss of parts by the size of their files")
