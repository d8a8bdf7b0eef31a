"""Differences between rows of a comparison, with the sampling error of the held-out text."""

import numpy as np

from tfdistill.tasks.metrics import of_sums
from tfdistill.training.paired_bootstrap import RowSums, paired_errors


def differences_between(rows, task):
    """Each student minus the first, and minus its own same start without a teacher.

    For several seeds their means are subtracted: the error is that of the text alone; the spread
    over seeds is in the table. A metric that is no mean, such as F1, is that of the seeds' mean
    counts.

    Args:
        rows: list of `Row`s, the first a student's.
        task: the runs' `Task`.

    Returns:
        dict of (name, other name) to dicts of the compared metrics to {"value", "standard_error"},
        for rows whose runs stored their scores of each row of text, and the same rows.
    """
    sums, names, pairs = {}, {}, []
    for number, row in enumerate(row for row in rows if row.model == "student"):
        own, beside = str(number), f"{number} {task.same_start_key}"
        sums[own] = _mean(row.runs, "student", task)
        sums[beside] = _mean(row.runs, task.same_start_key, task)
        names |= {own: row.name, beside: "its same start without a teacher"}
        pairs += [(own, "0")] * (number > 0) + [(own, beside)]
    sums = {key: each for key, each in sums.items() if each is not None}
    if "0" not in sums:
        return {}
    rows_of_text = sums["0"].predictions
    sums = {
        key: each for key, each in sums.items() if np.array_equal(each.predictions, rows_of_text)
    }
    found = paired_errors(sums, pairs, of_sums(task.compared)).differences
    return {tuple(names[key] for key in pair.split("-")): each for pair, each in found.items()}


def _mean(runs, model, task):
    """The mean of the runs' scores; None where a run stored none, or other rows."""
    found = [run.get("row_sums", {}).get(model) for run in runs]
    if any(each is None for each in found):
        return None
    predictions = found[0].predictions
    if not all(np.array_equal(each.predictions, predictions) for each in found):
        return None
    values = {
        metric.key: np.mean([each.values[metric.key] for each in found], axis=0)
        for metric in task.compared
    }
    return RowSums(values, predictions)
