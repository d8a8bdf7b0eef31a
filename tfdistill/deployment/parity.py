"""Compares exported files, run in LiteRT, with their Keras models."""

import dataclasses

import numpy as np

from tfdistill.deployment.compared_texts import (
    compared_texts,
    distance_of_lengths,
    with_model_logits,
)
from tfdistill.deployment.lite_model import LiteModel
from tfdistill.deployment.tflite import DYNAMIC_INT8
from tfdistill.system.errors import UserError
from tfdistill.tasks.metrics import of_sums
from tfdistill.training.paired_bootstrap import paired_errors

FLOAT32 = "float32"
FLOAT32_TOLERANCE = 1e-4  # of the largest logit
# The sums of attention may round otherwise, which may round an activation to another int8.
BETWEEN_LENGTHS = {FLOAT32: FLOAT32_TOLERANCE, DYNAMIC_INT8: 0.05}
TOKEN_INPUTS = "input_ids", "attention_mask", "token_type_ids"


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
        agreement: share of predictions that are equal; of vectors, their mean cosine.
        positions: number of predictions that were compared.
        standard_error: of the difference of the primary metric, paired, for tasks whose examples
            have labels; else None.
        between_lengths: largest distance between the logits of a text by two lengths of the file;
            None for a file of one length.
    """

    max_abs_difference: float
    largest_logit: float
    loss_keras: float
    loss_lite: float
    primary_keras: float
    primary_lite: float
    agreement: float
    positions: int
    standard_error: float | None = None
    between_lengths: float | None = None

    def facts(self, primary):
        """The result for metrics.json: a dict.

        Args:
            primary: key of the primary metric, which takes the place of "primary".
        """
        return {
            name.replace("primary", primary): value
            for name, value in dataclasses.asdict(self).items()
            if value is not None
        }


def check_parity(task, model, tflite_path, batches, limit, kind=FLOAT32, logits=None):
    """Compares an exported file with its model on held-out examples.

    Args:
        task: the model's `Task`.
        model: the `Model` that was exported.
        tflite_path: the file.
        batches: iterable of the task's evaluation batches with rows of the file's longest length;
            for tasks whose examples have labels, what `Task.fixed_batches` returned. Each text runs
            in the shortest length that holds it, and 50 in all of these.
        limit: largest number of predictions to compare; such tasks compare all.
        kind: "float32": no logit may differ by more than 1e-4 of the largest one.
            "dynamic_int8": the quality must be kept (`Task.keeps_quality`).
        logits: what `model_logits` returned for the model and the batches, for tasks whose
            examples have labels; None: they are computed.

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
    if task.kind:
        for batch in batches:
            _require_length(lite, batch)
        logits = model_logits(model, batches) if logits is None else logits
        result = _compare_metrics(task, logits, lite, batches)
    else:
        result = _compare_predictions(task, model, lite, batches, limit)
    _require_parity(task, result, lite.path, kind)
    return result


def model_logits(model, batches):
    """A model's logits, to compare several files of it with.

    Args:
        model: the `Model` of a task whose examples have labels.
        batches: what `Task.fixed_batches` returned.

    Returns:
        list of float32 arrays, one for each batch.
    """
    inputs = ({name: batch[name] for name in TOKEN_INPUTS if name in batch} for batch in batches)
    return [np.asarray(model(each)["logits"], np.float32) for each in inputs]


def _compare_metrics(task, logits, lite, batches):
    """Measures a file and its model's logits by the task's metrics: a `ParityResult`."""
    largest, of_file, rows = np.zeros(2), [], []
    for batch, keras in zip(batches, logits, strict=True):
        of_lite = np.zeros_like(keras)
        for inputs, (row,), _ in task.single_inputs(batch):
            real = batch["attention_mask"][row] > 0
            found = lite.logits(inputs)
            of_lite[row, : len(found)] = found  # a shorter length leaves out padding
            pair = keras[row], of_lite[row]
            # Logits of padding are read by nobody.
            pair = [each[real] if each.ndim > 1 else each for each in pair]
            largest = np.maximum(largest, [np.abs(pair[0] - pair[1]).max(), np.abs(pair[0]).max()])
            rows.append(inputs)
        of_file.append(of_lite)
    if not rows:
        raise UserError("`test_data` has no examples to compare files on: add some")
    task = task.against(logits, batches)
    of_keras, of_lite = (_evaluate_logits(task, each, batches) for each in (logits, of_file))
    metric, pair = task.primary, ("lite", "keras")
    sums = {"keras": of_keras.sums, "lite": of_lite.sums}
    errors = paired_errors(sums, [pair], of_sums(task.compared)).differences["-".join(pair)]
    return ParityResult(
        *largest.tolist(),
        of_keras.metrics["loss"],
        of_lite.metrics["loss"],
        of_keras.metrics[metric.key],
        of_lite.metrics[metric.key],
        task.file_agreement((of_lite, of_file), (of_keras, logits)),
        len(rows),
        errors[metric.key]["standard_error"],
        distance_of_lengths(lite, rows),
    )


def _evaluate_logits(task, logits, batches):
    """Measures logits that were computed before: an `Evaluation`."""
    import tensorflow as tf

    remaining = iter(logits)

    def score(batch):
        tensors = {name: tf.convert_to_tensor(array) for name, array in batch.items()}
        return task.measure(tf.convert_to_tensor(next(remaining)), tensors)

    return task.evaluate(score, batches, batches.source)


def _compare_predictions(task, model, lite, batches, limit):
    """Compares `limit` predictions, for texts of every length of the file: a `ParityResult`."""
    texts = compared_texts(task, _of_length(lite, batches), limit, lite.lengths)
    if not texts:
        raise UserError("`corpus`: the held-out text has nothing to predict; use more text")
    compared, rows = [], []
    for inputs, label, keras, of_one in with_model_logits(model, texts, lite):
        compared.append(_compare(task, keras, lite.logits(inputs)[of_one], label))
        rows.append(inputs)
    return _summarise(compared, distance_of_lengths(lite, rows))


def _of_length(lite, batches):
    for batch in batches:
        _require_length(lite, batch)
        yield batch


def _require_length(lite, batch):
    if batch["input_ids"].shape[1] != lite.length:
        raise UserError(
            f"{lite.path} takes rows of {lite.length} tokens, the text has rows of "
            f"{batch['input_ids'].shape[1]}: repeat with `length`={lite.length}"
        )


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


def _summarise(compared, between_lengths):
    columns = np.asarray(compared, np.float64).T  # (7, predictions)
    largest = [float(column.max()) for column in columns[:2]]
    means = [float(column.mean()) for column in columns[2:]]
    return ParityResult(*largest, *means, positions=len(compared), between_lengths=between_lengths)


def _require_parity(task, result, path, kind):
    # NaN must fail: comparisons with it are False.
    apart = (result.between_lengths or 0.0) / result.largest_logit
    if not apart <= BETWEEN_LENGTHS[kind]:
        raise ParityError(
            f"{path.name} predicts otherwise for the same text in rows of another length, by "
            f"{apart:.2g} of the largest logit (allowed: {BETWEEN_LENGTHS[kind]:g}): do not ship "
            "it, export it with one length"
        )
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
