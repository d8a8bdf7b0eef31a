"""Losses for heads with few outputs, whose logits are held as a whole.

A batch has `labels` and `label_weights`, float32 of the same shape: 0 for padding and for examples
without a label. It may have `taught`, of the same shape: 1 for a prediction that is compared with
the teacher's, labelled or not. The logits have one more axis, the outputs. Classes have one label
for each row, tags one for each token. A score has one output; its labels are float32 and others
int32.
"""

import tensorflow as tf

from tfdistill.data.cached_batches import ANSWERED
from tfdistill.data.labelled.encoded import TAUGHT
from tfdistill.distillation.losses.adjustments import (
    difficulty,
    shift_probabilities,
    temperatures,
)
from tfdistill.distillation.losses.loss import Loss, register
from tfdistill.distillation.losses.means import total
from tfdistill.distillation.losses.projected_logits import log_mixture
from tfdistill.distillation.losses.whole_logits import (
    cross_entropy,
    kl_divergence,
    squared_distance,
)
from tfdistill.distillation.signals import LOGITS, CachedLogits

LABELS, LABEL_WEIGHTS = "labels", "label_weights"


class SmallLogitsLoss(Loss):
    """Base class of the losses of small heads: their signal, and the labels that count.

    The teacher's logits may come with the batch (see `CachedLogits`).
    """

    needs_head = True
    same_tokens = False
    not_cached = "logits of small heads are stored by example, not by row of a text"

    def signals(self, **_):
        return (LOGITS,)

    def count(self, batch, **_):
        return total(self.weights(batch))

    def weights(self, batch):
        """1 for a prediction that counts, 0 for others: float32, of the shape of the labels."""
        if not self.needs_teacher:
            return batch[LABEL_WEIGHTS]
        weights = batch.get(TAUGHT, batch[LABEL_WEIGHTS])
        return weights * batch[ANSWERED] if ANSWERED in batch else weights

    def cached_signals(self, pairs, **_):
        return [CachedLogits()]


def mean_softened(teachers, temperature):
    """Logits whose softened probabilities are the mean of all teachers'.

    Args:
        teachers: `TeacherSignals`.
        temperature: divides the logits.

    Returns:
        float32, of the shape of the logits; the softmax runs over the last axis.
    """
    softened = [tf.cast(each[LOGITS], tf.float32) / temperature for each in teachers.signals]
    return temperature * log_mixture(softened, teachers.shares, axis=-1)


def mean_logits(teachers):
    """The mean of all teachers' logits: float32."""
    weighted = zip(teachers.shares, teachers.signals, strict=True)
    return tf.add_n([share * tf.cast(each[LOGITS], tf.float32) for share, each in weighted])


@register
class CrossEntropy(SmallLogitsLoss):
    """`whole_logits.cross_entropy`."""

    name = "cross_entropy"
    description = "cross-entropy of the labels"
    needs_teacher = False

    def compute(self, comparison):
        return cross_entropy(
            logits=comparison.student[LOGITS],
            labels=comparison.batch[LABELS],
            weights=self.weights(comparison.batch),
            normalizer=comparison.normalizer,
        )


@register
class SquaredError(SmallLogitsLoss):
    """`whole_logits.squared_distance` of the one output from the label."""

    name = "squared_error"
    description = "squared distance of the score from the label"
    needs_teacher = False

    def compute(self, comparison):
        return squared_distance(
            student=comparison.student[LOGITS],
            target=comparison.batch[LABELS][..., None],
            weights=self.weights(comparison.batch),
            normalizer=comparison.normalizer,
        )


@register
class LogitsKl(SmallLogitsLoss):
    """`whole_logits.kl_divergence`, with predictions that `adjustments` may change.

    The teacher is the mean of all teachers' softened probabilities.
    """

    name = "logits_kl"
    description = "KL divergence from the teacher's softened predictions, times T²"
    mean_of_teachers = True

    def compute(
        self,
        comparison,
        temperature=1.0,
        temperature_by="",
        temperature_spread=1.0,
        probability_shift=False,
    ):
        student, batch = tf.cast(comparison.student[LOGITS], tf.float32), comparison.batch
        weights = self.weights(batch)
        if temperature_by:
            found = difficulty(temperature_by, student, mean_logits(comparison.teachers))
            each = temperatures(found, weights, temperature, temperature_spread)
            weights, temperature = weights * each**2, each[..., None]
        teacher = mean_softened(comparison.teachers, temperature)
        if probability_shift:
            teacher = shift_probabilities(teacher, batch[LABELS], batch[LABEL_WEIGHTS])
        if temperature_by:  # T² is part of the weights
            student, teacher, temperature = student / temperature, teacher / temperature, 1.0
        return kl_divergence(
            student_logits=student,
            teacher_logits=teacher,
            weights=weights,
            temperature=temperature,
            normalizer=comparison.normalizer,
        )


@register
class LogitsMse(SmallLogitsLoss):
    """`whole_logits.squared_distance` from the mean of all teachers' logits."""

    name = "logits_mse"
    description = "squared distance of the logits"
    mean_of_teachers = True

    def compute(self, comparison):
        return squared_distance(
            student=comparison.student[LOGITS],
            target=mean_logits(comparison.teachers),
            weights=self.weights(comparison.batch),
            normalizer=comparison.normalizer,
        )
