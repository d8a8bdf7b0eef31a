"""Correlations of predicted numbers with true ones, from pairs or from sums of columns.

Spearman's correlation is Pearson's of the ranks. In the bootstrap the ranks are those of all
examples: they are not ranked anew in each sample. scipy's functions give the same numbers (tested).
"""

import numpy as np

CONSTANT = "all predictions are equal: they have no correlation"
LEAST_SPREAD = 1e-6  # relative; rounding leaves a spread of about 1e-7 of a constant in float32


def correlation_columns(labels, predictions):
    """What each example adds to Pearson's correlation.

    Args:
        labels, predictions: float (examples,).

    Returns:
        float64 (examples, 5): x, y, x², y² and xy; x and y are the labels and predictions without
        their means over all examples, in units of their standard deviation.
    """
    x, y = (_centred(each) for each in (labels, predictions))
    return np.stack([x, y, x * x, y * y, x * y], axis=1)


def rank_columns(labels, predictions):
    """The same of ranks, where equal values share the mean of their ranks."""
    from scipy.stats import rankdata

    return correlation_columns(rankdata(labels), rankdata(predictions))


def pearson_of_sums(totals, count):
    """Pearson's correlation.

    Args:
        totals: float (…, 5), sums of `correlation_columns` or of `rank_columns`.
        count: float (…), examples in the sums.

    Returns:
        float64 (…); 0 for samples in which the labels or the predictions are constant.
    """
    totals = np.asarray(totals, np.float64)
    x, y, xx, yy, xy = np.moveaxis(totals, -1, 0) / np.asarray(count, np.float64)
    spreads = xx - x * x, yy - y * y
    varies = np.minimum(*spreads) > LEAST_SPREAD**2
    root = np.sqrt(np.where(varies, spreads[0] * spreads[1], 1.0))
    return np.where(varies, (xy - x * y) / root, 0.0)


def correlations(labels, predictions):
    """Pearson's and Spearman's correlation of all examples.

    Args:
        labels, predictions: float (examples,).

    Returns:
        (pearson, spearman): floats; nan for fewer than two examples, constants, or a prediction
        that is no number.
    """
    from scipy.stats import pearsonr, spearmanr

    labels, predictions = (np.asarray(each, np.float64) for each in (labels, predictions))
    if len(labels) < 2 or is_constant(predictions) or is_constant(labels):
        return float("nan"), float("nan")
    return tuple(float(of(labels, predictions).statistic) for of in (pearsonr, spearmanr))


def is_constant(values):
    """Whether values have no spread beyond float32's rounding, or some are no numbers."""
    values = np.asarray(values, np.float64)
    if not np.isfinite(values).all():
        return True
    return bool(np.ptp(values) <= LEAST_SPREAD * np.abs(values).max())


def _centred(values):
    values = np.asarray(values, np.float64)
    rest = values - values.mean()
    return np.zeros_like(rest) if is_constant(values) else rest / np.sqrt(np.mean(rest * rest))
