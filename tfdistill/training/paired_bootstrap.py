"""Sampling errors: how far a measure on held-out text may be from its value on more such text.

Rows of text are drawn anew, with replacement, and everything is measured on the drawn rows (Efron
and Tibshirani, 1993, chapter 6). All models are measured on the same draws, so that the errors of
their differences are paired (Koehn, 2004). Whole rows are drawn, not single predictions, because
the predictions within a row depend on each other.
"""

import dataclasses

import numpy as np

RESAMPLES, SEED = 1000, 20_041_021  # fixed, so that equal runs have equal errors
MOST_DRAWS = 2**20  # held in memory at once


@dataclasses.dataclass(frozen=True)
class RowSums:
    """The scores of one model, summed over the predictions of each held-out row.

    Args:
        values: dict of metrics, whose means are measured, to float64 (rows,).
        predictions: int64 (rows,), number of predictions in each row; at least 1.
    """

    values: dict
    predictions: np.ndarray


def paired_errors(sums, pairs):
    """Measures, and differences of measures, with their standard errors.

    Args:
        sums: dict of models' names to their `RowSums`, all of the same rows.
        pairs: list of (name, other name); pairs of models that `sums` lacks are left out.

    Returns:
        (errors, differences): dict of names to dicts of metrics to standard errors; and dict of
        "name-other" to dicts of metrics to {"value": the first model's minus the other's,
        "standard_error"}. A standard error is None where there are fewer than two rows.
    """
    if not sums:
        return {}, {}
    pairs = [pair for pair in pairs if sums.keys() >= set(pair)]
    names = list(sums)
    # In a fixed order: sums that were read from a file then give the same errors, bit for bit.
    metrics = sorted(sums[names[0]].values, reverse=True)
    columns = [sums[name].values[metric] for name in names for metric in metrics]
    columns += [
        sums[name].values[metric] - sums[other].values[metric]
        for name, other in pairs
        for metric in metrics
    ]
    predictions = sums[names[0]].predictions
    columns = np.column_stack(columns)
    values = iter(columns.sum(axis=0) / predictions.sum())
    errors = iter(standard_errors(columns, predictions))

    def measured():
        return {"value": float(next(values)), "standard_error": next(errors)}

    own = {name: {metric: measured()["standard_error"] for metric in metrics} for name in names}
    differences = {
        f"{name}-{other}": {metric: measured() for metric in metrics} for name, other in pairs
    }
    return own, differences


def standard_errors(columns, predictions, most_draws=MOST_DRAWS):
    """Bootstrap standard errors of means over predictions, the same draws for all columns.

    Args:
        columns: float (rows, measures), sums over each row's predictions.
        predictions: int (rows,), number of predictions in each row.
        most_draws: rows drawn at once; a limit of memory that changes no result.

    Returns:
        list of one float for each measure, the standard deviation of sum(column) /
        sum(predictions) over `RESAMPLES` draws; None for each where there are fewer than two rows.
    """
    rows, measures = columns.shape
    if rows < 2:
        return [None] * measures
    generator = np.random.default_rng(SEED)
    sums = np.column_stack([columns, predictions]).astype(np.float64)
    means, at_once = [], max(1, most_draws // rows)
    for begin in range(0, RESAMPLES, at_once):
        count = min(at_once, RESAMPLES - begin)
        drawn = generator.integers(rows, size=(count, rows)) + rows * np.arange(count)[:, None]
        times = np.bincount(drawn.ravel(), minlength=count * rows).reshape(count, rows)
        totals = times.astype(np.float64) @ sums
        means.append(totals[:, :-1] / totals[:, -1:])
    return np.concatenate(means).std(axis=0, ddof=1).tolist()


def save_row_sums(path, sums):
    """Writes row sums to a safetensors file.

    Args:
        path: the file.
        sums: dict of names to `RowSums` of the same rows.

    Raises:
        OSError: the write failed.
    """
    from safetensors.numpy import save

    from tfdistill.system.files import write_atomically

    arrays = {}
    for name, each in sums.items():
        columns = {**each.values, "predictions": each.predictions}
        arrays |= {f"{name}.{key}": np.asarray(array) for key, array in columns.items()}
    write_atomically(path, save(arrays))


def load_row_sums(path):
    """Reads what `save_row_sums` wrote: dict of names to `RowSums`; {} without the file.

    Raises:
        ValueError: the file is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    if not path.is_file():
        return {}
    try:
        arrays = load(path.read_bytes())
    except SafetensorError as error:
        raise ValueError(f"{path.name}: {error}") from error
    found = {}
    for name, array in sorted(arrays.items()):
        model, _, key = name.rpartition(".")
        found.setdefault(model, {})[key] = array
    return {model: RowSums(each, each.pop("predictions")) for model, each in found.items()}
