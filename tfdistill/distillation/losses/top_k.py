"""Losses against cached probabilities: a teacher's k likeliest tokens, and the sum of the others.

All other tokens count as one: its probability is r for the teacher and q for the student. By the
log sum inequality the KL of these k + 1 probabilities is at most the KL of the whole vocabulary,
equals it where the student divides q as the teacher divides r, and is 0 for equal models. Rounding
can lift it above the KL of the whole vocabulary by one in ten thousand, because logarithms are
stored as float16 and q has a lower limit.
"""

import tensorflow as tf

from tfdistill.distillation.losses.projected_logits import (
    Target,
    log_mixture,
    product,
    product_type_of,
    softened,
)
from tfdistill.distillation.losses.vocabulary import TokenLoss

SMALLEST_REST = 1e-7  # lower limit of r and q: smaller ones have logarithms without information


class TopK(Target):
    """The likeliest tokens of the teachers, at the temperature at which they were cached.

    Args:
        ids: int32 (tokens, k).
        logs: float32 (tokens, k + 1), logarithms of their probabilities and of the others' sum.
    """

    def __init__(self, ids, logs):
        self.tensors = ids, logs

    def of_chunk(self, parts):
        return tuple(parts)


def _against_top_k(student_logits, targets, safe, sums, with_entropy):
    """Per token: sum over the k tokens of p (log p - log s), plus r (log r - log q)."""
    ids, logs = targets  # (tokens, k), (tokens, k + 1)
    logs = tf.transpose(logs)  # (k + 1, tokens)
    teacher = tf.exp(logs)
    total = tf.reduce_sum(teacher, axis=0, keepdims=True)  # not exactly 1 after rounding
    teacher, logs = teacher / total, logs - tf.math.log(total)
    likeliest, rest = teacher[:-1], teacher[-1:]

    if not safe:
        student_logits -= tf.reduce_max(student_logits, axis=0, keepdims=True)
    exponentials = tf.exp(student_logits)  # (vocab, tokens)
    partition = sums(exponentials)  # (1, tokens)
    tokens = tf.broadcast_to(tf.range(ids.shape[0]), (ids.shape[1], ids.shape[0]))
    places = tf.stack([tf.transpose(ids), tokens], axis=-1)  # (k, tokens, 2)
    log_own = tf.gather_nd(student_logits, places) - tf.math.log(partition)  # (k, tokens)
    # The others' sum, not 1 minus the k tokens' sum, which would be 0 for a confident student.
    others = tf.tensor_scatter_nd_update(exponentials, places, tf.zeros_like(log_own))
    own_rest = sums(others) / partition
    own_rest = tf.maximum(own_rest, SMALLEST_REST)

    loss = -tf.reduce_sum(likeliest * log_own, axis=0) - (rest * tf.math.log(own_rest))[0]
    if with_entropy:
        loss += tf.reduce_sum(teacher * logs, axis=0)
    # softmax(z) - p at one of the k tokens; at any other, softmax(z) minus its part of r.
    gradient = others * ((1.0 - rest / own_rest) / partition)
    return loss, tf.tensor_scatter_nd_add(gradient, places, tf.exp(log_own) - likeliest), 1.0


def _kl(student_logits, targets, safe, sums):
    return _against_top_k(student_logits, targets, safe, sums, with_entropy=True)


def _soft_cross_entropy(student_logits, targets, safe, sums):
    return _against_top_k(student_logits, targets, safe, sums, with_entropy=False)


# They replace `KL` and `SOFT_CROSS_ENTROPY` where the target is `TopK`.
TOP_K_KL = TokenLoss(_kl)
TOP_K_SOFT_CROSS_ENTROPY = TokenLoss(_soft_cross_entropy)


def top_k_of(models, shares, temperature, k, chunk):
    """The likeliest tokens of one teacher, or of the mean of several.

    Args:
        models: list of (rows (tokens, hidden), kernel (vocab, hidden), bias (vocab,)); products
            have the types that they have in `vocabulary_loss`.
        shares: weights of the models, floats that sum to 1.
        temperature: divides all logits.
        k: int, number of tokens.
        chunk: the most tokens in a chunk.

    Returns:
        (int32 (tokens, k), ids in order of probability; float32 (tokens, k + 1), logarithms of
        their probabilities and of the sum of all others).
    """
    kind = product_type_of(models[0][0])  # that of the student, too
    models = [softened(model, temperature) for model in models]
    models = [(tf.cast(rows, kind), tf.cast(kernel, kind), bias) for rows, kernel, bias in models]
    tokens = models[0][0].shape[0]
    steps = -(-tokens // chunk)
    chunk = -(-tokens // steps)

    def likeliest(parts):
        logits = [
            product(part, kernel, transpose_b=True) + bias
            for part, (_, kernel, bias) in zip(parts, models, strict=True)
        ]
        values, ids = tf.math.top_k(log_mixture(logits, shares, axis=-1), k)
        rest = 1.0 - tf.reduce_sum(tf.exp(values), axis=1, keepdims=True)
        return ids, tf.concat([values, tf.math.log(tf.maximum(rest, SMALLEST_REST))], axis=1)

    # One chunk after the other: two at once would hold two chunks' logits.
    ids, logs = tf.map_fn(
        likeliest,
        [
            tf.reshape(_fill_up(rows, steps * chunk), (steps, chunk, rows.shape[1]))
            for rows, *_ in models
        ],
        fn_output_signature=(
            tf.TensorSpec((chunk, k), tf.int32),
            tf.TensorSpec((chunk, k + 1), tf.float32),
        ),
        parallel_iterations=1,
    )
    return tf.reshape(ids, (-1, k))[:tokens], tf.reshape(logs, (-1, k + 1))[:tokens]


def _fill_up(rows, count):
    return tf.pad(rows, [[0, count - rows.shape[0]], [0, 0]])
