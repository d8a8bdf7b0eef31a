"""Losses of starts by their number of layers: lines, points and bands."""

import re

import pytest

from tfdistill.reports.depth_plot import depth_curves, depth_lines
from tfdistill.reports.grid_sections import starts_html, starts_of
from tfdistill.reports.svg import GROUP_COLOURS


def cut(layers, loss, start="cut_{}", **flags):
    flags = {"start": start.format(layers)} | flags
    folder = "/".join(flags.values())
    return {"folder": folder, "flags": flags, "start_loss": loss, "layers": layers}


def cuts(rate, losses):
    """Teachers of two seeds and one rate, cut; `losses`: layers to the losses of both."""
    return [
        cut(layers, loss, rate=rate, seed=str(seed))
        for layers, pair in losses.items()
        for seed, loss in enumerate(pair)
    ]


RATES = {"0": {1: (9.0, 9.4), 3: (6.0, 6.2), 6: (4.0, 4.2)}, "0.5": {1: (7.0, 7.2), 3: (5.0, 5.2)}}
RUNS = [run for rate, losses in RATES.items() for run in cuts(rate, losses)]


def test_a_line_for_each_value_of_the_other_axes():
    lines = depth_lines([*RUNS[::-1], {"metrics": {}, "start_loss": 1.0}])
    assert [name for name, _ in lines] == ["rate=0.5", "rate=0"]
    points = {name: {n: sorted(each) for n, each in of.items()} for name, of in lines}
    assert points == {
        f"rate={rate}": {n: list(pair) for n, pair in losses.items()}
        for rate, losses in RATES.items()
    }
    assert [list(points) for _, points in lines] == [[1, 3], [1, 3, 6]]


def test_ways_to_cut_are_lines_of_their_own():
    runs = [cut(n, 9.0 - n, start) for start in ("first_{}", "spaced_{}") for n in (1, 3)]
    assert depth_lines(runs) == [
        ("start=first_N", {1: [8.0], 3: [6.0]}),
        ("start=spaced_N", {1: [8.0], 3: [6.0]}),
    ]
    named = [cut(1, 8.0, "one"), cut(3, 6.0, "three")]
    assert depth_lines(named) == [("", {1: [8.0], 3: [6.0]})]


def test_an_axis_that_does_not_name_the_layers_stays():
    """Also while each of its values has runs of one number of layers alone."""
    lines = depth_lines([*cuts("0", {1: (9.0, 9.4)}), *cuts("0.5", {3: (5.0, 5.2)})])
    assert lines == [("rate=0", {1: [9.0, 9.4]}), ("rate=0.5", {3: [5.0, 5.2]})]


@pytest.mark.parametrize("runs", [[], RUNS[:2], [run | {"layers": None} for run in RUNS]])
def test_starts_of_one_depth_have_no_plot(runs):
    assert depth_lines(runs) == [] and "<svg" not in starts_html(starts_of(runs), [])
    assert depth_curves([]) == ""


def test_lines_with_bands_over_the_seeds_on_the_page():
    page = starts_html(starts_of(RUNS), depth_lines(RUNS))
    assert page.count("<svg") == 1 and "Validation loss before training (nats)" in page
    assert ">rate=0</text>" in page and ">rate=0.5</text>" in page
    assert [f">{n}</text>" in page for n in (1, 2, 3, 6)] == [True, False, True, True]
    for colour in GROUP_COLOURS[:2]:
        assert len(re.findall(f"fill: {colour}; fill-opacity", page)) == 1
    one_seed = depth_curves(depth_lines(RUNS[::2]))
    assert GROUP_COLOURS[0] in one_seed and "fill-opacity: 0.18" not in one_seed


def test_points_and_bands_lie_at_the_means_and_deviations():
    """Means 9, 6 and 4.5; sample deviations 1.414, 0 and 0.707."""
    svg = depth_curves([("", {1: [8.0, 10.0], 3: [6.0, 6.0], 6: [4.0, 5.0]})])
    style = f"stroke: {GROUP_COLOURS[0]}; stroke-width: 1.8"
    line = re.search(rf'<path d="M ([^"]*)" clip-path[^>]*{style}', svg)[1]
    marks = [float(y) for y in re.findall(r"[\d.]+ ([\d.]+)", line)]
    nat = (marks[1] - marks[0]) / 3.0  # its height in the plot
    assert (marks[2] - marks[1]) / nat == pytest.approx(1.5, rel=1e-3)
    band, y = re.search(r'href="#(\w+)"[^>]* y="([\d.]+)" style="[^"]*fill-opacity', svg).groups()
    path = re.search(rf'<path id="{band}" d="([^"]*)"', svg)[1]
    places = [float(y) + float(each) for each in re.findall(r"[ML] [\d.-]+ ([\d.-]+)", path)]
    assert (marks[0] - min(places)) / nat == pytest.approx(1.414, rel=1e-2)
    assert (max(places) - marks[2]) / nat == pytest.approx(0.707, rel=1e-2)
