"""Claims over seeds: the paired t-test, Holm's correction, and sentences from numbers."""

import math

import numpy as np
import pytest
from scipy import stats

from tfdistill.reports.claims import (
    HELD,
    OPEN,
    REFUTED,
    UNTESTED,
    Measured,
    PairedTest,
    holm,
    p_text,
    paired_test,
    sentence,
    state,
)

LOSS = Measured("A", "B", "", "nats of loss", 2, higher_is_better=False)


def test_a_paired_test_by_hand():
    """Gains 1, 2, 3: mean 2, standard error 1 / sqrt(3), t = 2 sqrt(3), two degrees of freedom."""
    found = paired_test([9.0, 8.0, 7.0], [10.0, 10.0, 10.0], higher_is_better=False)
    t = 2 * math.sqrt(3)
    assert found.gains == (1.0, 2.0, 3.0) and found.gain == 2.0
    assert found.p == pytest.approx(1 - t / math.sqrt(t**2 + 2))  # Student's t with two degrees
    assert found.half_width == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)  # t(0.975, 2)


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_a_paired_test_is_that_of_scipy(higher_is_better):
    first, second = np.random.default_rng(0).normal(size=(2, 5))
    expected = stats.ttest_rel(first, second)
    found = paired_test(list(first), list(second), higher_is_better)
    low, high = expected.confidence_interval(0.95)
    sign = 1 if higher_is_better else -1
    assert found.p == pytest.approx(expected.pvalue)
    assert found.gain == pytest.approx(sign * (low + high) / 2)
    assert found.half_width == pytest.approx((high - low) / 2)


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ([], [], "one seed"),
        ([1.0], [2.0], "one seed"),
        ([1.0, 1.0], [1.0, 1.0], "same difference"),
        ([1.0, 2.0], [2.0, 3.0], "same difference"),
        ([0.1, 0.2, 0.3], [0.2, 0.3, 0.4], "same difference"),  # apart from rounding
    ],
)
def test_no_test_without_a_spread_over_seeds(first, second, reason):
    found = paired_test(first, second, higher_is_better=False)
    assert found.p is found.half_width is None and reason in found.reason
    assert state(found, None) == UNTESTED
    assert "not tested, " in sentence(LOSS, found, None) and "beats" not in sentence(
        LOSS, found, None
    )


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([0.03]) == [0.03] and holm([]) == []


def test_claims_that_were_not_tested_count():
    assert holm([None, 0.01, None]) == [None, pytest.approx(0.03), None]


GAINS = 0.2, 0.03, 0.02, 0.01, 0.0  # mean 0.052


@pytest.mark.parametrize(
    ("sign", "p", "result", "text"),
    [
        (1, 0.0031, HELD, "A beats B by 0.05 ± 0.01 nats of loss, 4 of 5 seeds, p = 0.0031"),
        (-1, 0.04, REFUTED, "B beats A by 0.05 ± 0.01 nats of loss, 4 of 5 seeds, p = 0.04"),
        (
            *(-1, 0.05, OPEN),
            "no clear difference of A and B: the first gains −0.05 ± 0.01 nats of loss, "
            "0 of 5 seeds, p = 0.05",
        ),
    ],
)
def test_sentences(sign, p, result, text):
    test = PairedTest(tuple(sign * gain for gain in GAINS), 0.012, 0.001)
    assert state(test, p) == result and sentence(LOSS, test, p) == text


def test_a_sentence_says_what_both_have_in_common():
    measured = Measured("start=a", "start=b", "rate=0.2", "points of top-1", 1, True)
    found = sentence(measured, PairedTest((1.0, 1.5), 0.5, 0.01), 0.03)
    assert found == (
        "start=a beats start=b (rate=0.2) by 1.2 ± 0.5 points of top-1, 2 of 2 seeds, p = 0.03"
    )


def test_p_values_are_written_with_two_digits():
    assert [p_text(p) for p in (0.00312, 0.5, 1.0, 1e-9)] == [
        *("p = 0.0031", "p = 0.5", "p = 1", "p < 0.0001"),
    ]
    assert [p_text(p) for p in (0.0496, 0.04998, 0.05, 0.0504)] == [
        *("p = 0.0496", "p = 0.04998", "p = 0.05", "p = 0.05"),
    ]
