"""Losses that compare the logits of a student with those of its teachers.

They work on a chunk of tokens at a time (see `vocabulary`), because the logits of a whole batch
would not fit in memory.
"""

import tensorflow as tf

from tfdistill.distillation.losses.loss import MASKED, TOKENS, Loss, register
from tfdistill.distillation.losses.means import total
from tfdistill.distillation.losses.projected_logits import TeacherLogits
from tfdistill.distillation.losses.top_k import TOP_K_KL, TOP_K_SOFT_CROSS_ENTROPY, TopK
from tfdistill.distillation.losses.vocabulary import (
    KL,
    SOFT_CROSS_ENTROPY,
    SQUARED_DISTANCE,
    vocabulary_loss,
)
from tfdistill.distillation.schedules import Schedule
from tfdistill.distillation.signals import MASKED_ROWS, TOKEN_ROWS, CachedTopK, decoder_of
from tfdistill.system.errors import UserError


class LogitsLoss(Loss):
    """Base class of the losses of vocabulary logits.

    Attributes:
        token_loss: the `TokenLoss`.
        top_k_loss: the `TokenLoss` against cached signals, which hold the likeliest tokens only.
    """

    needs_head = True
    token_loss = top_k_loss = None

    def signals(self, restrict_to_mask=False, **_):
        return (MASKED_ROWS if restrict_to_mask else TOKEN_ROWS,)

    def weights(self, batch, restrict_to_mask):
        """Weights of the compared tokens, 0 for padding: (batch, length) or (batch, masked)."""
        return batch[MASKED if restrict_to_mask else TOKENS]

    def count(self, batch, restrict_to_mask=False, **_):
        return total(self.weights(batch, restrict_to_mask))

    def mean(self, comparison, restrict_to_mask, temperature=1.0):
        """Mean of `token_loss` over the tokens, both logits divided by the temperature."""
        (rows,) = self.signals(restrict_to_mask)
        teachers = comparison.teachers
        vocabulary = min(teachers.vocabulary, comparison.student["decoder"][0].shape[0])

        def projection(signals):
            width = signals[rows].shape[-1]
            return tf.reshape(signals[rows], (-1, width)), *decoder_of(signals, vocabulary)

        if "top_k" in comparison.teacher:
            cached = comparison.teacher["top_k"][CachedTopK(rows, temperature)]
            target = TopK(*(tf.reshape(each, (-1, each.shape[-1])) for each in cached))
        else:
            target = TeacherLogits(map(projection, teachers.signals), teachers.shares)
        return vocabulary_loss(
            loss=self.top_k_loss if isinstance(target, TopK) else self.token_loss,
            target=target,
            student=projection(comparison.student),
            weights=tf.reshape(self.weights(comparison.batch, restrict_to_mask), (-1,)),
            normalizer=comparison.normalizer,
            temperature=temperature,
        )

    def cached_signals(self, pairs, temperature=1.0, restrict_to_mask=False):
        if isinstance(temperature, Schedule):
            raise UserError(
                "`teacher_cache` cannot serve a temperature that changes (`schedules`): a cache "
                "holds logits at one temperature; leave one of the two settings out"
            )
        (rows,) = self.signals(restrict_to_mask)
        return [CachedTopK(rows, float(temperature))]


@register
class Kl(LogitsLoss):
    """`kl_divergence`."""

    name = "ce"
    description = "KL divergence from the teacher's softened predictions, times T²"
    mean_of_teachers = True
    not_cached = ""
    token_loss, top_k_loss = KL, TOP_K_KL

    def compute(self, comparison, temperature=1.0, restrict_to_mask=False):
        return temperature**2 * self.mean(comparison, restrict_to_mask, temperature)


@register
class SoftCrossEntropy(LogitsLoss):
    """`soft_cross_entropy`."""

    name = "soft_ce"
    description = "cross-entropy with the teacher's softened predictions"
    mean_of_teachers = True
    not_cached = ""
    token_loss, top_k_loss = SOFT_CROSS_ENTROPY, TOP_K_SOFT_CROSS_ENTROPY

    def compute(self, comparison, temperature=1.0, restrict_to_mask=False):
        return self.mean(comparison, restrict_to_mask, temperature)


@register
class LogitsMse(LogitsLoss):
    """`logits_mse`."""

    name = "mse"
    description = "squared distance of the logits"
    refuses_several_teachers = (
        "compares logits, and the mean of several teachers' probabilities has no logits of its own"
    )
    not_cached = "it needs every logit, and a cache holds the largest only"
    token_loss = SQUARED_DISTANCE

    def compute(self, comparison, restrict_to_mask=False):
        return self.mean(comparison, restrict_to_mask)
