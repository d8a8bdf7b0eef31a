"""Losses for sentence encoders: a vector for each text, beside the teacher's.

A batch has `label_weights`, float32 (batch,): 0 for padding. The vectors are the models' logits,
(batch, width). Where the widths differ, a fixed projection with orthonormal columns brings the
student's to the teacher's width (see `distillation.orthogonal_maps`), which keeps all angles.
"""

import tensorflow as tf

from tfdistill.distillation.losses.loss import register
from tfdistill.distillation.losses.means import mean_over
from tfdistill.distillation.losses.small_logits import SmallLogitsLoss
from tfdistill.distillation.signals import LOGITS
from tfdistill.models.normalization import inverse_norms


def vector_cosine(*, projected, student, teacher, weights, normalizer=None):
    """1 - cosine of two vectors (Sanh et al., 2019, section 2, of whole texts).

    Args:
        projected: float (batch, teacher's width), the student's vectors.
        student: float (batch, student's width), the same before the projection: their length
            counts, so that a wider student has nothing beside what is compared.
        teacher: float (batch, teacher's width).
        weights: float (batch,), 1 for a text that counts.
        normalizer: see `mean_over`.

    Returns:
        A float32 scalar: mean of 1 - <P s, t> / (|s| |t|).
    """
    products = tf.reduce_sum(projected * teacher, axis=-1)
    scale = inverse_norms(student) * inverse_norms(teacher)
    return mean_over(1.0 - products * scale[:, 0], weights, normalizer)


def vector_distance(*, projected, teacher, weights, normalizer=None):
    """Squared distance of two vectors (Reimers and Gurevych, 2020, arXiv:2004.09813, equation 1).

    Args:
        projected, teacher, weights, normalizer: as for `vector_cosine`.

    Returns:
        A float32 scalar: mean of |P s - t|², summed over the width.
    """
    return mean_over(tf.reduce_sum((projected - teacher) ** 2, axis=-1), weights, normalizer)


def similarity_distance(*, student, teacher, weights, normalizer=None):
    """Squared distance of cosines between texts (after Tung and Mori, 2019, arXiv:1907.09682).

    A text is compared with all others of its batch; of a batch in parts, with those of its part.

    Args:
        student, teacher: float (batch, width); the widths may differ.
        weights: float (batch,), 1 for a text that counts.
        normalizer: see `mean_over`.

    Returns:
        A float32 scalar: mean over the texts of the mean over the others; 0 for a text alone.
    """
    weights = tf.cast(weights, tf.float32)
    distances = (_cosines(student) - _cosines(teacher)) ** 2  # 0 of a text from itself
    sums = tf.reduce_sum(weights[None, :] * distances, axis=-1)
    others = tf.reduce_sum(weights) - weights
    return mean_over(tf.math.divide_no_nan(sums, others), weights, normalizer)


def _cosines(vectors):
    unit = vectors * inverse_norms(vectors)
    return tf.matmul(unit, unit, transpose_b=True)


class VectorLoss(SmallLogitsLoss):
    """Base class: float32 vectors of student and teacher."""

    refuses_several_teachers = "compares vectors, which differ between teachers"

    def vectors(self, comparison):
        """(student's, teacher's): float32 (batch, width), each in its own width."""
        models = comparison.student, comparison.teacher
        return tuple(tf.cast(each[LOGITS], tf.float32) for each in models)


class ProjectedVectorLoss(VectorLoss):
    """Base class of those that compare vectors one by one."""

    takes_projection = True

    def projected(self, comparison):
        """The student's vectors in the teacher's width: float32 (batch, width)."""
        student, _ = self.vectors(comparison)
        return student if comparison.project is None else comparison.project(0, student)


@register
class VectorCosine(ProjectedVectorLoss):
    """`vector_cosine`."""

    name = "vector_cosine"
    description = "1 − cosine of the vectors of a text"

    def compute(self, comparison):
        student, teacher = self.vectors(comparison)
        return vector_cosine(
            projected=self.projected(comparison),
            student=student,
            teacher=teacher,
            weights=self.weights(comparison.batch),
            normalizer=comparison.normalizer,
        )


@register
class VectorDistance(ProjectedVectorLoss):
    """`vector_distance`."""

    name = "vector_mse"
    description = "squared distance of the vectors of a text"

    def compute(self, comparison):
        return vector_distance(
            projected=self.projected(comparison),
            teacher=self.vectors(comparison)[1],
            weights=self.weights(comparison.batch),
            normalizer=comparison.normalizer,
        )


@register
class SimilarityDistance(VectorLoss):
    """`similarity_distance`."""

    name = "similarities"
    description = "squared distance of the cosines between the texts of a batch"

    def compute(self, comparison):
        student, teacher = self.vectors(comparison)
        return similarity_distance(
            student=student,
            teacher=teacher,
            weights=self.weights(comparison.batch),
            normalizer=comparison.normalizer,
        )
