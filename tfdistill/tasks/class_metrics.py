"""Metrics of classes, from labels and predictions or from sums of columns.

A metric that is no mean over the examples is a function of sums: each example adds a row of
columns, and the metric of any sample is computed from the totals. The bootstrap uses this (see
`training.paired_bootstrap`). scikit-learn's functions give the same numbers (tested).
"""

import numpy as np


def binary_columns(labels, predictions, positive=1):
    """What each example adds to the F1 of one class.

    Args:
        labels, predictions: int (examples,).
        positive: number of the class.

    Returns:
        uint8 (examples, 3): whether it is right, predicted, and true, of this class.
    """
    true, guessed = np.asarray(labels) == positive, np.asarray(predictions) == positive
    return np.stack([true & guessed, guessed, true], axis=1).astype(np.uint8)


def class_columns(labels, predictions, classes):
    """What each example adds to the metrics of several classes.

    Args:
        labels, predictions: int (examples,).
        classes: number of classes.

    Returns:
        uint8 (examples, 3 classes): for all classes whether it is right; then predicted; then
        true.
    """
    every = np.arange(classes)
    true, guessed = (np.asarray(each)[:, None] == every for each in (labels, predictions))
    return np.concatenate([true & guessed, guessed, true], axis=1).astype(np.uint8)


def f1_of_sums(totals, count=None):
    """F1 = 2 right / (predicted + true) of one class, 0 where there is neither.

    Args:
        totals: float (…, 3), sums of `binary_columns`.
        count: unused; examples in the sums.

    Returns:
        float64 (…).
    """
    totals = np.asarray(totals, np.float64)
    return _ratio(2 * totals[..., 0], totals[..., 1] + totals[..., 2], 0.0)


def macro_f1_of_sums(totals, count=None):
    """The mean of F1 over the classes that are predicted or true in the sample.

    Args:
        totals: float (…, 3 classes), sums of `class_columns`.
        count: unused.

    Returns:
        float64 (…).
    """
    right, guessed, true = _three(totals)
    there = (guessed + true) > 0
    each = _ratio(2 * right, guessed + true, 0.0)
    return _ratio(each.sum(axis=-1), there.sum(axis=-1).astype(np.float64), 0.0)


def matthews_of_sums(totals, count):
    """Matthews' correlation of classes (Gorodkin, 2004), 0 where one side has one class alone.

    Args:
        totals: float (…, 3 classes), sums of `class_columns`.
        count: float (…), examples in the sums.

    Returns:
        float64 (…).
    """
    right, guessed, true = _three(totals)
    count = np.asarray(count, np.float64)
    covariance = right.sum(axis=-1) * count - (guessed * true).sum(axis=-1)
    spreads = [count**2 - (each**2).sum(axis=-1) for each in (guessed, true)]
    return _ratio(covariance, np.sqrt(spreads[0] * spreads[1]), 0.0)


def confusion(labels, predictions, classes):
    """Confusion matrix: int (classes, classes), a row for each true class.

    Args:
        labels, predictions: int (examples,).
        classes: number of classes.
    """
    from sklearn.metrics import confusion_matrix

    return confusion_matrix(labels, predictions, labels=np.arange(classes))


def scores_by_class(labels, predictions, names):
    """Precision, recall and F1 of each class.

    Args:
        labels, predictions: int (examples,).
        names: the classes' names.

    Returns:
        dict of names to dicts of "precision", "recall", "f1" and "support", the examples that are
        of the class; a ratio of nothing is 0.
    """
    from sklearn.metrics import precision_recall_fscore_support

    columns = precision_recall_fscore_support(
        labels, predictions, labels=np.arange(len(names)), zero_division=0
    )
    keys = ("precision", "recall", "f1", "support")
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return {name: dict(zip(keys, row, strict=True)) for name, row in zip(names, rows, strict=True)}


def reliability(confidences, right, bins=15):
    """Points of a reliability plot, and the expected calibration error (Guo et al., 2017).

    Args:
        confidences: float (examples,), probability of each predicted class.
        right: bool (examples,), whether it is the true one.
        bins: number of bins of equal width.

    Returns:
        (error, points): the mean over the examples of |share right - mean confidence| of their
        bins; and a list of dicts of "confidence", "accuracy" (means) and "examples" of each bin
        that has some.
    """
    confidences, right = np.asarray(confidences, np.float64), np.asarray(right, np.float64)
    place = np.clip(np.ceil(confidences * bins).astype(int) - 1, 0, bins - 1)
    count, sure, correct = (
        np.bincount(place, weights, minlength=bins) for weights in (None, confidences, right)
    )
    error = float(np.abs(correct - sure).sum() / max(1, len(place)))
    points = [
        {"confidence": sure[i] / count[i], "accuracy": correct[i] / count[i], "examples": n}
        for i, n in enumerate(count.tolist())
        if n
    ]
    return error, [{key: _plain(value) for key, value in point.items()} for point in points]


def _plain(value):
    return value if isinstance(value, int) else float(value)


def _three(totals):
    return np.split(np.asarray(totals, np.float64), 3, axis=-1)


def _ratio(above, below, otherwise):
    below = np.asarray(below)
    filled = np.full(below.shape, otherwise)
    return np.divide(above, below, out=filled, where=below > 0)
