"""Losses for heads with few outputs, whose logits are held as a whole.

A batch has `labels`, int32, and `label_weights`, float32 of the same shape: 0 for padding. The
logits have one more axis, the outputs.
"""

from tfdistill.distillation.losses.loss import Loss, register
from tfdistill.distillation.losses.means import total
from tfdistill.distillation.losses.projected_logits import log_mixture
from tfdistill.distillation.losses.whole_logits import cross_entropy, kl_divergence
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
    """`whole_logits.cross_entropy`."""

    name = "cross_entropy"
    description = "cross-entropy of the labels"
    needs_teacher = False

    def compute(self, comparison):
        return cross_entropy(
            logits=comparison.student[LOGITS],
            labels=comparison.batch[LABELS],
            weights=comparison.batch[LABEL_WEIGHTS],
            normalizer=comparison.normalizer,
        )


@register
class LogitsKl(SmallLogitsLoss):
    """`whole_logits.kl_divergence`.

    The teacher is the mean of all teachers' softened probabilities.
    """

    name = "logits_kl"
    description = "KL divergence from the teacher's softened predictions, times T²"
    mean_of_teachers = True

    def compute(self, comparison, temperature=1.0):
        teachers = comparison.teachers
        softened = [signals[LOGITS] / temperature for signals in teachers.signals]
        mean = log_mixture(softened, teachers.shares, axis=-1)
        return kl_divergence(
            student_logits=comparison.student[LOGITS],
            teacher_logits=temperature * mean,
            weights=comparison.batch[LABEL_WEIGHTS],
            temperature=temperature,
            normalizer=comparison.normalizer,
        )
