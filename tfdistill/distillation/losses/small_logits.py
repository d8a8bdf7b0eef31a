"""Losses for heads with few outputs, whose logits are held as a whole.

A batch has `labels`, int32, and `label_weights`, float32 of the same shape: 0 for padding. The
logits have one more axis, the outputs.
"""

import tensorflow as tf

from tfdistill.distillation.losses.loss import Loss, register
from tfdistill.distillation.losses.means import mean_over, total
from tfdistill.distillation.losses.projected_logits import log_mixture
from tfdistill.distillation.signals import LOGITS

LABELS, LABEL_WEIGHTS = "labels", "label_weights"


class SmallLogitsLoss(Loss):
    """Base class of the losses of small heads: their signal, and the labels that count."""

    needs_head = True

    def signals(self, **_):
        return (LOGITS,)

    def count(self, batch, **_):
        return total(batch[LABEL_WEIGHTS])


@register
class CrossEntropy(SmallLogitsLoss):
    """Mean of -log softmax(logits)[label]."""

    name = "cross_entropy"
    description = "cross-entropy of the labels"
    needs_teacher = False

    def compute(self, comparison):
        values = tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=comparison.batch[LABELS], logits=comparison.student[LOGITS]
        )
        return mean_over(values, comparison.batch[LABEL_WEIGHTS], comparison.normalizer)


@register
class LogitsKl(SmallLogitsLoss):
    """T^2 KL(teacher || student) of the softened predictions (Hinton et al., 2015, section 2).

    The teacher is the mean of all teachers' softened probabilities.
    """

    name = "logits_kl"
    description = "KL divergence from the teacher's softened predictions, times T²"
    mean_of_teachers = True

    def compute(self, comparison, temperature=1.0):
        teachers = comparison.teachers
        student = tf.nn.log_softmax(comparison.student[LOGITS] / temperature)
        softened = [signals[LOGITS] / temperature for signals in teachers.signals]
        teacher = log_mixture(softened, teachers.shares, axis=-1)
        values = tf.reduce_sum(tf.exp(teacher) * (teacher - student), axis=-1)
        mean = mean_over(values, comparison.batch[LABEL_WEIGHTS], comparison.normalizer)
        return temperature**2 * mean
