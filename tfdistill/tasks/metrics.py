"""Metrics, and how tables and sentences show them."""

import dataclasses
from collections.abc import Callable

import numpy as np

MINUS = "−"


@dataclasses.dataclass(frozen=True)
class Metric:
    """One measure of a model's quality.

    Args:
        key: its key in the `models` of metrics.json.
        name: heading of its column.
        unit: unit in its column.
        scale: factor from the stored number to the number that is shown.
        digits: decimals that are shown.
        higher_is_better: whether a higher number is a better one.
        difference_unit: unit of its differences in tables.
        difference_phrase: unit of its differences in sentences, such as "points of top-1".
        in_summaries: whether short tables, as those of results.md and the model card, have it.
        format: function of the stored number to text, in place of `scale` and `digits`.
        of_sums: for a compared metric that is no mean, such as F1: function of totals of columns,
            float64 (draws, columns), and of numbers of predictions, float64 (draws,), to float64
            (draws,); see `training.paired_bootstrap`.
    """

    key: str
    name: str
    unit: str = ""
    scale: float = 1.0
    digits: int = 3
    higher_is_better: bool = False
    difference_unit: str = ""
    difference_phrase: str = ""
    in_summaries: bool = True
    format: Callable | None = None
    of_sums: Callable | None = None

    @property
    def curve_key(self):
        """Its key in the points of a validation curve."""
        return f"validation_{self.key}"

    def text(self, model, error=False):
        """Writes the metric of one model.

        Args:
            model: dict of the model's metrics, perhaps with `standard_errors`.
            error: whether to add the standard error, where it was measured.

        Returns:
            str, such as "20.1 ± 0.5".

        Raises:
            KeyError: the model was not measured.
        """
        value = model[self.key]
        if self.format:
            return self.format(value)
        found = model.get("standard_errors", {}).get(self.key) if error else None
        spread = "" if found is None else f" ± {self.scale * found:.{self.digits}f}"
        return f"{self.scale * value:.{self.digits}f}{spread}"

    def difference_text(self, difference):
        """Writes a difference of the metric.

        Args:
            difference: dict of `value` and `standard_error`, which may be None.

        Returns:
            str, such as "+0.5 ± 0.4".
        """
        value, error = difference["value"], difference["standard_error"]
        spread = "" if error is None else f" ± {self.scale * error:.{self.digits}f}"
        return f"{self.scale * value:+.{self.digits}f}".replace("-", MINUS) + spread

    def difference_sentence(self, difference):
        """Writes a difference with its unit: "+0.5 ± 0.4 points of top-1"."""
        return f"{self.difference_text(difference)} {self.difference_phrase}"


def share(key, name, **options):
    """A `Metric` that is a share in 0..1, shown in percent; more is better."""
    shown = dict(unit="%", scale=100.0, digits=1, higher_is_better=True, difference_unit="points")
    return Metric(key, name, **shown | {"difference_phrase": f"points of {name}"} | options)


LOSS = Metric("loss", "loss", "nats", difference_unit="nats", difference_phrase="nats")


def of_sums(metrics):
    """Of those metrics that are no means, the functions of sums: a dict by key."""
    return {metric.key: metric.of_sums for metric in metrics if metric.of_sums}


def ratio_of_sums(totals, count=None):
    """The first of two columns' totals, divided by the second; nan for a divisor of 0.

    Args:
        totals: float64 (..., 2).
        count: unused; predictions in the sums.

    Returns:
        float64 (...).
    """
    below = np.where(totals[..., 1] > 0, totals[..., 1], np.nan)
    return totals[..., 0] / below
