"""Losses that compare hidden states, position by position.

The functions take keyword-only tensors of one layer of each model; `mask` is float or int
(batch, length), 1 for real tokens, and padding changes no value. Arithmetic is float32.
"""

import tensorflow as tf

from tfdistill.distillation.losses.loss import TOKENS, Loss, register
from tfdistill.distillation.losses.means import mean_over, real_rows, total
from tfdistill.distillation.signals import CachedStates
from tfdistill.system.errors import UserError

_EPSILON = 1e-6  # added to variances that are divided by


def cosine_distance(*, student_hidden, teacher_hidden, weights, normalizer=None):
    """1 - cosine of two hidden states (Sanh et al., 2019, section 2).

    Args:
        student_hidden: float (..., hidden).
        teacher_hidden: float (..., hidden), of the same width.
        weights: float (...), 1 for a token that counts.
        normalizer: see `mean_over`.

    Returns:
        A float32 scalar: mean of 1 - <s, t> / (|s| |t|).
    """
    student = tf.math.l2_normalize(tf.cast(student_hidden, tf.float32), axis=-1)
    teacher = tf.math.l2_normalize(tf.cast(teacher_hidden, tf.float32), axis=-1)
    return mean_over(1.0 - tf.reduce_sum(student * teacher, axis=-1), weights, normalizer)


def hidden_mse(*, student_hidden, teacher_hidden, mask, normalizer=None):
    """Squared distance of hidden states (Jiao et al., 2020, equations 8 and 9).

    Args:
        student_hidden: float (batch, length, hidden), projected to the teacher's width.
        teacher_hidden: float (batch, length, hidden).
        mask: (batch, length).
        normalizer: replaces the number of real tokens.

    Returns:
        A float32 scalar: mean over width and real tokens.
    """
    distance = tf.cast(student_hidden, tf.float32) - tf.cast(teacher_hidden, tf.float32)
    return mean_over(tf.reduce_mean(distance**2, axis=-1), mask, normalizer)


def feature_map_mse(*, student_hidden, teacher_hidden, mask, normalizer=None):
    """Squared distance of normalised feature maps (Sun et al., 2020, MobileBERT, section 3.4).

    Args:
        student_hidden: float (batch, length, hidden), projected to the teacher's width.
        teacher_hidden: float (batch, length, hidden).
        mask: (batch, length).
        normalizer: replaces the number of real tokens.

    Returns:
        A float32 scalar: of LN(h) without scale and shift, mean over width and real tokens.
    """
    (student, *_), (teacher, *_) = map(_moments, (student_hidden, teacher_hidden))
    return mean_over(tf.reduce_mean((student - teacher) ** 2, axis=-1), mask, normalizer)


def feature_mean_mse(*, student_hidden, teacher_hidden, mask, normalizer=None):
    """Squared distance of the means that `feature_map_mse` subtracts; arguments as there."""
    (_, student, _), (_, teacher, _) = map(_moments, (student_hidden, teacher_hidden))
    return mean_over((student - teacher) ** 2, mask, normalizer)


def feature_variance_distance(*, student_hidden, teacher_hidden, mask, normalizer=None):
    """Distance of the variances that `feature_map_mse` divides by; arguments as there."""
    (*_, student), (*_, teacher) = map(_moments, (student_hidden, teacher_hidden))
    return mean_over(tf.abs(student - teacher), mask, normalizer)


def patient_distance(*, student_hidden, teacher_hidden, mask, normalizer=None, over_width="mean"):
    """Squared distance of normalised [CLS] states (Sun et al., 2019, PKD, equation 7).

    Args:
        student_hidden: float (batch, length, hidden), projected to the teacher's width.
        teacher_hidden: float (batch, length, hidden).
        mask: (batch, length).
        normalizer: replaces the number of rows with a real token.
        over_width: "mean", as in the authors' code, or "sum", as in the paper (which also sums
            over layers; here the layers are averaged).

    Returns:
        A float32 scalar: mean over the rows that have a real token.
    """
    student, teacher = (
        tf.math.l2_normalize(tf.cast(hidden[:, 0], tf.float32), axis=-1)
        for hidden in (student_hidden, teacher_hidden)
    )
    reduce = {"mean": tf.reduce_mean, "sum": tf.reduce_sum}[over_width]
    return mean_over(reduce((student - teacher) ** 2, axis=-1), real_rows(mask), normalizer)


