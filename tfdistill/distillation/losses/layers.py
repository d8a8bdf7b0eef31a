"""Losses that compare the insides of two models: attention, hidden states, relations.

All take keyword-only tensors of one layer of each model and return a mean over the valid elements
(see `losses`); `mask` is float or int (batch, length), 1 for real tokens, and padding changes no
value. Arithmetic is float32.
"""

import math

import tensorflow as tf

from tfdistill.distillation.losses.basic import mean_over
from tfdistill.models.attention import padding_bias

_EPSILON = 1e-6  # added to variances that are divided by
LARGEST_RELATION_HEADS = 48  # of MiniLM v2's base students


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
    """Squared distance of the means that `feature_map_mse` takes away; arguments as there."""
    (_, student, _), (_, teacher, _) = map(_moments, (student_hidden, teacher_hidden))
    return mean_over((student - teacher) ** 2, mask, normalizer)


def feature_variance_distance(*, student_hidden, teacher_hidden, mask, normalizer=None):
    """Distance of the variances that `feature_map_mse` takes away; arguments as there."""
    (*_, student), (*_, teacher) = map(_moments, (student_hidden, teacher_hidden))
    return mean_over(tf.abs(student - teacher), mask, normalizer)


def patient_distance(*, student_hidden, teacher_hidden, mask, normalizer=None, over_width="mean"):
    """Squared distance of normalised [CLS] states (Sun et al., 2019, PKD, equation 7).

    Args:
        student_hidden: float (batch, length, hidden), projected to the teacher's width.
        teacher_hidden: float (batch, length, hidden).
        mask: (batch, length).
        normalizer: replaces the number of rows with a real token.
        over_width: "mean", as the authors' code has it, or "sum", as the paper (which sums over
            layers, too; the recipe takes their mean).

    Returns:
        A float32 scalar: mean over the rows that have a real token.
    """
    student, teacher = (
        tf.math.l2_normalize(tf.cast(hidden[:, 0], tf.float32), axis=-1)
        for hidden in (student_hidden, teacher_hidden)
    )
    reduce = {"mean": tf.reduce_mean, "sum": tf.reduce_sum}[over_width]
    return mean_over(reduce((student - teacher) ** 2, axis=-1), real_rows(mask), normalizer)


def relation_kl(*, student_vectors, teacher_vectors, mask, relation_heads, normalizer=None):
    """KL(teacher || student) of self-relations (Wang et al., 2021, MiniLMv2, equations 4 to 6).

    The heads are joined and split again into `relation_heads`; a relation is the softmax of
    X X^T / sqrt(d_r), X being queries, keys or values and d_r the size of a relation head.

    Args:
        student_vectors: float (batch, heads, length, head size): queries, keys or values.
        teacher_vectors: the same of the teacher; heads and width may differ.
        mask: (batch, length).
        relation_heads: int that divides both widths.
        normalizer: replaces the number of real tokens.

    Returns:
        A float32 scalar: summed over the keys, mean over relation heads and real tokens.
    """
    scores = [_relation_scores(vectors, relation_heads) for vectors in
              (student_vectors, teacher_vectors)]  # fmt: skip
    return attention_kl(
        student_scores=scores[0], teacher_scores=scores[1], mask=mask, normalizer=normalizer
    )


def relation_heads_for(student_width, teacher_width, largest=LARGEST_RELATION_HEADS):
    """The largest common divisor of two widths that is at most `largest`."""
    common = math.gcd(student_width, teacher_width)
    return max(heads for heads in range(1, largest + 1) if common % heads == 0)


def real_rows(mask):
    """1 for the rows that have a real token: float32 (batch,)."""
    return tf.reduce_max(tf.cast(mask, tf.float32), axis=1)


def token_pairs(mask):
    """Pairs of real tokens in a row, summed over the rows: a float32 scalar."""
    return tf.reduce_sum(tf.reduce_sum(tf.cast(mask, tf.float32), axis=1) ** 2)


def _moments(hidden):
    """Normalised rows (batch, length, hidden), their means and variances (batch, length)."""
    hidden = tf.cast(hidden, tf.float32)
    mean = tf.reduce_mean(hidden, axis=-1, keepdims=True)
    centred = hidden - mean
    variance = tf.reduce_mean(centred**2, axis=-1, keepdims=True)
    return centred * tf.math.rsqrt(variance + _EPSILON), mean[..., 0], variance[..., 0]


def _relation_scores(vectors, relation_heads):
    _, heads, length, size = vectors.shape
    joined = tf.transpose(tf.cast(vectors, tf.float32), (0, 2, 1, 3))
    relation_size = heads * size // relation_heads
    split = tf.reshape(joined, (-1, length, relation_heads, relation_size))
    split = tf.transpose(split, (0, 2, 1, 3))  # (batch, relation heads, length, relation size)
    return tf.matmul(split / math.sqrt(relation_size), split, transpose_b=True)
