"""Sampling errors: how far a measure on held-out text may be from its value on more such text.

Rows of text are drawn anew, with replacement, and everything is measured on the drawn rows (Efron
and Tibshirani, 1993, chapter 6). All models are measured on the same draws, so that the errors of
their differences are paired (Koehn, 2004). Whole rows are drawn, not words, because the hidden
words of one row depend on each other.
"""

import dataclasses

import numpy as np

RESAMPLES, SEED = 1000, 20_041_021  # fixed, so that equal runs have equal errors
METRICS = ("top1", "loss")
MOST_DRAWS = 2**20  # held in memory at once


@dataclasses.dataclass(frozen=True)
class RowSums:
    """What one model scored in each held-out row, over the row's hidden words.

    Args:
        loss: float64 (rows,), the sum of the cross-entropies, nats.
        top1: float64 (rows,), hidden words whose true word is the likeliest.
        predictions: int64 (rows,), hidden words; at least 1.
    """

    loss: np.ndarray
    top1: np.ndarray
    predictions: np.ndarray


def paired_errors(sums, pairs):
    """Measures, and differences of measures, with their standard errors.

    Args:
        sums: dict of models' names to their `RowSums`, all of the same rows.
        pairs: list of (name, other name); those that `sums` lacks are left out.

    Returns:
        (errors, differences): dict of names to dicts of `METRICS` to standard errors; and dict of
        "name-other" to dicts of `METRICS` to {"value": the first model's less the other's,
        "standard_error"}. A standard error is None where there are fewer than two rows.
    """
    pairs = [pair for pair in pairs if sums.keys() >= set(pair)]
    names = list(sums)
    columns = [getattr(sums[name], metric) for name in names for metric in METRICS]
    columns += [
        getattr(sums[name], metric) - getattr(sums[other], metric)
        for name, other in pairs
        for metric in METRICS
    ]
    if not names:
        return {}, {}
    predictions = sums[names[0]].predictions
    columns = np.column_stack(columns)
    values = iter(columns.sum(axis=0) / predictions.sum())
    errors = iter(standard_errors(columns, predictions))

    def measured():
        return {"value": float(next(values)), "standard_error": next(errors)}

    own = {name: {metric: measured()["standard_error"] for metric in METRICS} for name in names}
    differences = {
        f"{name}-{other}": {metric: measured() for metric in METRICS} for name, other in pairs
    }
    return own, differences


def standard_errors(columns, predictions):
    """Bootstrap standard errors of means over hidden words, the same draws for all columns.

    Args:
        columns: float (rows, measures), sums over each row's hidden words.
        predictions: int (rows,), hidden words of each row.

    Returns:
        list of one float for each measure, the standard deviation of sum(column) /
        sum(predictions) over `RESAMPLES` draws; None for each where there are fewer than two rows.
    """
    rows, measures = columns.shape
    if rows < 2:
        return [None] * measures
    generator = np.random.default_rng(SEED)
    sums = np.column_stack([columns, predictions]).astype(np.float64)
    means, at_once = [], max(1, MOST_DRAWS // rows)
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

    arrays = {
        f"{name}.{key}": np.asarray(array)
        for name in sums
        for key, array in vars(sums[name]).items()
    }
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
    names = dict.fromkeys(name.rpartition(".")[0] for name in sorted(arrays))
    keys = [field.name for field in dataclasses.fields(RowSums)]
    return {name: RowSums(*(arrays[f"{name}.{key}"] for key in keys)) for name in names}