def _moments(hidden):
    """Normalised rows (batch, length, hidden), their means and variances (batch, length)."""
    hidden = tf.cast(hidden, tf.float32)
    mean = tf.reduce_mean(hidden, axis=-1, keepdims=True)
    centred = hidden - mean
    variance = tf.reduce_mean(centred**2, axis=-1, keepdims=True)
    return centred * tf.math.rsqrt(variance + _EPSILON), mean[..., 0], variance[..., 0]


class HiddenLoss(Loss):
    """Base class of the losses of hidden states: the formula of each pair, summed.

    Attributes:
        formula: a function such as `hidden_mse`.
    """

    takes_projection = True
    not_cached = ""
    formula = None

    def compute(self, comparison):
        return tf.add_n(self.values(comparison, mask=comparison.batch[TOKENS]))

    def values(self, comparison, **options):
        """The formula of each pair of hidden states: a list of float32 scalars."""
        return [
            self.formula(
                student_hidden=comparison.project(number, student),
                teacher_hidden=teacher,
                normalizer=comparison.normalizer,
                **options,
            )
            for number, (student, teacher) in enumerate(self.hidden_pairs(comparison))
        ]


@register
class Cosine(HiddenLoss):
    """`cosine_distance` of the last layer."""

    name = "cos"
    description = "1 − cosine of the last hidden states"
    formula = staticmethod(cosine_distance)

    def signals(self):
        return ("last_hidden_state",)

    def hidden_pairs(self, comparison):
        last = "last_hidden_state"
        return [(comparison.student[last], comparison.teacher[last])]

    def compute(self, comparison):
        return self.values(comparison, weights=comparison.batch[TOKENS])[0]

    def cached_signals(self, pairs):
        return [CachedStates("last_hidden_state")]


@register
class Embedding(HiddenLoss):
    """`hidden_mse` of the embeddings."""

    name = "embedding"
    description = "squared distance of the embeddings"
    formula = staticmethod(hidden_mse)

    def signals(self):
        return ("embeddings",)

    def hidden_pairs(self, comparison):
        return [(comparison.student["embeddings"], comparison.teacher["embeddings"])]

    def cached_signals(self, pairs):
        return [CachedStates("embeddings")]


class LayersHiddenLoss(HiddenLoss):
    """Base class of the losses of the hidden states of mapped layers."""

    compares_layers = True

    def signals(self, **_):
        return ("hidden_states",)

    def hidden_pairs(self, comparison):
        student, teacher = comparison.student["hidden_states"], comparison.teacher["hidden_states"]
        # The embeddings come first, at index 0.
        return [(student[i + 1], teacher[j + 1]) for i, j in comparison.pairs]

    def cached_signals(self, pairs, **_):
        return [CachedStates("hidden_states", teacher + 1) for _, teacher in pairs]


@register
class Hidden(LayersHiddenLoss):
    """`hidden_mse`."""

    name = "hidden"
    description = "squared distance of hidden states, summed over layers"
    formula = staticmethod(hidden_mse)


@register
class FeatureMap(LayersHiddenLoss):
    """`feature_map_mse`."""

    name = "feature_map"
    description = "squared distance of normalised hidden states, mean over layers"
    formula = staticmethod(feature_map_mse)


@register
class FeatureMean(LayersHiddenLoss):
    """`feature_mean_mse`."""

    name = "feature_mean"
    description = "squared distance of hidden states' means, mean over layers"
    formula = staticmethod(feature_mean_mse)


@register
class FeatureVariance(LayersHiddenLoss):
    """`feature_variance_distance`."""

    name = "feature_variance"
    description = "distance of hidden states' variances, mean over layers"
    formula = staticmethod(feature_variance_distance)


@register
class Patient(LayersHiddenLoss):
    """`patient_distance`, mean over the layers; the last one has the logits to learn from."""

    name = "patient"
    description = "squared distance of normalised [CLS] states"
    skips_last_layer = True
    formula = staticmethod(patient_distance)

    def count(self, batch, **_):
        return total(real_rows(batch[TOKENS]))

    def compute(self, comparison, over_width="mean"):
        mask = comparison.batch[TOKENS]
        values = self.values(comparison, mask=mask, over_width=over_width)
        return tf.add_n(values) / len(values)

    def check(self, student, teacher, over_width="mean"):
        if over_width not in ("mean", "sum"):
            raise UserError(
                f"`recipe`: the loss 'patient' takes over_width 'mean' or 'sum', not {over_width!r}"
            )
