"""Quality on held-out text, on the same examples for every model.

The functions take a *task*: an object with `measure`, `summarise`, `sums`, `weights` and `compared`
(see `tasks.Task`).
"""

import functools
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfdistill.models.subnet import run_subnet
from tfdistill.system.stopping import give_way
from tfdistill.training.paired_bootstrap import RowSums


class Evaluation(NamedTuple):
    """The scores of a model.

    Args:
        metrics: dict of the task's `summarise`.
        predictions: (predictions,), in the order of the examples; compared between models.
        sums: `RowSums`, one row for each row of text with a prediction.
    """

    metrics: dict
    predictions: np.ndarray
    sums: RowSums


def softmax_measures(logits, labels):
    """Measures of a softmax over the last axis.

    Args:
        logits: float32 (…, outputs).
        labels: int32 (…), the true outputs.

    Returns:
        dict of tensors (…): "loss", the cross-entropy in nats; "rank", int32, the number of other
        outputs with at least the true one's score; "predictions", int32, the likeliest output.
    """
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    truth = tf.gather(logits, labels, batch_dims=labels.shape.rank)
    # Ties count against the model: else a model with equal scores for all would be always right.
    ahead = tf.cast(logits >= tf.expand_dims(truth, -1), tf.int32)
    ranks = tf.reduce_sum(ahead, axis=-1) - 1
    best = tf.argmax(logits, axis=-1, output_type=tf.int32)
    return {"loss": losses, "rank": ranks, "predictions": best}


def scorer(model, measure, layers=None, shape=None):
    """Compiles a model into the function that `evaluate` calls.

    Args:
        model: a `Model` with a head.
        measure: function of (float32 logits, batch) to a dict of tensors, one value for each label.
        layers: indices of the encoder layers to run; None for all.
        shape: `PartShape` of the part of the model to run, whose sizes may be `tf.Variable`s that
            change between the calls; None for the whole model.

    Returns:
        A function from a batch to the dict of `measure`.
    """

    def score(batch):
        if shape is None:
            logits = model(batch, taps=(), layers=layers)["logits"]
        else:
            logits = run_subnet(model, shape, batch, taps=())["logits"]
        return measure(tf.cast(logits, tf.float32), batch)

    function = tf.function(score, autograph=False)

    @functools.cache
    def graph(*shapes):
        """The one graph for batches with these (name, shape, type).

        Traced by name: TensorFlow takes the first calls of several models for calls of one
        function with ever new shapes, and warns.
        """
        return function.get_concrete_function(
            {name: tf.TensorSpec(shape, dtype) for name, shape, dtype in shapes}
        )

    def compiled(batch):
        batch = {name: tf.convert_to_tensor(array) for name, array in batch.items()}
        return graph(*((name, tuple(t.shape), t.dtype) for name, t in batch.items()))(batch)

    return compiled


def evaluate(score, batches, task):
    """Scores a model on fixed batches.

    Args:
        score: what `scorer` or `constant_score` returned.
        batches: iterable of evaluation batches: dicts of NumPy arrays, in which padding has weight
            0.
        task: the task.

    Returns:
        An `Evaluation`.
    """
    found, rows, before = [], [], 0
    for batch in batches:
        give_way()
        valid = batch[task.weights] > 0
        measured = score({name: np.asarray(array) for name, array in batch.items()})
        found.append({name: np.asarray(each)[valid] for name, each in measured.items()})
        rows.append(before + np.nonzero(valid)[0])
        before += len(valid)
    measured = {name: np.concatenate([each[name] for each in found]) for name in found[0]}
    sums = row_sums(task.sums(measured), np.concatenate(rows))
    return Evaluation(task.summarise(measured), measured["predictions"], sums)


def constant_score(log_probabilities, labels):
    """A score function of a model that predicts the same for every example.

    Args:
        log_probabilities: float64 (outputs,), nats.
        labels: key of the labels in a batch.

    Returns:
        A function for `evaluate`: from a batch to the dict of `softmax_measures`, in NumPy.
    """
    order = np.argsort(-log_probabilities, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))

    def score(batch):
        true = batch[labels]
        best = np.full(true.shape, order[0], np.int32)
        return {"loss": -log_probabilities[true], "rank": rank[true], "predictions": best}

    return score


def row_sums(values, rows):
    """Sums values of single predictions over the rows of text.

    Args:
        values: dict of names to (predictions,) or (predictions, columns).
        rows: int (predictions,), the row of each prediction.

    Returns:
        `RowSums` of the rows that have predictions.
    """
    count = np.bincount(rows)

    def by_row(array):
        if array.ndim == 1:
            return np.bincount(rows, array)[count > 0]
        return np.column_stack([by_row(column) for column in array.T])

    sums = {name: by_row(array) for name, array in values.items()}
    return RowSums(sums, count[count > 0])


def agreement(predictions, teacher_predictions):
    """Share of the predictions that are the teacher's.

    Args:
        predictions: int (predictions,).
        teacher_predictions: int (predictions,), of the same examples.

    Returns:
        A float in 0..1.
    """
    return float(np.mean(predictions == teacher_predictions))
