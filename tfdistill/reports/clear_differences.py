"""Differences between groups of runs that are larger than the spread of their seeds."""

import math

from tfdistill.reports.comparison import mean_and_deviation
from tfdistill.tasks.metrics import MINUS

CLEAR_NOTE = (
    "better than: the mean is better by more than one standard deviation of the difference (the "
    "root of the sum of both variances over the seeds), which is the number behind ±. With few "
    "seeds this is no test."
)


def clear_differences(rows, metric):
    """Says which groups are better than which by more than one standard deviation.

    Args:
        rows: list of `comparison.Row`s; those of one run have no deviation and are left out.
        metric: the `Metric`.

    Returns:
        list of lines, one for each row that is better than another.
    """
    known = []
    for row in rows:
        mean, deviation = mean_and_deviation(row.values[metric.key])
        if deviation is not None:
            known.append((row.name, mean if metric.higher_is_better else -mean, deviation))
    lines = []
    for name, mean, deviation in known:
        better = [
            f"{other} ({_signed(mean - theirs, metric)} ± {spread:.{metric.digits}f})"
            for other, theirs, spread in (
                (each[0], each[1], math.hypot(deviation, each[2])) for each in known
            )
            if mean - theirs > spread
        ]
        if better:
            lines.append(f"{metric.name}: {name} is better than: {', '.join(better)}")
    return lines


def _signed(value, metric):
    value = value if metric.higher_is_better else -value
    return f"{value:+.{metric.digits}f}".replace("-", MINUS)
