"""Reads the metrics.json of a finished run."""

import math

from tfdistill.system import strict_json
from tfdistill.system.errors import UserError
from tfdistill.tasks import task_of

CURE = "restore it, or make the run again"


def read_metrics(file):
    """Reads metrics.json, where a metric that is NaN, such as a correlation, is null.

    Args:
        file: `Path`.

    Returns:
        The content; metrics of models that are null are NaN again.

    Raises:
        UserError: it is damaged.
    """
    metrics = strict_json.read_object(file, {"models": dict}, CURE)
    for place in ("models", "differences"):
        _require_objects(file, place, metrics.get(place, {}))
    for place in ("verdict", "export", "files", "run", "made_from", "seconds", "data"):
        if not isinstance(metrics.get(place, {}), dict):
            raise UserError(f"{file} is damaged: {place!r} is no object: {CURE}")
    keys = [metric.key for metric in task_of(metrics).metrics]
    for model in metrics["models"].values():
        model |= {key: math.nan for key in keys if key in model and model[key] is None}
    return metrics


def _require_objects(file, place, found):
    if not isinstance(found, dict) or not all(isinstance(each, dict) for each in found.values()):
        raise UserError(f"{file} is damaged: {place!r} is no object of objects: {CURE}")
