"""Figures of a comparison with many groups: which groups share one."""

import pytest

from tfdistill.reports.comparison import Group, compare_runs
from tfdistill.reports.comparison_page import comparison_page
from tfdistill.reports.curve_parts import curve_parts


def group(**flags):
    return Group(" ".join(f"{axis}={value}" for axis, value in flags.items()), flags, [])


def shown(groups):
    return {title: [each.name for each in part] for title, part in curve_parts(groups)}


def test_twelve_groups_share_a_figure():
    groups = [group(start=str(n)) for n in range(12)]
    assert curve_parts(groups) == [("", groups)]


def test_the_axis_with_the_fewest_figures_divides_the_groups():
    """Three rates of 10 starts, 6 widths of one rate, and two groups that have no rate."""
    groups = [group(rate=rate, start=str(n)) for rate in ("0", "0.2", "0.5") for n in range(10)]
    groups += [group(rate="0.2", start=f"width_{n}") for n in range(6)]
    groups += [group(start="text_1"), group(start="text_2")]
    found = shown(groups)
    assert {title: len(names) for title, names in found.items()} == {
        **{"rate=0": 12, "rate=0.2: 1 of 2": 10, "rate=0.2: 2 of 2": 10, "rate=0.5": 12}
    }
    assert all(names[-2:] == ["start=text_1", "start=text_2"] for names in found.values())
    first = [f"rate=0 start={n}" for n in range(10)]
    assert found["rate=0"][:-2] == first
    assert {name for names in found.values() for name in names} == {each.name for each in groups}


def test_many_groups_without_a_value_have_figures_of_their_own():
    groups = [group(rate=rate, start=str(n)) for rate in ("0", "1") for n in range(6)]
    groups += [group(start=f"text_{n}") for n in range(5)]
    assert {title: len(names) for title, names in shown(groups).items()} == {
        **{"rate=0": 6, "rate=1": 6, "without rate": 5}
    }


def test_an_axis_with_a_value_for_each_group_divides_nothing():
    found = shown([group(learning_rate=str(n)) for n in range(25)])
    assert {title: len(names) for title, names in found.items()} == {
        **{"1 of 3": 8, "2 of 3": 8, "3 of 3": 9}
    }


@pytest.fixture
def page_of(metrics, curves):
    """A function of lists of flags to the page of runs with these flags."""

    def make(cells):
        known = {"metrics": metrics, "curves": curves, "start_loss": 6.0}
        runs = [known | {"folder": "/".join(each.values()), "flags": each} for each in cells]
        return comparison_page(compare_runs(runs))

    return make


def test_the_page_has_a_figure_for_each_part(page_of):
    """Two rates of seven starts: 14 lines are two figures of seven, with names of their own."""
    starts = [(rate, start) for rate in ("0", "0.5") for start in "abcdefg"]
    cells = [{"rate": rate, "start": start} for rate, start in starts]
    page, few = page_of(cells), page_of(cells[:12])
    label = "of the groups by training step"
    assert page.count(f"{label}, rate=") == 2 and few.count(label) == 1
    for rate in ("0", "0.5"):
        svg = page.split(f'{label}, rate={rate}"')[1].split("</svg>")[0]
        names = [f"rate={r} start={s}" for r, s in starts if f">rate={r} start={s}<" in svg]
        assert names == [f"rate={rate} start={start}" for start in "abcdefg"]
        assert f'<p class="note">rate={rate}</p>' in page
