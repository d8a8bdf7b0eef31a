"""Compares exported files, run in LiteRT, with their Keras models."""

import dataclasses
import itertools

import numpy as np

from tfdistill.deployment.tflite import DYNAMIC_INT8, LiteModel
from tfdistill.system.errors import UserError

FLOAT32 = "float32"
FLOAT32_TOLERANCE = 1e-4  # of the largest logit


class ParityError(UserError):
    """An exported file that does not predict what its model predicts."""


@dataclasses.dataclass(frozen=True)
class ParityResult:
    """Predictions of an exported file and of its model for the same examples.

    Attributes:
        max_abs_difference: largest distance between two logits.
        largest_logit: largest absolute logit of the Keras model.
        loss_keras, loss_lite: mean loss of the labels, such as the cross-entropy in nats.
        primary_keras, primary_lite: the task's primary metric.
        agreement: share of predictions that are equal.
        positions: number of predictions that were compared.
    """

    max_abs_difference: float
    largest_logit: float
    loss_keras: float
    loss_lite: float
    primary_keras: float
    primary_lite: float
    agreement: float
    positions: int

    def facts(self, primary):
        """The result for metrics.json: a dict.

        Args:
            primary: key of the primary metric, which takes the place of "primary".
        """
        return {
            name.replace("primary", primary): value
            for name, value in dataclasses.asdict(self).items()
        }


def check_parity(task, model, tflite_path, batches, limit, kind=FLOAT32):
    """Compares an exported file with its model on held-out examples.

    Args:
        task: the model's `Task`.
        model: the `Model` that was exported.
        tflite_path: the file.
        batches: iterable of the task's evaluation batches.
        limit: largest number of predictions to compare.
        kind: "float32": no logit may differ by more than 1e-4 of the largest one.
            "dynamic_int8": the quality must be kept (`Task.keeps_quality`).

    Returns:
        A `ParityResult`.

    Raises:
        ParityError: the file differs by more than that, or produces NaN or infinite values.
        UserError: the file cannot be run, its length is not that of the batches, or the batches
            hold no label.
    """
    if kind not in (FLOAT32, DYNAMIC_INT8):
        raise ValueError(f"kind must be {FLOAT32!r} or {DYNAMIC_INT8!r}, not {kind!r}")
    lite = LiteModel(tflite_path)
    compared = []
    for batch in batches:
        compared += _compare_batch(task, model, lite, batch, limit - len(compared))
        if len(compared) >= limit:
            break
    if not compared:
        raise UserError("`corpus`: the held-out text has nothing to predict; use more text")
    result = _summarise(compared)
    _require_parity(task, result, lite.path, kind)
    return result


def _compare_batch(task, model, lite, batch, limit):
    """One tuple for each of the first `limit` predictions: see `_compare`."""
    if batch["input_ids"].shape[1] != lite.length:
        raise UserError(
            f"{lite.path} takes rows of {lite.length} tokens, the text has rows of "
            f"{batch['input_ids'].shape[1]}: repeat with `length`={lite.length}"
        )
    names = ("input_ids", "attention_mask", *model.head.extra_inputs)
    logits = np.asarray(model({name: batch[name] for name in names})["logits"])
    labels = batch[task.labels]
    return [
        _compare(task, logits[index], lite.logits(inputs)[of_one], labels[index])
        for inputs, index, of_one in itertools.islice(task.single_inputs(batch), limit)
    ]


def _compare(task, keras, lite, label):
    """The values that are averaged, from the logits of one prediction and its label."""
    of_keras, of_lite = (task.measure_one(logits, label) for logits in (keras, lite))
    primary = task.primary.key
    return (
        np.abs(keras - lite).max(),
        np.abs(keras).max(),
        of_keras["loss"],
        of_lite["loss"],
        of_keras[primary],
        of_lite[primary],
        of_keras["predictions"] == of_lite["predictions"],
    )


def _summarise(compared):
    columns = np.asarray(compared, np.float64).T  # (7, predictions)
    largest = [float(column.max()) for column in columns[:2]]
    means = [float(column.mean()) for column in columns[2:]]
    return ParityResult(*largest, *means, positions=len(compared))


def _require_parity(task, result, path, kind):
    # NaN must fail: comparisons with it are False.
    if kind == FLOAT32:
        difference = result.max_abs_difference / result.largest_logit
        if not difference <= FLOAT32_TOLERANCE:
            raise ParityError(
                f"{path.name} differs from its model by {difference:.2g} of the largest logit "
                f"(allowed: {FLOAT32_TOLERANCE:g}): do not ship it, export again"
            )
    elif not task.keeps_quality(result):
        metric = task.primary
        keras, lite = (
            metric.text({metric.key: value}) + metric.unit
            for value in (result.primary_keras, result.primary_lite)
        )
        raise ParityError(
            f"{path.name}: int8 changes the loss from {result.loss_keras:.4f} to "
            f"{result.loss_lite:.4f} and {metric.name} from {keras} to {lite} (allowed: "
            f"{task.words.int8_limit}), agreement {result.agreement:.1%}: it was deleted, ship the "
            "float32 file"
        )
