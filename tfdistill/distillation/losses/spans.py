"""Losses for spans: a head that scores each token as the start and as the end of the answer.

A batch has `labels`, int32 (batch, 2), the first and the last token of the answer, and
`label_weights`, float32 (batch,). The logits are (batch, length, 2). Start and end are two
predictions, each with a softmax over the tokens of the row, padding excluded (Devlin et al., 2019,
section 4.2); a loss is the mean over both.
"""

import tensorflow as tf

from tfdistill.data.cached_batches import ANSWERED
from tfdistill.distillation.losses.loss import TOKENS, register
from tfdistill.distillation.losses.means import total
from tfdistill.distillation.losses.small_logits import (
    LABEL_WEIGHTS,
    LABELS,
    SmallLogitsLoss,
    mean_logits,
    mean_softened,
)
from tfdistill.distillation.losses.whole_logits import (
    cross_entropy,
    kl_divergence,
    squared_distance,
)
from tfdistill.distillation.signals import LOGITS, TeacherSignals

EXCLUDED = -1e9  # the logit of a token that is not there: its probability is exactly 0


class SpanLoss(SmallLogitsLoss):
    """Base class of the losses of spans: their weights are those of rows, and of two choices."""

    def weights(self, batch):
        """Weights of rows, whose tokens `tokens` chooses: float32 (batch,)."""
        return batch[LABEL_WEIGHTS]

    def tokens(self, batch):
        """1 for the tokens that are compared: float32 (batch, length)."""
        real = tf.cast(batch[TOKENS], tf.float32)
        return real * batch[ANSWERED] if self.needs_teacher and ANSWERED in batch else real

    def choices(self, logits, batch):
        """The logits of two predictions: float32 (batch, 2, length)."""
        logits = tf.cast(logits, tf.float32)
        there = self.tokens(batch)[..., None] > 0
        return tf.transpose(tf.where(there, logits, EXCLUDED), (0, 2, 1))

    def of_both(self, comparison):
        """Weights (batch, 2) and normalizer of the mean over starts and ends: a dict."""
        # Not by tf.stack, which has no kernel on Metal.
        weights = self.weights(comparison.batch)[:, None] * tf.ones((1, 2))
        return {"weights": weights, "normalizer": 2.0 * comparison.normalizer}


@register
class SpanCrossEntropy(SpanLoss):
    """`whole_logits.cross_entropy` of starts and ends."""

    name = "span_cross_entropy"
    description = "cross-entropy of the answers' first and last tokens"
    needs_teacher = False

    def compute(self, comparison):
        return cross_entropy(
            logits=self.choices(comparison.student[LOGITS], comparison.batch),
            labels=comparison.batch[LABELS],
            **self.of_both(comparison),
        )


@register
class SpanKl(SpanLoss):
    """`whole_logits.kl_divergence` of starts and ends.

    The teacher is the mean of all teachers' softened probabilities.
    """

    name = "span_kl"
    description = "KL divergence from the teacher's softened starts and ends, times T²"
    mean_of_teachers = True

    def compute(self, comparison, temperature=1.0):
        batch, teachers = comparison.batch, comparison.teachers
        chosen = [{LOGITS: self.choices(each[LOGITS], batch)} for each in teachers.signals]
        chosen = TeacherSignals(tuple(chosen), teachers.shares, teachers.vocabulary)
        return kl_divergence(
            student_logits=self.choices(comparison.student[LOGITS], batch),
            teacher_logits=mean_softened(chosen, temperature),
            temperature=temperature,
            **self.of_both(comparison),
        )


@register
class SpanMse(SpanLoss):
    """`whole_logits.squared_distance` from the mean of all teachers' logits, over tokens.

    The mean runs over the tokens of all rows, starts and ends. A softmax does not depend on the
    mean of its logits, but the choice between windows does.
    """

    name = "span_mse"
    description = "squared distance of the logits of starts and ends"
    mean_of_teachers = True

    def count(self, batch, **_):
        return total(self._weights_of_tokens(batch))

    def compute(self, comparison):
        return squared_distance(
            student=comparison.student[LOGITS],
            target=mean_logits(comparison.teachers),
            weights=self._weights_of_tokens(comparison.batch),
            normalizer=2.0 * comparison.normalizer,
        )

    def _weights_of_tokens(self, batch):
        return self.tokens(batch) * self.weights(batch)[:, None]
