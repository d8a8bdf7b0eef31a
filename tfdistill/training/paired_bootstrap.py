"""Sampling errors: how far a measure on held-out text may be from its value on more such text.

Rows of text are drawn anew, with replacement, and everything is measured on the drawn rows (Efron
and Tibshirani, 1993, chapter 6). All models are measured on the same draws, so that the errors of
their differences are paired (Koehn, 2004). Whole rows are drawn, not single predictions, because
the predictions within a row depend on each other.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from tfdistill.system.checked_tensors import read_tensors, write_tensors

RESAMPLES, SEED = 1000, 20_041_021  # fixed, so that equal runs have equal errors
MOST_DRAWS = 2**20  # held in memory at once
COVERED = 0.95  # of an interval: the draws between its ends


@dataclasses.dataclass(frozen=True)
class RowSums:
    """The scores of one model, summed over the predictions of each held-out row.

    Args:
        values: dict of metrics to float64 (rows,), for a metric that is their mean; or to (rows,
            columns), for one that is another function of the columns' totals, such as F1.
        predictions: int64 (rows,), number of predictions in each row; at least 1.
    """

    values: dict
    predictions: np.ndarray


class Errors(NamedTuple):
    """Sampling errors of models and of their differences.

    Attributes:
        own: dict of models' names to dicts of metrics to standard errors; None where there are
            fewer than two rows.
        differences: dict of "name-other" to dicts of metrics to {"value": the first model's minus
            the other's, "standard_error"}.
        intervals: dict of models' names, and of "name-other" for their differences, to dicts of
            metrics to [low, high], the middle 95 % of the draws (percentile intervals: Efron and
            Tibshirani, 1993, chapter 13); None as above.
    """

    own: dict
    differences: dict
    intervals: dict


def paired_errors(sums, pairs, of_sums=None):
    """Measures, and differences of measures, with their standard errors.

    Args:
        sums: dict of models' names to their `RowSums`, all of the same rows.
        pairs: list of (name, other name); pairs of models that `sums` lacks are left out.
        of_sums: dict of the metrics that are no means to functions of (totals of their columns,
            float64 (draws, columns); predictions, float64 (draws,)) to float64 (draws,).

    Returns:
        `Errors`.
    """
    if not sums:
        return Errors({}, {}, {})
    pairs = [pair for pair in pairs if sums.keys() >= set(pair)]
    first = next(iter(sums.values()))
    # In a fixed order: sums that were read from a file then give the same errors, bit for bit.
    metrics = sorted(first.values, reverse=True)
    keys, values, samples = _measure(sums, pairs, metrics, of_sums or {})
    errors, intervals = [None] * len(keys), [None] * len(keys)
    if len(first.predictions) > 1:
        errors = samples.std(axis=0, ddof=1).tolist()
        outside = 50 * (1 - COVERED)
        intervals = np.percentile(samples, [outside, 100 - outside], axis=0).T.tolist()
    errors, intervals = (dict(zip(keys, each, strict=True)) for each in (errors, intervals))
    values = dict(zip(keys, values.tolist(), strict=True))

    def difference(key):
        return {"value": values[key], "standard_error": errors[key]}

    measured = {name: name for name in sums} | {"-".join(pair): pair for pair in pairs}
    return Errors(
        {name: {metric: errors[name, metric] for metric in metrics} for name in sums},
        {
            "-".join(pair): {metric: difference((pair, metric)) for metric in metrics}
            for pair in pairs
        },
        {
            name: {metric: intervals[of, metric] for metric in metrics}
            for name, of in measured.items()
        },
    )


def _measure(sums, pairs, metrics, of_sums):
    """All measures of the whole text, and of every draw.

    Returns:
        (keys, values, samples): list of (name or pair, metric); float64 (measures,); and float64
        (draws, measures), without draws where there are fewer than two rows.
    """
    others = [metric for metric in metrics if metric in of_sums]
    means = [metric for metric in metrics if metric not in of_sums]
    columns = {(name, metric): sums[name].values[metric] for name in sums for metric in means}
    columns |= {
        ((name, other), metric): sums[name].values[metric] - sums[other].values[metric]
        for name, other in pairs
        for metric in means
    }
    parts = {(name, metric): sums[name].values[metric] for name in sums for metric in others}

    def measures(totals):
        """(keys, float64 (draws, measures)) of totals of all columns and of the predictions."""
        found, at = {}, len(columns)
        for (name, metric), part in parts.items():
            own = totals[:, at : at + part.shape[1]]
            found[name, metric] = of_sums[metric](own, totals[:, -1])
            at += part.shape[1]
        found |= {
            ((name, other), metric): found[name, metric] - found[other, metric]
            for name, other in pairs
            for metric in others
        }
        of_means = totals[:, : len(columns)] / totals[:, -1:]
        return [*columns, *found], np.column_stack([of_means, *found.values()])

    everything = np.column_stack([*columns.values(), *parts.values()])
    predictions = next(iter(sums.values())).predictions
    whole = np.append(everything.sum(axis=0), predictions.sum())
    keys, values = measures(whole[None])
    return keys, values[0], measures(draw_totals(everything, predictions))[1]


def draw_totals(columns, predictions, most_draws=MOST_DRAWS):
    """Draws rows anew, with replacement, and adds up their columns.

    Args:
        columns: float (rows, columns), sums over each row's predictions.
        predictions: int (rows,), number of predictions in each row.
        most_draws: rows drawn at once; a limit of memory that changes no result.

    Returns:
        float64 (`RESAMPLES`, columns + 1): totals of the columns, then of the predictions; (0,
        columns + 1) where there are fewer than two rows.
    """
    rows = len(columns)
    sums = np.column_stack([columns, predictions]).astype(np.float64)
    if rows < 2:
        return sums[:0]
    generator = np.random.default_rng(SEED)
    totals, at_once = [], max(1, most_draws // rows)
    for begin in range(0, RESAMPLES, at_once):
        count = min(at_once, RESAMPLES - begin)
        drawn = generator.integers(rows, size=(count, rows)) + rows * np.arange(count)[:, None]
        times = np.bincount(drawn.ravel(), minlength=count * rows).reshape(count, rows)
        totals.append(times.astype(np.float64) @ sums)
    return np.concatenate(totals)


def save_row_sums(path, sums):
    """Writes row sums to a safetensors file.

    Args:
        path: the file.
        sums: dict of names to `RowSums` of the same rows.

    Raises:
        OSError: the write failed.
    """
    arrays = {}
    for name, each in sums.items():
        columns = {**each.values, "predictions": each.predictions}
        arrays |= {f"{name}.{key}": np.asarray(array) for key, array in columns.items()}
    write_tensors(path, arrays)


def load_row_sums(path):
    """Reads what `save_row_sums` wrote: dict of names to `RowSums`; {} without the file.

    Raises:
        UserError: the file is damaged.
    """
    if not path.is_file():
        return {}
    found = {}
    for name, array in sorted(read_tensors(path).items()):
        model, _, key = name.rpartition(".")
        found.setdefault(model, {})[key] = array
    return {model: RowSums(each, each.pop("predictions")) for model, each in found.items()}
