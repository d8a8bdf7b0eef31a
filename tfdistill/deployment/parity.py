"""Compares exported files, run in LiteRT, with their Keras models."""

import dataclasses

import numpy as np

from tfdistill.deployment.compared_texts import (
    compared_texts,
    distance_of_lengths,
    with_model_logits,
)
from tfdistill.deployment.kept_quality import describe_loss, is_lost
from tfdistill.deployment.lite_model import LiteModel
from tfdistill.deployment.signatures import TOKEN_INPUTS
from tfdistill.deployment.variants import DYNAMIC_INT8, FLOAT16, FULL_INT8
from tfdistill.system.errors import UserError
from tfdistill.tasks.metrics import of_sums
from tfdistill.training.paired_bootstrap import RowSums, paired_errors

FLOAT32 = "float32"
FLOAT32_TOLERANCE = 1e-4  # of the largest logit
FINITE, TINY = float(np.finfo(np.float32).max), float(np.finfo(np.float32).tiny)
# The sums of attention may round otherwise, which may round an activation to another int8.
BETWEEN_LENGTHS = {FLOAT32: FLOAT32_TOLERANCE, FLOAT16: FLOAT32_TOLERANCE, DYNAMIC_INT8: 0.05}
BETWEEN_LENGTHS[FULL_INT8] = 0.05
PAIR = "lite", "keras"  # of which the interval is


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
        interval: [low, high], the paired 95 % interval of the difference, the file's minus the
            model's, of `Task.file_metric`; None for a single text.
        between_lengths: largest distance between the logits of a text by two lengths of the file;
            None for a file of one length.
        lost: what the file loses, if that is too much (see `is_lost`); else "".
    """

    max_abs_difference: float
    largest_logit: float
    loss_keras: float
    loss_lite: float
    primary_keras: float
    primary_lite: float
    agreement: float
    positions: int
    interval: list | None = None
    between_lengths: float | None = None
    lost: str = ""

    def values(self, task):
        """The model's and the file's value of `Task.file_metric`: a pair of floats."""
        if task.file_metric.key == "loss":
            return self.loss_keras, self.loss_lite
        return self.primary_keras, self.primary_lite

    def facts(self, primary):
        """The result for metrics.json: a dict.

        Args:
            primary: key of the primary metric, which takes the place of "primary".
        """
        return {
            name.replace("primary", primary): value
            for name, value in dataclasses.asdict(self).items()
            if value not in (None, "")
        }


def check_parity(task, model, path, batches, limit, kind=FLOAT32, reference=None, allow_loss=False):
    """Compares an exported file with its model on held-out examples.

    Args:
        task: the model's `Task`.
        model: the `Model` that was exported.
        path: the file.
        batches: iterable of the task's evaluation batches with rows of the file's longest length;
            for tasks whose examples have labels, what `Task.fixed_batches` returned. Each text runs
            in the shortest length that holds it, and 50 in all of these.
        limit: largest number of predictions to compare; tasks with labels compare all.
        kind: the file's `quantize`, or "float32", for which no logit may differ by more than 1e-4
            of the largest one. The metric must be kept by all (`is_lost`).
        reference: what `model_predictions` returned for the model and the batches; None: they are
            computed.
        allow_loss: whether a file that loses too much is accepted, with `lost` in its result.

    Returns:
        A `ParityResult`.

    Raises:
        ParityError: the file differs or loses more than that, or produces NaN or infinite values.
        UserError: the file cannot be run, its length is not that of the batches, or the batches
            hold no label.
    """
    if kind not in BETWEEN_LENGTHS:
        raise ValueError(f"kind must be one of {', '.join(BETWEEN_LENGTHS)}, not {kind!r}")
    lite = LiteModel(path)
    if reference is None:
        reference = model_predictions(task, model, batches, limit, lite.lengths)
    compare = _compare_metrics if task.kind else _compare_predictions
    result = compare(task, reference, lite, batches)
    _require_same(result, lite.path, kind)
    if is_lost(task.file_metric, *result.values(task), result.interval):
        result = dataclasses.replace(result, lost=describe_loss(task, result))
        if not allow_loss:
            raise ParityError(
                f"{lite.path.name}: {result.lost}: it was left out; ship another file, or export "
                "again with `allow_loss`"
            )
    return result


def model_predictions(task, model, batches, limit, lengths):
    """The predictions of a model for held-out examples, to compare its files with.

    Args:
        task: the model's `Task`.
        model: the `Model`.
        batches, limit: as for `check_parity`.
        lengths: tuple of the lengths of the files' rows, ascending.

    Returns:
        The `reference` of `check_parity`: a list of float32 arrays, the logits of each batch, for
        tasks whose examples have labels; else a list of `ComparedText`s.

    Raises:
        UserError: the rows have another length, or nothing to predict.
    """
    batches = _of_length(batches, lengths[-1])
    if task.kind:
        inputs = ({name: batch[name] for name in TOKEN_INPUTS & batch.keys()} for batch in batches)
        return [np.asarray(model(each)["logits"], np.float32) for each in inputs]
    texts = compared_texts(task, batches, limit, lengths)
    if not texts:
        raise UserError("`corpus`: the held-out text has nothing to predict; use more text")
    return with_model_logits(model, texts, lengths)


def _of_length(batches, length):
    for batch in batches:
        found = batch["input_ids"].shape[1]
        if found != length:
            raise UserError(
                f"the file takes rows of {length} tokens, the text has rows of {found}: repeat "
                f"with `length`={length}"
            )
        yield batch


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
    of_keras, of_lite = (evaluate_logits(task, each, batches) for each in (logits, of_file))
    metric = task.primary
    return ParityResult(
        *largest.tolist(),
        of_keras.metrics["loss"],
        of_lite.metrics["loss"],
        of_keras.metrics[metric.key],
        of_lite.metrics[metric.key],
        task.file_agreement((of_lite, of_file), (of_keras, logits)),
        len(of_keras.predictions),
        _interval(task, of_keras.sums, of_lite.sums),
        distance_of_lengths(lite, rows),
    )


def evaluate_logits(task, logits, batches):
    """Measures logits that were computed before: an `Evaluation`.

    Args:
        task: the `Task`.
        logits: list of float32 arrays, for each batch.
        batches: of `Task.fixed_batches`.
    """
    import tensorflow as tf

    remaining = iter(logits)

    def score(batch):
        tensors = {name: tf.convert_to_tensor(array) for name, array in batch.items()}
        return task.measure(tf.convert_to_tensor(next(remaining)), tensors)

    return task.evaluate(score, batches, batches.source)


def _interval(task, keras, lite):
    """The interval of `ParityResult`, of two `RowSums`."""
    errors = paired_errors({"keras": keras, "lite": lite}, [PAIR], of_sums(task.compared))
    return errors.intervals["-".join(PAIR)][task.file_metric.key]


def _compare_predictions(task, texts, lite, batches):
    """Compares single predictions, for texts of every length of the file: a `ParityResult`."""
    compared = [
        _compare(task, each.logits, lite.logits(each.inputs)[each.of_one], each.label)
        for each in texts
    ]
    columns = np.asarray(compared, np.float64).T  # (7, predictions)
    _, rows = np.unique([each.row for each in texts], return_inverse=True)

    def sums(loss, primary):
        values = {"loss": columns[loss], task.primary.key: columns[primary]}
        by_row = {name: np.bincount(rows, column) for name, column in values.items()}
        return RowSums(by_row, np.bincount(rows))

    return ParityResult(
        *columns[:2].max(axis=1).tolist(),
        *columns[2:].mean(axis=1).tolist(),
        len(texts),
        _interval(task, sums(2, 4), sums(3, 5)),
        distance_of_lengths(lite, [each.inputs for each in texts]),
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


def _require_same(result, path, kind):
    # NaN must fail: comparisons with it are False.
    largest = max(result.largest_logit, TINY)  # of a model without weights, all are 0
    apart = (result.between_lengths or 0.0) / largest
    if not apart <= BETWEEN_LENGTHS[kind]:
        raise ParityError(
            f"{path.name} predicts otherwise for the same text in rows of another length, by "
            f"{apart:.2g} of the largest logit (allowed: {BETWEEN_LENGTHS[kind]:g}): do not ship "
            "it, export it with one length"
        )
    difference = result.max_abs_difference / largest
    allowed = FLOAT32_TOLERANCE if kind == FLOAT32 else FINITE
    if not difference <= allowed:
        raise ParityError(
            f"{path.name} differs from its model by {difference:.2g} of the largest logit "
            f"(allowed: {allowed:g}): do not ship it, export again"
        )
