"""A teacher's predictions, adjusted for each example before a student learns from them.

Both adjustments are those of Wen et al., 2019, "Preparing Lessons: Improve Knowledge Distillation
with Better Supervision" (arXiv:1911.07471).
"""

import tensorflow as tf

from tfdistill.distillation.losses.means import mean_over
from tfdistill.system.errors import UserError

FLSW, CWSM = "flsw", "cwsm"
LOWEST = 0.5  # temperature that no example goes below


def difficulty(kind, student_logits, teacher_logits):
    """How hard an example is for the student.

    Args:
        kind: "flsw" (focal loss style weights): 1 - cosine of the student's and the teacher's
            logits; or "cwsm" (confidence weighted by student max): 1 / the largest of the
            student's probabilities.
        student_logits, teacher_logits: float (..., outputs).

    Returns:
        float32 (...), without a gradient.

    Raises:
        UserError: an unknown kind.
    """
    student, teacher = (
        tf.stop_gradient(tf.cast(logits, tf.float32)) for logits in (student_logits, teacher_logits)
    )
    if kind == FLSW:
        student, teacher = (tf.math.l2_normalize(each, axis=-1) for each in (student, teacher))
        return 1.0 - tf.reduce_sum(student * teacher, axis=-1)
    if kind == CWSM:
        return 1.0 / tf.reduce_max(tf.nn.softmax(student), axis=-1)
    raise UserError(f"`temperature_by`={kind} is unknown: choose {FLSW} or {CWSM}")


def temperatures(found, weights, base, spread):
    """A temperature for each example, lower for harder ones.

    Args:
        found: float32 (...), from `difficulty`.
        weights: float (...), 1 for a prediction that counts.
        base: the mean temperature.
        spread: factor of the distance from the mean difficulty.

    Returns:
        float32 (...): base + spread * (mean difficulty of these predictions - difficulty), at least
        0.5. The mean runs over one micro-batch of one device.
    """
    return tf.maximum(base + spread * (mean_over(found, weights) - found), LOWEST)


def shift_probabilities(logits, labels, known):
    """Exchanges the teacher's most likely output with the label: a right answer stays as it is.

    Args:
        logits: float32 (..., outputs).
        labels: int32 (...).
        known: float (...), 1 where there is a label; other predictions stay as they are.

    Returns:
        float32 (..., outputs).
    """
    size = logits.shape[-1]
    best = tf.one_hot(tf.argmax(logits, axis=-1), size)
    true = tf.one_hot(labels, size)
    largest = tf.reduce_sum(logits * best, axis=-1, keepdims=True)
    of_label = tf.reduce_sum(logits * true, axis=-1, keepdims=True)
    moved = logits + (of_label - largest) * best + (largest - of_label) * true
    return tf.where(known[..., None] > 0, moved, logits)
