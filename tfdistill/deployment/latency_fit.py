"""Fits the costs of operators to measured times, and tests them on unseen shapes.

Each time is a sum of work times cost, with no negative cost: non-negative least squares (Lawson and
Hanson, 1974, chapter 23) of relative errors, so that small shapes count as much as large ones.
"""

import numpy as np

from tfdistill.deployment.operators import work_of


def fit_costs(shapes, milliseconds, length, variant):
    """Fits the costs of operators.

    Args:
        shapes: list of `TimedShape`s.
        milliseconds: list of their times.
        length: tokens in a row.
        variant: "float32" or "int8".

    Returns:
        dict of names of `work_of` to milliseconds for a unit of this work; without those that
        cost nothing.
    """
    from scipy.optimize import nnls

    names, work = _work(shapes, length, variant)
    relative = work / np.asarray(milliseconds)[:, None]
    scale = relative.max(axis=0)
    used = scale > 0
    found, _ = nnls(relative[:, used] / scale[used], np.ones(len(shapes)))
    costs = found / scale[used]
    kept = [name for name, use in zip(names, used, strict=True) if use]
    return {name: float(cost) for name, cost in zip(kept, costs, strict=True) if cost > 0}


def predicted(costs, shapes, length, variant):
    """The times of shapes.

    Args:
        costs: of `fit_costs`.
        shapes, length, variant: as there.

    Returns:
        list of milliseconds.
    """
    names, work = _work(shapes, length, variant)
    return (work @ np.array([costs.get(name, 0.0) for name in names])).tolist()


def error_of(found, milliseconds):
    """How far predictions are off.

    Args:
        found, milliseconds: lists of predicted and measured times.

    Returns:
        dict of "shapes", their number, and the "median", "worst" and "mean" of the relative errors:
        the first two without their sign; a positive mean means that predictions are too high.
    """
    relative = np.array(found) / np.array(milliseconds) - 1
    return {
        "shapes": len(relative),
        "median": float(np.median(np.abs(relative))),
        "worst": float(np.abs(relative).max()),
        "mean": float(relative.mean()),
    }


def shares_of(costs, shapes, length, variant):
    """The part of each operator in the predicted times.

    Args:
        costs, shapes, length, variant: as for `predicted`.

    Returns:
        dict of the names in `costs` to the mean share.
    """
    names, work = _work(shapes, length, variant)
    parts = work * np.array([costs.get(name, 0.0) for name in names])
    means = (parts / parts.sum(axis=1, keepdims=True)).mean(axis=0)
    return {name: float(mean) for name, mean in zip(names, means, strict=True) if name in costs}


def _work(shapes, length, variant):
    """(names of the operators, their work in each shape: float (shapes, operators))."""
    found = [work_of(each.config, length, each.head, variant) for each in shapes]
    return list(found[0]), np.array([list(work.values()) for work in found], float)
