"""The parts of a super-student that a search tried: tables, and plots of quality against cost."""

from tfdistill.reports.svg import COLOURS, INK, SOFT, as_svg
from tfdistill.reports.table import Column, format_models

BYTES, PARAMETERS, LATENCY = "int8_bytes", "parameters", "latency_ms"  # keys of costs
FRONTS = {BYTES: "front", LATENCY: "latency_front"}
# name, unit, and divisor of the stored number
COSTS = {
    BYTES: ("int8 file", "MB", 1e6),
    PARAMETERS: ("params", "million", 1e6),
    LATENCY: ("latency", "ms", 1.0),
}


def cost_text(name, value):
    """Writes a cost without its unit.

    Args:
        name: key of the cost.
        value: number.
    """
    return f"{value / COSTS[name][2]:.3g}" if name == LATENCY else f"{value / COSTS[name][2]:.2f}"


def cost_columns(rows):
    """The `Column`s of the costs that rows have."""
    return [
        Column(name, unit, lambda row, key=key: cost_text(key, row[key]))
        for key, (name, unit, _) in COSTS.items()
        if any(key in row for row in rows)
    ]


def shape_columns():
    """The `Column`s of the sizes of a part."""
    names = {"layers": "layers", "width": "width", "intermediate": "neurons", "heads": "heads"}
    columns = [
        Column(name, "", lambda row, key=key: str(row["shape"][key])) for key, name in names.items()
    ]
    return [*columns, Column("head", "size", lambda row: str(row["shape"]["head_size"]))]


def row_columns(rows, metric):
    """The `Column`s of parts.

    Args:
        rows: list of rows (see `run.trials.Trials`).
        metric: the `Metric` of the search.
    """
    value = Column(metric.name, metric.unit, metric.text)
    return [*shape_columns(), *cost_columns(rows), value]


def bounds_text(found, metric):
    """Writes the bounds of a search: "latency at most 0.7 ms, int8 file at most 3.00 MB".

    Args:
        found, metric: as for `format_front`.
    """
    parts = [
        f"{COSTS[name][0]} at most {cost_text(name, most)} {COSTS[name][1]}"
        for name, most in found["bounds"].items()
    ]
    if "quality" in found:
        end = "at least" if metric.higher_is_better else "at most"
        asked = metric.text({metric.key: found["quality"]})
        parts.append(f"{metric.name} {end} {asked} {metric.unit}".rstrip())
    return ", ".join(parts) or "no bounds"


def latency_text(found):
    """What the latency of a search is, a sentence; "" without a table."""
    facts = found.get("latency")
    if not facts:
        return ""
    clock = "CPU time" if facts["kind"] == "cpu" else "time by the clock"
    threads = f"{facts['threads']} thread{'s' if facts['threads'] > 1 else ''}"
    return (
        f"Latency: {clock} of the {facts['variant']} file for {facts['length']} tokens on "
        f"{threads}, predicted by {facts['table']}{_chip_text(facts)}{_error_text(facts)}."
        f"{_below_text(facts)}"
    )


def _chip_text(facts):
    return f" ({facts['chip']})" if facts.get("chip") else ""


def _below_text(facts):
    smallest = ", ".join(f"{name} {size:,}" for name, size in facts.get("below", {}).items())
    return f" Smaller parts than it timed ({smallest}) are extrapolated." if smallest else ""


def _error_text(facts):
    error = facts.get("error")
    if not error:
        return ""
    return (
        f", which is off by {100 * error['median']:.1f} % in the median and at most "
        f"{100 * error['worst']:.1f} % on {error['shapes']} shapes that it was not fitted to"
    )


def value_text(found, metric):
    """What the values of a search are, a sentence; arguments as for `format_front`."""
    what = f"{metric.name[:1].upper()}{metric.name[1:]}"
    return (
        f"{what}: on the validation split of {found['corpus']}, rows of {found['length']} tokens, "
        "with the weights of the super-student."
    )


def format_front(found, metric):
    """Writes the result of a search as lines.

    Args:
        found: what `run.search.search_and_show` returns.
        metric: the `Metric` of the search.

    Returns:
        str.
    """
    tried = f"{len(found['trials']):,} of {found['parts']:,} parts were tried"
    lines = [f"{tried}; {bounds_text(found, metric)}. No other part beats these in both:"]
    for cost, key in FRONTS.items():
        if key in found:
            rows = {f"{number}": row for number, row in enumerate(found[key], 1)}
            rows["best"] = found["best"]
            columns = row_columns(found["trials"], metric)
            lines += ["", f"{metric.name} and {COSTS[cost][0]}", *format_models(rows, columns)]
    return "\n".join([*lines, "", value_text(found, metric), *filter(None, [latency_text(found)])])


def format_trained(found, metric):
    """Writes what training on did to the best part, as lines.

    Args:
        found, metric: as for `format_front`, with "trained".

    Returns:
        str.
    """
    trained, best = found["trained"], found["best"]
    test = f", test {metric.text(trained['test'])}" if metric.key in trained["test"] else ""
    lines = [
        f"trained on for {trained['steps']:,} steps: {metric.name} {metric.text(best)} -> "
        f"{metric.text(trained['validation'])} {metric.unit}".rstrip()
        + f" (validation{test})"
    ]
    return "\n".join([*lines, *filter(None, [predicted_text(found)])])


def predicted_text(found):
    """The predicted latency beside the measured one, a sentence; "" without a table."""
    trained = found["trained"]
    measured = trained["costs"].get(LATENCY)
    if measured is None:
        return trained.get("not_timed", "")
    predicted = found["best"][LATENCY]
    off = 100 * (predicted - measured) / measured
    return (
        f"latency: {cost_text(LATENCY, predicted)} ms predicted, "
        f"{cost_text(LATENCY, measured)} ms measured ({off:+.1f} %)"
    )


def front_plot(found, cost, metric):
    """Draws the values of all parts by one of their costs, and the front.

    Args:
        found: as for `format_front`.
        cost: `BYTES` or `LATENCY`.
        metric: the `Metric` of the search.

    Returns:
        An `<svg>` element.
    """
    name, unit, divisor = COSTS[cost]

    def points(rows):
        costs = [row[cost] / divisor for row in rows]
        return costs, [metric.scale * row[metric.key] for row in rows]

    def draw(figure):
        axes = figure.subplots()
        axes.scatter(*points(found["trials"]), color=SOFT, s=12, label="tried")
        axes.plot(
            *points(found[FRONTS[cost]]), color=COLOURS["student"], marker="o", ms=4, label="front"
        )
        axes.scatter(
            *points([found["best"]]), color="none", edgecolor=INK, s=70, lw=1.4, label="best"
        )
        if cost in found["bounds"]:
            axes.axvline(found["bounds"][cost] / divisor, color=SOFT, ls="--", lw=1, label="bound")
        title = f"{metric.name} with inherited weights" + f" ({metric.unit})" * bool(metric.unit)
        axes.set(title=title, xlabel=f"{name} ({unit})")
        axes.grid(axis="y")
        axes.legend()

    return as_svg(draw, 9, 4.2, f"{metric.name} of parts by {name}")
