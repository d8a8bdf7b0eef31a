"""Masked-LM quality on held-out text, the same masks for every model."""

import functools
import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfdistill.starts.unigram import unigram_log_probabilities
from tfdistill.training.paired_bootstrap import RowSums

TOP = 5


class Evaluation(NamedTuple):
    """What a model scored.

    Args:
        metrics: dict of `metrics_from`.
        predictions: int32 (predictions,), the likeliest token at each predicted position.
        sums: `RowSums`, one row for each row of text in which something is predicted.
    """

    metrics: dict
    predictions: np.ndarray
    sums: RowSums


def scorer(model, layers=None):
    """Compiles a model into the function that `evaluate` calls.

    Args:
        model: a `MaskedLanguageModel` with a head.
        layers: indices of the encoder layers to run; None for all.

    Returns:
        A function from a batch to (losses in nats, ranks of the truth, likeliest tokens), each
        (batch, masked).
    """

    def score(batch):
        logits = tf.cast(model(batch, layers=layers)["logits"], tf.float32)
        labels = batch["masked_labels"]
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
        truth = tf.gather(logits, labels, batch_dims=2)  # (batch, masked)
        # Ties count against the model, or one that says the same of every token were always right.
        ahead = tf.cast(logits >= tf.expand_dims(truth, -1), tf.int32)
        ranks = tf.reduce_sum(ahead, axis=-1) - 1
        return losses, ranks, tf.argmax(logits, axis=-1, output_type=tf.int32)

    function = tf.function(score, autograph=False)

    @functools.cache
    def graph(*shapes):
        """The one graph for batches of these (name, shape, type).

        Traced by name: TensorFlow takes the first calls of one model after the other for one
        function whose batches never have the same shape, and warns.
        """
        return function.get_concrete_function(
            {name: tf.TensorSpec(shape, dtype) for name, shape, dtype in shapes}
        )

    def compiled(batch):
        batch = {name: tf.convert_to_tensor(array) for name, array in batch.items()}
        return graph(*((name, tuple(t.shape), t.dtype) for name, t in batch.items()))(batch)

    return compiled


def evaluate(score, batches):
    """Scores a model on fixed batches.

    Args:
        score: what `scorer` returned.
        batches: iterable of evaluation batches: dicts of NumPy arrays (see `data.masking`), in
            which padding rows and positions weigh 0.

    Returns:
        An `Evaluation`.
    """
    losses, ranks, predictions, rows, before = [], [], [], [], 0
    for batch in batches:
        valid = batch["masked_weights"] > 0
        results = score({name: tf.constant(array) for name, array in batch.items()})
        for kept, result in zip((losses, ranks, predictions), results, strict=True):
            kept.append(result.numpy()[valid])
        rows.append(before + np.nonzero(valid)[0])
        before += len(valid)
    losses, ranks, predictions, rows = map(np.concatenate, (losses, ranks, predictions, rows))
    return Evaluation(metrics_from(losses, ranks), predictions, row_sums(losses, ranks, rows))


def evaluate_unigram(counts, batches):
    """Scores the model that always predicts the training split's token frequencies.

    Args:
        counts: int64 (vocab,), tokens of the training split (see `unigram_log_probabilities`).
        batches: see `evaluate`.

    Returns:
        An `Evaluation`.
    """
    log_probabilities = unigram_log_probabilities(counts)
    order = np.argsort(-log_probabilities, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    labels, rows, before = [], [], 0
    for batch in batches:
        valid = batch["masked_weights"] > 0
        labels.append(batch["masked_labels"][valid])
        rows.append(before + np.nonzero(valid)[0])
        before += len(valid)
    labels, rows = np.concatenate(labels), np.concatenate(rows)
    losses, ranks = -log_probabilities[labels], rank[labels]
    predictions = np.full(len(labels), order[0], np.int32)
    return Evaluation(metrics_from(losses, ranks), predictions, row_sums(losses, ranks, rows))


def metrics_from(losses, ranks):
    """Averages what was measured at each predicted position.

    Args:
        losses: float (predictions,), nats.
        ranks: int (predictions,), how many tokens were held likelier than the true one.

    Returns:
        A dict with `loss` (nats per predicted token), `pseudo_perplexity` = exp(loss), `top1` and
        `top5` (shares of the predictions), and `predictions`, their number.
    """
    loss = float(np.mean(losses, dtype=np.float64))
    ranks = _ranks(losses, ranks)
    return {
        "loss": loss,
        "pseudo_perplexity": math.exp(min(loss, 700.0)),
        "top1": float(np.mean(ranks < 1)),
        "top5": float(np.mean(ranks < TOP)),
        "predictions": len(losses),
    }


def row_sums(losses, ranks, rows):
    """Sums what was measured at each predicted position over the rows of text.

    Args:
        losses, ranks: see `metrics_from`.
        rows: int (predictions,), the row that each position is in.

    Returns:
        `RowSums` of the rows that have predictions.
    """
    predictions = np.bincount(rows)
    sums = (
        np.bincount(rows, losses.astype(np.float64)),
        np.bincount(rows, _ranks(losses, ranks) < 1),
        predictions,
    )
    return RowSums(*(each[predictions > 0] for each in sums))


def _ranks(losses, ranks):
    return np.where(np.isnan(losses), TOP, ranks)  # nothing is greater than NaN


def agreement(predictions, teacher_predictions):
    """Share of the predicted positions at which two models think the same token likeliest.

    Args:
        predictions: int (predictions,).
        teacher_predictions: int (predictions,), at the same positions.

    Returns:
        A float in 0..1.
    """
    return float(np.mean(predictions == teacher_predictions))
