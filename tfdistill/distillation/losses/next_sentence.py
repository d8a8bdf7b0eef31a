"""Losses of the head that says whether a segment follows another."""

from tfdistill.data.sentence_pairs import LABELS, WEIGHTS
from tfdistill.distillation.losses.loss import Loss, register
from tfdistill.distillation.losses.means import total
from tfdistill.distillation.losses.projected_logits import log_mixture
from tfdistill.distillation.losses.whole_logits import cross_entropy, kl_divergence
from tfdistill.distillation.signals import PAIR_LOGITS


class PairLoss(Loss):
    """Base class of the losses of pairs: their signal, and the pairs that count."""

    needs_head = True
    not_cached = "it stores no logits of pairs of segments"

    def signals(self, **_):
        return (PAIR_LOGITS,)

    def count(self, batch, **_):
        return total(batch[WEIGHTS])


@register
class NextSentence(PairLoss):
    """`whole_logits.cross_entropy` of the two classes (Devlin et al., 2019, section 3.1)."""

    name = "nsp"
    description = "cross-entropy of whether the second segment follows the first"
    needs_teacher = False

    def compute(self, comparison):
        return cross_entropy(
            logits=comparison.student[PAIR_LOGITS],
            labels=comparison.batch[LABELS],
            weights=comparison.batch[WEIGHTS],
            normalizer=comparison.normalizer,
        )


@register
class NextSentenceKl(PairLoss):
    """`whole_logits.kl_divergence` from the mean of all teachers' softened probabilities."""

    name = "nsp_kl"
    description = "KL divergence from the teacher's two logits of a pair of segments, times T²"
    mean_of_teachers = True

    def compute(self, comparison, temperature=1.0):
        teachers = comparison.teachers
        softened = [each[PAIR_LOGITS] / temperature for each in teachers.signals]
        return kl_divergence(
            student_logits=comparison.student[PAIR_LOGITS],
            teacher_logits=temperature * log_mixture(softened, teachers.shares, axis=-1),
            weights=comparison.batch[WEIGHTS],
            temperature=temperature,
            normalizer=comparison.normalizer,
        )
