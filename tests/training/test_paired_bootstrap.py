"""Sampling errors against the closed form, and what is paired."""

import numpy as np
import pytest

from tfdistill.training.paired_bootstrap import (
    RESAMPLES,
    RowSums,
    draw_totals,
    load_row_sums,
    paired_errors,
    save_row_sums,
)


@pytest.fixture
def sums():
    """A model, one that is a little better, and an independent one; rows of 4 to 9 words."""
    generator = np.random.default_rng(0)
    predictions = generator.integers(4, 10, 700)

    def model(top1, loss):
        return RowSums({"top1": top1 * 1.0, "loss": loss * 1.0}, predictions)

    top1, other = (generator.binomial(predictions, 0.2) for _ in range(2))
    loss = predictions * generator.normal(5, 1, 700)
    near = model(
        np.minimum(top1 + (np.arange(700) % 20 == 0), predictions), loss - 0.03 * predictions
    )
    return {"teacher": model(top1, loss), "student": near, "other": model(other, loss[::-1])}


def test_values_are_differences_of_the_measures(sums):
    _, differences, _ = paired_errors(sums, [("student", "teacher"), ("student", "absent")])
    assert differences.keys() == {"student-teacher"}
    total = sums["student"].predictions.sum()
    for metric in ("top1", "loss"):
        one, two = (sums[name].values[metric].sum() / total for name in ("student", "teacher"))
        assert differences["student-teacher"][metric].keys() == {"value", "standard_error"}
        assert differences["student-teacher"][metric]["value"] == pytest.approx(one - two)


def test_errors_are_those_of_a_ratio_of_sums(sums):
    """The delta method's: sqrt(sum (c - r n)^2) / sum n, with r = sum c / sum n."""
    own, differences, _ = paired_errors(sums, [("student", "other")])
    predictions = sums["student"].predictions

    def error(column):
        rest = column - column.sum() / predictions.sum() * predictions
        return np.sqrt(np.sum(rest**2)) / predictions.sum()

    for metric in ("top1", "loss"):
        one, two = (sums[name].values[metric] for name in ("student", "other"))
        found = differences["student-other"][metric]["standard_error"]
        assert found == pytest.approx(error(one - two), rel=0.08)
        assert own["student"][metric] == pytest.approx(error(one), rel=0.08)


def test_pairs_are_closer_than_their_models(sums):
    own, differences, _ = paired_errors(sums, [("student", "teacher")])
    found = differences["student-teacher"]
    assert found["top1"]["standard_error"] < 0.3 * own["student"]["top1"]
    assert found["loss"]["standard_error"] < 1e-9  # 0.03 nats everywhere
    assert found["loss"]["value"] == pytest.approx(-0.03)


def test_equal_runs_have_equal_errors_for_any_number_of_draws_at_once(sums):
    columns = np.stack([sums[name].values["loss"] for name in ("student", "other")], axis=1)
    found = draw_totals(columns, sums["student"].predictions)
    assert found.shape == (RESAMPLES, 3)
    np.testing.assert_array_equal(draw_totals(columns, sums["student"].predictions), found)
    few = draw_totals(columns, sums["student"].predictions, most_draws=5 * 700 + 1)
    np.testing.assert_allclose(few, found)


def test_intervals(sums):
    own, _, intervals = paired_errors(sums, [])
    for name, each in sums.items():
        mean = each.values["top1"].sum() / each.predictions.sum()
        low, high = intervals[name]["top1"]
        assert low < mean < high
        assert high - low == pytest.approx(2 * 1.96 * own[name]["top1"], rel=0.1)


def f1(totals, count):
    return 2 * totals[:, 0] / (totals[:, 1] + totals[:, 2])


@pytest.fixture
def counts(sums):
    """The same models with right, predicted and true words, for F1."""
    generator = np.random.default_rng(1)

    def add(each):
        right = each.values["top1"]
        others = generator.integers(0, 3, (len(right), 2))
        columns = np.column_stack([right, right[:, None] + others]).astype(np.float64)
        return RowSums({**each.values, "f1": columns}, each.predictions)

    return {name: add(each) for name, each in sums.items()}


def test_a_metric_that_is_no_mean(counts):
    own, differences, intervals = paired_errors(counts, [("student", "teacher")], {"f1": f1})
    draws = draw_totals(counts["student"].values["f1"], counts["student"].predictions)
    samples = f1(draws, None)
    assert own["student"]["f1"] == pytest.approx(samples.std(ddof=1))
    assert intervals["student"]["f1"] == pytest.approx(np.percentile(samples, [2.5, 97.5]))
    whole = [f1(counts[name].values["f1"].sum(axis=0)[None], None)[0] for name in counts]
    found = differences["student-teacher"]["f1"]
    assert found["value"] == pytest.approx(whole[1] - whole[0])
    other = draw_totals(counts["teacher"].values["f1"], counts["teacher"].predictions)
    assert found["standard_error"] == pytest.approx((samples - f1(other, None)).std(ddof=1))


def test_means_are_the_same_beside_other_metrics(sums, counts):
    pairs = [("student", "teacher")]
    alone, beside = paired_errors(sums, pairs), paired_errors(counts, pairs, {"f1": f1})
    for metric in ("top1", "loss"):
        assert beside.own["student"][metric] == pytest.approx(alone.own["student"][metric])
        one, two = (each.differences["student-teacher"][metric] for each in (alone, beside))
        assert two == pytest.approx(one)


def test_one_row_has_no_error(sums):
    one = {
        name: RowSums({m: array[:1] for m, array in each.values.items()}, each.predictions[:1])
        for name, each in sums.items()
    }
    own, differences, _ = paired_errors(one, [("student", "teacher")])
    assert own["student"] == {"top1": None, "loss": None}
    assert differences["student-teacher"]["top1"]["standard_error"] is None
    assert paired_errors(one, []).intervals["student"] == {"top1": None, "loss": None}
    assert paired_errors({}, [("student", "teacher")]) == ({}, {}, {})


def test_row_sums_on_the_disk(counts, tmp_path):
    sums = counts
    file = tmp_path / "rows.safetensors"
    assert load_row_sums(file) == {}
    save_row_sums(file, sums)
    found = load_row_sums(file)
    assert found.keys() == sums.keys()
    for name, each in sums.items():
        np.testing.assert_array_equal(found[name].predictions, each.predictions)
        assert found[name].values.keys() == each.values.keys()
        for metric, array in each.values.items():
            np.testing.assert_array_equal(found[name].values[metric], array)
