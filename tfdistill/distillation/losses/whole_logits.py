"""Formulas of losses on logits that are held as a whole.

Small heads use them. The losses of the vocabulary compute the same a chunk of tokens at a time (see
`vocabulary`), because the logits of a whole batch would not fit in memory.
"""

import tensorflow as tf

from tfdistill.distillation.losses.means import mean_over


def cross_entropy(*, logits, labels, weights, normalizer=None):
    """Cross-entropy with the labels; of masked tokens: Devlin et al., 2019, section 3.1.

    Args:
        logits: float (..., outputs).
        labels: int32 (...), the true outputs.
        weights: float (...), 1 for a label that counts.
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
        student_logits: float (..., outputs).
        teacher_logits: float (..., outputs).
        weights: float (...), 1 for a prediction that counts.
        temperature: T, by which both logits are divided.
        normalizer: see `mean_over`.

    Returns:
        A float32 scalar: summed over the outputs, averaged over the predictions, times T^2.
    """
    student = tf.nn.log_softmax(tf.cast(student_logits, tf.float32) / temperature)
    teacher = tf.nn.log_softmax(tf.cast(teacher_logits, tf.float32) / temperature)
    values = tf.reduce_sum(tf.exp(teacher) * (teacher - student), axis=-1)
    return mean_over(values, weights, normalizer) * temperature**2


def squared_distance(*, student, target, weights, normalizer=None):
    """Squared distance of outputs (of logits: Ba and Caruana, 2014, section 2.2).

    Args:
        student: float (..., outputs).
        target: float (..., outputs): a teacher's logits, or the true numbers.
        weights: float (...), 1 for a prediction that counts.
        normalizer: see `mean_over`.

    Returns:
        A float32 scalar: summed over the outputs, averaged over the predictions.
    """
    difference = tf.cast(student, tf.float32) - tf.cast(target, tf.float32)
    return mean_over(tf.reduce_sum(difference**2, axis=-1), weights, normalizer)
