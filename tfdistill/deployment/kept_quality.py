"""Whether an exported file predicts as well as the model that it was made from."""

import math

ALLOWED = 0.01  # of the model's value: what a file may lose


def is_lost(metric, model, file, interval):
    """Whether a metric of a file is worse than its model's by more than 1 %, and not by chance.

    Args:
        metric: the `Metric`.
        model, file: float, the metric of both on the same examples.
        interval: [low, high], the 95 % interval of the difference (see `paired_errors`); None:
            unknown, so that every loss over 1 % counts.

    Returns:
        bool; True for a metric of the file that is NaN. A model whose own is NaN, as the
        correlation of one example, has nothing to lose.
    """
    if math.isnan(model):
        return False
    worse = model - file if metric.higher_is_better else file - model
    if worse <= ALLOWED * abs(model):
        return False
    return interval is None or not interval[0] <= 0.0 <= interval[1]


def describe_loss(task, result):
    """Says what a file loses: a part of a sentence.

    Args:
        task: the `Task`.
        result: `ParityResult` of the file.

    Returns:
        str, such as "the loss is 5.251 nats where the model has 5.144 …".
    """
    metric = task.file_metric
    model, file = (_with_unit(metric, value) for value in result.values(task))
    interval = "unknown"
    if result.interval is not None:
        low, high = (
            metric.difference_text({"value": end, "standard_error": None})
            for end in result.interval
        )
        interval = f"{low} to {high}"
    return (
        f"the {metric.name} is {file} where the model has {model} (allowed: {100 * ALLOWED:g} % "
        f"worse; 95 % interval of the difference: {interval}), and it has the "
        f"{task.words.agreement} as the model for {result.agreement:.1%}"
    )


def _with_unit(metric, value):
    """Writes a value of a metric with its unit, such as "5.144 nats"."""
    return f"{metric.text({metric.key: value})} {metric.unit}".strip()
