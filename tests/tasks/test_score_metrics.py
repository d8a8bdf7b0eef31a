"""Correlations against scipy."""

import math
import warnings

import numpy as np
import pytest
from scipy import stats

from tfdistill.tasks import score_metrics
from tfdistill.tasks.score_metrics import correlations, pearson_of_sums


@pytest.fixture
def scores():
    """(labels, predictions) of 300 examples; labels are rounded, so that ranks are tied."""
    generator = np.random.default_rng(0)
    labels = np.round(generator.uniform(0, 5, 300), 1)
    return labels, 1000 + 0.02 * labels + generator.normal(0, 0.02, 300)


def test_correlations(scores):
    expected = stats.pearsonr(*scores).statistic, stats.spearmanr(*scores).statistic
    assert correlations(*scores) == pytest.approx(expected)
    for columns, value in zip(
        (score_metrics.correlation_columns(*scores), score_metrics.rank_columns(*scores)),
        expected,
        strict=True,
    ):
        assert pearson_of_sums(columns.sum(axis=0), 300) == pytest.approx(value)


def test_a_sample_of_the_examples(scores):
    columns = score_metrics.correlation_columns(*scores)
    chosen = np.random.default_rng(1).integers(300, size=(4, 300))
    found = pearson_of_sums(columns[chosen].sum(axis=1), np.full(4, 300))
    labels, predictions = scores
    expected = [stats.pearsonr(labels[each], predictions[each]).statistic for each in chosen]
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("predictions", [[2.5] * 4, [0.1 + 1e-9, 0.1, 0.1, 0.1], [1, 2, 3, np.nan]])
def test_constant_or_broken_predictions_have_no_correlation(predictions):
    labels = [0.0, 1.0, 2.0, 3.0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all(map(math.isnan, correlations(labels, predictions)))
        assert all(map(math.isnan, correlations(predictions, labels)))
    if np.isfinite(predictions).all():
        columns = score_metrics.correlation_columns(labels, predictions)
        assert pearson_of_sums(columns.sum(axis=0), 4) == 0.0


def test_edges():
    assert all(map(math.isnan, correlations([1.0], [2.0])))
    assert correlations([0.0, 1.0], [5.0, 3.0]) == pytest.approx((-1.0, -1.0))
