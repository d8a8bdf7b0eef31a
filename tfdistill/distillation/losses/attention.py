"""Losses that compare attention scores and attention maps, head by head.

The functions take keyword-only tensors of one layer of each model; `mask` is float or int
(batch, length), 1 for real tokens, and padding changes no value. Arithmetic is float32.
"""

import tensorflow as tf

from tfdistill.distillation.losses.loss import TOKENS, Loss, register
from tfdistill.distillation.losses.means import mean_over, token_pairs
from tfdistill.models.attention import padding_bias


def attention_scores_mse(*, student_scores, teacher_scores, mask, normalizer=None):
    """Squared distance of attention scores (Jiao et al., 2020, TinyBERT, equation 7).

    Args:
        student_scores: float (batch, heads, length, length), scaled, before mask and softmax.
        teacher_scores: the same of the teacher, with as many heads.
        mask: (batch, length).
        normalizer: replaces the number of pairs of real tokens in a row, summed over the rows.

    Returns:
        A float32 scalar: mean over heads and over the pairs of real tokens of each row.
    """
    mask = tf.cast(mask, tf.float32)
    distance = tf.cast(student_scores, tf.float32) - tf.cast(teacher_scores, tf.float32)
    values = tf.reduce_mean(distance**2, axis=1)  # (batch, length, length)
    return mean_over(values, mask[:, :, None] * mask[:, None, :], normalizer)


def attention_kl(*, student_scores, teacher_scores, mask, normalizer=None):
    """KL(teacher || student) of attention maps (Wang et al., 2020, MiniLM, equation 3).

    Args:
        student_scores: float (batch, heads, length, length), scaled, before mask and softmax.
        teacher_scores: the same of the teacher, with as many heads.
        mask: (batch, length).
        normalizer: replaces the number of real tokens.

    Returns:
        A float32 scalar: summed over the keys, mean over heads and real queries.
    """
    mask = tf.cast(mask, tf.float32)
    bias = padding_bias(mask)
    student = tf.nn.log_softmax(tf.cast(student_scores, tf.float32) + bias)
    teacher = tf.nn.log_softmax(tf.cast(teacher_scores, tf.float32) + bias)
    divergence = tf.reduce_sum(tf.exp(teacher) * (teacher - student), axis=-1)
    return mean_over(tf.reduce_mean(divergence, axis=1), mask, normalizer)


class AttentionLoss(Loss):
    """Base class of the losses of attention scores: the formula of each pair of layers, summed.

    Attributes:
        formula: a function such as `attention_kl`.
    """

    same_heads = True
    compares_layers = True
    not_cached = "attention is not cached: it would take as many numbers as a row has token pairs"
    formula = None

    def signals(self):
        return ("attention_scores",)

    def compute(self, comparison):
        return tf.add_n(
            [
                self.formula(
                    student_scores=comparison.student["attention_scores"][student],
                    teacher_scores=comparison.teacher["attention_scores"][teacher],
                    mask=comparison.batch[TOKENS],
                    normalizer=comparison.normalizer,
                )
                for student, teacher in comparison.pairs
            ]
        )


@register
class AttentionScores(AttentionLoss):
    """`attention_scores_mse`."""

    name = "attention_scores"
    description = "squared distance of attention scores, summed over layers"
    formula = staticmethod(attention_scores_mse)

    def count(self, batch):
        return token_pairs(batch[TOKENS])


@register
class AttentionMaps(AttentionLoss):
    """`attention_kl`."""

    name = "attention_maps"
    description = "KL divergence from the teacher's attention"
    formula = staticmethod(attention_kl)
