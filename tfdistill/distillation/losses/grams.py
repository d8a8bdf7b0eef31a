"""Losses that compare inner products of hidden states, among tokens or among features.

The functions take keyword-only tensors of one layer of each model; `mask` is float or int
(batch, length), 1 for real tokens, and padding changes no value. Arithmetic is float32.
"""

import tensorflow as tf

from tfdistill.distillation.losses.hidden import LayersHiddenLoss
from tfdistill.distillation.losses.loss import TOKENS, register
from tfdistill.distillation.losses.means import mean_over, real_rows, token_pairs, total
from tfdistill.system.errors import UserError


def token_products_mse(*, student_hidden, teacher_hidden, mask, normalizer=None):
    """Squared distance of the inner products of tokens, divided by the width.

    NST with a linear kernel (Huang and Wang, 2017, arXiv:1707.01219, section 4), in the form of
    TextBrewer (Yang et al., 2020, arXiv:2002.12620, section 3.3), where each token has a vector of
    features. The widths may differ.

    Args:
        student_hidden: float (batch, length, hidden).
        teacher_hidden: float (batch, length, hidden), of any width.
        mask: (batch, length).
        normalizer: replaces the number of pairs of real tokens in a row, summed over the rows.

    Returns:
        A float32 scalar: mean of (<s_i, s_j> / d_s - <t_i, t_j> / d_t)^2 over the pairs of real
        tokens of each row.
    """
    mask = tf.cast(mask, tf.float32)
    distance = _among_tokens(student_hidden, mask) - _among_tokens(teacher_hidden, mask)
    return mean_over(distance**2, mask[:, :, None] * mask[:, None, :], normalizer)


def flow_mse(*, student_hidden, teacher_hidden, mask, normalizer=None):
    """Squared distance of the flow between two layers (Yim et al., 2017, FSP, equations 1 and 2).

    The flow of a row is the mean over its real tokens of the outer products of both layers' states,
    (hidden, hidden).

    Args:
        student_hidden: two float (batch, length, hidden), projected to the teacher's width.
        teacher_hidden: two float (batch, length, hidden).
        mask: (batch, length).
        normalizer: replaces the number of rows with a real token.

    Returns:
        A float32 scalar: mean over the numbers of a flow and the rows that have a real token.
    """
    mask = tf.cast(mask, tf.float32)
    distance = _flow(student_hidden, mask) - _flow(teacher_hidden, mask)
    return mean_over(tf.reduce_mean(distance**2, axis=(1, 2)), real_rows(mask), normalizer)


def _real(hidden, mask):
    """Hidden states with zeros for padding: float32."""
    return tf.where(mask[..., None] > 0, tf.cast(hidden, tf.float32), 0.0)


def _among_tokens(hidden, mask):
    """Inner products of tokens, divided by the width: float32 (batch, length, length)."""
    hidden = _real(hidden, mask)
    return tf.matmul(hidden, hidden, transpose_b=True) / hidden.shape[-1]


def _flow(layers, mask):
    """Mean outer product of two layers' states over real tokens: (batch, hidden, hidden)."""
    first, second = (_real(hidden, mask) for hidden in layers)
    tokens = tf.reduce_sum(mask, axis=1)[:, None, None]
    return tf.math.divide_no_nan(tf.matmul(first, second, transpose_a=True), tokens)


@register
class TokenProducts(LayersHiddenLoss):
    """`token_products_mse`, for models of any two widths."""

    name = "nst"
    description = "squared distance of the inner products of tokens, summed over layers"
    takes_projection = False

    def count(self, batch):
        return token_pairs(batch[TOKENS])

    def compute(self, comparison):
        values = [
            token_products_mse(
                student_hidden=student,
                teacher_hidden=teacher,
                mask=comparison.batch[TOKENS],
                normalizer=comparison.normalizer,
            )
            for student, teacher in self.hidden_pairs(comparison)
        ]
        return tf.add_n(values)


class FlowLoss(LayersHiddenLoss):
    """Base class of the losses of flows between two layers, summed over pairs of layers."""

    def count(self, batch):
        return total(real_rows(batch[TOKENS]))

    def compute(self, comparison):
        projected = [
            (comparison.project(number, student), teacher)
            for number, (student, teacher) in enumerate(self.hidden_pairs(comparison))
        ]
        values = [
            flow_mse(
                student_hidden=(first[0], second[0]),
                teacher_hidden=(first[1], second[1]),
                mask=comparison.batch[TOKENS],
                normalizer=comparison.normalizer,
            )
            for first, second in self.steps(projected)
        ]
        return tf.add_n(values)

    def steps(self, layers):
        """The pairs of layers between which the flow is compared."""
        raise NotImplementedError


@register
class Gram(FlowLoss):
    """`flow_mse` of each layer with itself: the products of features."""

    name = "gram"
    description = "squared distance of the products of features, summed over layers"

    def steps(self, layers):
        return [(layer, layer) for layer in layers]


@register
class Flow(FlowLoss):
    """`flow_mse` from each compared layer to the next one."""

    name = "fsp"
    description = "squared distance of the flow from layer to layer, summed over layers"

    def steps(self, layers):
        return list(zip(layers, layers[1:], strict=False))

    def check(self, student, teacher):
        if student.num_hidden_layers < 2:
            raise UserError(
                "`student_config`: the loss 'fsp' compares what lies between two layers, and this "
                "student has 1; use at least 2"
            )
