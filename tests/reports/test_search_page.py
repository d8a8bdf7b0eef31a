"""The page of a search, and its lines for the terminal."""

import re

from matplotlib.figure import Figure

from tfdistill.models.part_shapes import PartShape
from tfdistill.reports.drawn_shapes import _draw
from tfdistill.reports.front import format_front, format_trained
from tfdistill.reports.search_page import search_page
from tfdistill.tasks import get

ACCURACY = get("text_classification").primary
WHOLE = PartShape(4, 96, 384, 4, 24)


def row(shape, accuracy, milliseconds, size):
    costs = {"parameters": 2 * size, "int8_bytes": size, "latency_ms": milliseconds}
    return {"shape": shape._asdict(), "accuracy": accuracy, **costs}


ROWS = [
    row(PartShape(3, 64, 96, 4, 16), 0.9, 0.45, 2_000_000),
    row(PartShape(2, 96, 160, 4, 24), 0.8, 0.5, 2_500_000),
    row(PartShape(1, 32, 64, 4, 8), 0.7, 0.2, 1_000_000),
]
FOUND = {
    "best": ROWS[0],
    "front": [ROWS[2], ROWS[0]],
    "latency_front": [ROWS[2], ROWS[0]],
    "trials": ROWS,
    "whole": row(WHOLE, 0.0, 2.0, 6_000_000),
    "parts": 5000,
    "corpus": "texts.csv",
    "length": 24,
    "bounds": {"latency_ms": 0.5, "int8_bytes": 2_200_000},
    "latency": {
        "length": 32,
        "variant": "int8",
        "threads": 2,
        "kind": "cpu",
        "table": "t.json",
        "chip": "Chip 7",
        "error": {"shapes": 20, "median": 0.021, "worst": 0.07},
    },
}
TRAINED = {
    "steps": 1000,
    "report": "trained/report.html",
    "validation": {"accuracy": 0.95},
    "test": {"accuracy": 0.93, "loss": 0.2},
    "costs": {"parameters": 4_000_000, "int8_bytes": 2_300_000, "latency_ms": 0.48},
}


def cells(html, name):
    """The texts of a table's row."""
    (found,) = re.findall(rf"<tr[^>]*><td>{re.escape(name)}</td>(.*)</tr>", html)
    return re.findall(r"<td>(.*?)</td>", found)


def test_the_lines_of_a_search():
    text = format_front(FOUND, ACCURACY)
    assert "3 of 5,000 parts were tried; latency at most 0.5 ms, int8 file at most 2.20 MB" in text
    assert (
        "int8 file for 32 tokens on 2 threads, predicted by t.json (Chip 7), which is off" in text
    )
    assert "off by 2.1 % in the median and at most 7.0 % on 20 shapes" in text
    assert "Accuracy: on the validation split of texts.csv, rows of 24 tokens, with the" in text
    assert text.count("best") == 2 and "90.0" in text and "extrapolated" not in text
    below = FOUND | {"latency": FOUND["latency"] | {"below": {"width": 64, "intermediate": 96}}}
    assert "timed (width 64, intermediate 96) are extrapolated." in format_front(below, ACCURACY)
    told = format_trained(FOUND | {"trained": TRAINED}, ACCURACY)
    assert "1,000 steps: accuracy 90.0 -> 95.0 % (validation, test 93.0)" in told
    assert "0.45 ms predicted, 0.48 ms measured (-6.2 %)" in told


def test_the_page_says_how_the_bounds_were_met():
    html = search_page(FOUND, ACCURACY)
    assert html.count("<svg") == 3 and "Trained on" not in html
    assert "The best has 3 layers of width 64 with 96 neurons and 4 heads of 16: " in html
    one = search_page(FOUND | {"best": ROWS[2]}, ACCURACY)
    assert "The best has 1 layer of width 32" in one
    assert cells(html, "latency (ms)") == ["0.5", "0.45", "–", "yes"]
    assert cells(html, "int8 file (MB)") == ["2.20", "2.00", "–", "yes"]
    assert cells(html, "params (million)") == ["–", "4.00", "–", "–"]
    html = search_page(FOUND | {"trained": TRAINED}, ACCURACY)
    assert cells(html, "latency (ms)") == ["0.5", "0.45", "0.48", "yes"]
    assert cells(html, "int8 file (MB)") == ["2.20", "2.00", "2.30", "no"]
    assert cells(html, "trained on") == ["95.0", "93.0"]
    assert 'href="trained/report.html"' in html and "0.48 ms measured (-6.2 %)" in html
    fastest = FOUND | {"objective": "latency", "quality": 0.92}
    html = search_page(fastest, ACCURACY)
    assert cells(html, "accuracy (%)") == ["92.0", "90.0", "–", "no"]
    assert "int8 file at most 2.20 MB, accuracy at least 92.0 %)" in html
    html = search_page(fastest | {"trained": TRAINED}, ACCURACY)
    assert cells(html, "accuracy (%)") == ["92.0", "90.0", "95.0", "yes"]
    phone = TRAINED | {"not_timed": "time it there", "costs": {}}
    assert "time it there" in search_page(FOUND | {"trained": phone}, ACCURACY)


def test_shapes_are_drawn_to_scale():
    axes = Figure().subplots()
    _draw(axes, WHOLE._asdict())
    bars = [(bar.get_y(), bar.get_width()) for bar in axes.patches]
    assert bars[0][1] == 96
    for layer in range(4):
        of_layer = [width for bottom, width in bars[1:] if layer <= bottom < layer + 1]
        assert of_layer == [24] * 4 + [384]
    assert len(bars) == 1 + 4 * 5
    middles = {bar.get_y(): [] for bar in axes.patches}
    for bar in axes.patches:
        middles[bar.get_y()] += [bar.get_x(), bar.get_x() + bar.get_width()]
    assert all(min(ends) == -max(ends) for ends in middles.values())
