"""Losses against a teacher of whom only the likeliest words are known, and the rest's mass.

The rest is taken as one more word: the teacher gives it r, the student q, all that it does not give
to the words kept. By the log sum inequality the KL between the two is at most that of all words,
equals it where the student divides its rest as the teacher does, and is 0 for equal models. All but
for rounding: logarithms that are kept as float16, and the floor under a rest, can lift it above the
KL of all words by one in ten thousand.
"""

import tensorflow as tf

from tfdistill.distillation.losses.vocabulary import (
    TokenLoss,
    log_mixture,
    product,
    product_type_of,
    softened,
)

# The least that a rest counts as: below it are logarithms that nobody learns from.
SMALLEST_REST = 1e-7


def _against_top_k(student_logits, targets, safe, sums, with_entropy):
    """Per token: sum over the kept words of p (log p - log s), plus r (log r - log q)."""
    ids, log_shares = targets  # (tokens, k), (tokens, k + 1)
    log_shares = tf.transpose(log_shares)  # (k + 1, tokens)
    shares = tf.exp(log_shares)
    total = tf.reduce_sum(shares, axis=0, keepdims=True)  # not quite 1: they were rounded
    shares, log_shares = shares / total, log_shares - tf.math.log(total)
    kept, rest = shares[:-1], shares[-1:]

    if not safe:
        student_logits -= tf.reduce_max(student_logits, axis=0, keepdims=True)
    exponentials = tf.exp(student_logits)  # (vocab, tokens)
    partition = sums(exponentials)  # (1, tokens)
    tokens = tf.broadcast_to(tf.range(ids.shape[0]), (ids.shape[1], ids.shape[0]))
    places = tf.stack([tf.transpose(ids), tokens], axis=-1)  # (k, tokens, 2)
    log_own = tf.gather_nd(student_logits, places) - tf.math.log(partition)  # (k, tokens)
    # All others' sum, not 1 less the kept words': of a sure student nothing would be left of it.
    others = tf.tensor_scatter_nd_update(exponentials, places, tf.zeros_like(log_own))
    own_rest = sums(others) / partition
    own_rest = tf.maximum(own_rest, SMALLEST_REST)

    loss = -tf.reduce_sum(kept * log_own, axis=0) - (rest * tf.math.log(own_rest))[0]
    if with_entropy:
        loss += tf.reduce_sum(shares * log_shares, axis=0)
    # softmax(z) - p at a kept word; of any other, softmax(z) less its part of r.
    gradient = others * ((1.0 - rest / own_rest) / partition)
    return loss, tf.tensor_scatter_nd_add(gradient, places, tf.exp(log_own) - kept), 1.0


def _kl(student_logits, targets, safe, sums):
    return _against_top_k(student_logits, targets, safe, sums, with_entropy=True)


def _soft_cross_entropy(student_logits, targets, safe, sums):
    return _against_top_k(student_logits, targets, safe, sums, with_entropy=False)


# In place of the losses of that name in `vocabulary_loss`; their `targets` are those of `top_k_of`.
TOP_K_KL = TokenLoss(_kl)
TOP_K_SOFT_CROSS_ENTROPY = TokenLoss(_soft_cross_entropy)


def top_k_of(models, shares, temperature, k, chunk):
    """The likeliest words of one or several teachers.

    Args:
        models: list of (rows (tokens, hidden), kernel (vocab, hidden), bias (vocab,)); products are
            those of `vocabulary_loss`.
        shares: of the models, float each, which add up to 1.
        temperature: divides all logits.
        k: int, words to keep.
        chunk: the most tokens that are worked on at a time.

    Returns:
        (int32 (tokens, k), ids from the likeliest on; float32 (tokens, k + 1), the logarithms of
        their probabilities and of the sum of all others).
    """
    kind = product_type_of(models[0][0])  # the student's, too: equal models then answer alike
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
