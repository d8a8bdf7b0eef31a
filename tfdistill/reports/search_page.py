"""The page of a search: what was found, how the bounds were met, the fronts and the shapes."""

from html import escape

from tfdistill.reports.drawn_shapes import shapes_plot
from tfdistill.reports.front import (
    BYTES,
    COSTS,
    FRONTS,
    LATENCY,
    bounds_text,
    cost_text,
    front_plot,
    latency_text,
    predicted_text,
    row_columns,
    value_text,
)
from tfdistill.reports.page import figure, note, page, section, table
from tfdistill.system.errors import write_settings

DRAWN = 4  # shapes of the front, beside the best one and the whole super-student


def search_page(found, metric):
    """The page of a search, complete in one file.

    Args:
        found: what `run.search.search_and_show` returns.
        metric: the `Metric` of the search.

    Returns:
        HTML.
    """
    body = [
        _header(found, metric),
        _bounds(found, metric),
        _trained(found, metric),
        section("Fronts", *_fronts(found, metric)),
        section("Shapes", *_shapes(found)),
    ]
    return page("The best part of a super-student", "\n".join(filter(None, body)))


def _header(found, metric):
    best = found["best"]
    shape = best["shape"]
    costs = [
        f"{cost_text(key, best[key])} {unit} ({name})"
        for key, (name, unit, _) in COSTS.items()
        if key in best
    ]
    lead = (
        f"Of {found['parts']:,} parts, {len(found['trials']):,} were tried "
        f"({bounds_text(found, metric)}). "
        f"The best has {_count(shape['layers'], 'layer')} of width {shape['width']} with "
        f"{_count(shape['intermediate'], 'neuron')} and {_count(shape['heads'], 'head')} of "
        f"{shape['head_size']}: "
        f"{', '.join(costs)}; {metric.name} {metric.text(best)} {metric.unit}".rstrip()
    )
    title = "The best part of a super-student"
    return (
        f'<p class="kicker">tfdistill search</p>\n<h1>{title}</h1>\n'
        f'<p class="lead">{escape(lead)}.</p>'
    )


def _count(number, name):
    return f"{number:,} {name}{'s' * (number > 1)}"


def _bounds(found, metric):
    """How each bound was met: by the prediction and, after training, by the file itself."""
    best, trained = found["best"], found.get("trained", {}).get("costs", {})
    rows = []
    for key, (name, unit, _) in COSTS.items():
        if key not in best:
            continue
        most = found["bounds"].get(key)
        cells = [cost_text(key, each) if each else "–" for each in (most, best[key])]
        cells.append(cost_text(key, trained[key]) if trained.get(key) else "–")
        last = trained.get(key) or best[key]
        met = "–" if most is None else ("yes" if last <= most else "no")
        rows.append([f"{name} ({unit})", *cells, met])
    if "quality" in found:
        rows.append(_quality(found, metric))
    head = [("", ""), ("bound", ""), ("predicted", ""), ("measured", ""), ("met", "")]
    small = "Measured: the file of the part that was trained on. " if trained else ""
    return section("Bounds", table(head, rows), note(small + latency_text(found)))


def _quality(found, metric):
    """The quality that was asked for: predicted is that with inherited weights."""
    key = metric.key
    values = [
        found["best"][key],
        found["trained"]["validation"][key] if "trained" in found else None,
    ]
    asked, last = found["quality"], values[0] if values[1] is None else values[1]
    met = last >= asked if metric.higher_is_better else last <= asked
    cells = ["–" if each is None else metric.text({key: each}) for each in (asked, *values)]
    name = f"{metric.name} ({metric.unit})" if metric.unit else metric.name
    return [name, *cells, "yes" if met else "no"]


def _trained(found, metric):
    """The best part before and after it was trained on."""
    trained = found.get("trained")
    if not trained:
        return ""
    before, after = metric.text(found["best"]), metric.text(trained["validation"])
    rows = [["with inherited weights", before, "–"], ["trained on", after, "–"]]
    if metric.key in trained["test"]:
        rows[1][2] = metric.text(trained["test"])
    head = [("", ""), ("validation", metric.unit), ("test", metric.unit)]
    parts = [table(head, rows), note(f"{metric.name}; {trained['steps']:,} steps.")]
    if told := predicted_text(found):
        parts.append(note(write_settings(told)))
    report = f'<p class="note"><a href="{escape(trained["report"])}">report of the training</a></p>'
    return section("Trained on", *parts, report)


def _fronts(found, metric):
    for cost in (LATENCY, BYTES):
        if FRONTS[cost] in found:
            caption = f"{value_text(found, metric)} Dots: parts that were tried."
            yield figure(front_plot(found, cost, metric), caption)
            rows = found[FRONTS[cost]]
            columns = row_columns(rows, metric)
            head = [("", ""), *((column.name, column.unit) for column in columns)]
            cells = [
                [str(number), *(column.write(row) for column in columns)]
                for number, row in enumerate(rows, 1)
            ]
            best = ["student" if row["shape"] == found["best"]["shape"] else "" for row in rows]
            yield table(head, cells, best)


def _shapes(found):
    rows = found.get(FRONTS[LATENCY], found[FRONTS[BYTES]])
    step = max(1, (len(rows) - 1) / (DRAWN - 1))
    places = sorted({round(step * number) for number in range(DRAWN)} & set(range(len(rows))))
    shapes = {"whole": found["whole"]["shape"], "best": found["best"]["shape"]}
    shapes |= {f"{place + 1} of the front": rows[place]["shape"] for place in places}
    yield figure(
        shapes_plot(shapes),
        "To one scale. From below: the width of the embeddings (grey), then of each layer its "
        "attention heads (blue) and its neurons (orange).",
    )
