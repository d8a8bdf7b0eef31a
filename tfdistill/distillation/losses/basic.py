"""Losses that compare a student with a teacher, or with the text itself.

All take keyword-only tensors and return a mean over the valid elements: `weights` says which are
valid, and `normalizer` replaces their sum where the mean runs over more than this call sees
(several micro-batches, several devices). Arithmetic is float32.
"""

import tensorflow as tf


def mean_over(values, weights, normalizer=None):
    """Weighted mean of `values`, 0 where nothing is valid.

    Args:
        values: float tensor.
        weights: float tensor of the same shape, 0 for what does not count.
        normalizer: float scalar that replaces the sum of `weights`.

    Returns:
        A float32 scalar.
    """
    weights = tf.cast(weights, tf.float32)
    if normalizer is None:
        normalizer = tf.reduce_sum(weights)
    # where, not only a product: what is not valid may be infinite, and 0 * inf is not 0.
    values = tf.where(weights > 0, tf.cast(values, tf.float32), 0.0)
    return tf.math.divide_no_nan(tf.reduce_sum(values * weights), normalizer)


def masked_cross_entropy(*, logits, labels, weights, normalizer=None):
    """Cross-entropy of the tokens behind the masks (Devlin et al., 2019, section 3.1).

    Args:
        logits: float (..., vocab).
        labels: int32 (...), the true tokens.
        weights: float (...), 1 for a predicted position.
        normalizer: see `mean_over`.

    Returns:
        A float32 scalar: mean of -log softmax(logits)[label].
    """
    values = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=labels, logits=tf.cast(logits, tf.float32)
    )
    return mean_over(values, weights, normalizer)


def kl_divergence(*, student_logits, teacher_logits, weights, temperature, normalizer=None):
    """T^2 KL(teacher || student) of the softened predictions (Hinton et al., 2015, section 2).

    Args:
        student_logits: float (..., vocab).
        teacher_logits: float (..., vocab).
        weights: float (...), 1 for a token that counts.
        temperature: T, by which both logits are divided.
        normalizer: see `mean_over`.

    Returns:
        A float32 scalar: summed over the vocabulary, averaged over the tokens, times T^2.
    """
    student = tf.nn.log_softmax(tf.cast(student_logits, tf.float32) / temperature)
    teacher = tf.nn.log_softmax(tf.cast(teacher_logits, tf.float32) / temperature)
    values = tf.reduce_sum(tf.exp(teacher) * (teacher - student), axis=-1)
    return mean_over(values, weights, normalizer) * temperature**2


def soft_cross_entropy(*, student_logits, teacher_logits, weights, temperature, normalizer=None):
    """Cross-entropy with the teacher's softened predictions (Jiao et al., 2020, equation 10).

    Args:
        student_logits: float (..., vocab).
        teacher_logits: float (..., vocab).
        weights: float (...), 1 for a token that counts.
        temperature: by which both logits are divided.
        normalizer: see `mean_over`.

    Returns:
        A float32 scalar: summed over the vocabulary, averaged over the tokens. Not times T^2.
    """
    student = tf.nn.log_softmax(tf.cast(student_logits, tf.float32) / temperature)
    teacher = tf.nn.softmax(tf.cast(teacher_logits, tf.float32) / temperature)
    return mean_over(-tf.reduce_sum(teacher * student, axis=-1), weights, normalizer)


def logits_mse(*, student_logits, teacher_logits, weights, normalizer=None):
    """Squared distance of the logits, as DistilBERT's training code has it (`alpha_mse`).

    Args:
        student_logits: float (..., vocab).
        teacher_logits: float (..., vocab).
        weights: float (...), 1 for a token that counts.
        normalizer: see `mean_over`.

    Returns:
        A float32 scalar: summed over the vocabulary, averaged over the tokens.
    """
    difference = tf.cast(student_logits, tf.float32) - tf.cast(teacher_logits, tf.float32)
    return mean_over(tf.reduce_sum(difference**2, axis=-1), weights, normalizer)


def cosine_distance(*, student_hidden, teacher_hidden, weights, normalizer=None):
    """1 - cosine of two hidden states (Sanh et al., 2019, section 2).

    Args:
        student_hidden: float (..., hidden).
        teacher_hidden: float (..., hidden), of the same width.
        weights: float (...), 1 for a token that counts.
        normalizer: see `mean_over`.

    Returns:
        A float32 scalar: mean of 1 - <s, t> / (|s| |t|).
    """
    student = tf.math.l2_normalize(tf.cast(student_hidden, tf.float32), axis=-1)
    teacher = tf.math.l2_normalize(tf.cast(teacher_hidden, tf.float32), axis=-1)
    return mean_over(1.0 - tf.reduce_sum(student * teacher, axis=-1), weights, normalizer)
