"""Reads the metrics.json of a finished run."""

import math

from tfdistill.system import strict_json
from tfdistill.tasks import task_of


def read_metrics(file):
    """Reads metrics.json, where a metric that is NaN, such as a correlation, is null.

    Args:
        file: `Path`.

    Returns:
        The content; metrics of models that are null are NaN again.

    Raises:
        UserError: it is damaged.
    """
    metrics = strict_json.read_object(file, {"models": dict}, "restore it, or make the run again")
    keys = [metric.key for metric in task_of(metrics).metrics]
    for model in metrics["models"].values():
        model |= {key: math.nan for key in keys if key in model and model[key] is None}
    return metrics
