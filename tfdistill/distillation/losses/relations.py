"""The loss that compares relations between tokens: queries, keys and values among themselves."""

import math

import tensorflow as tf

from tfdistill.distillation.losses.attention import attention_kl
from tfdistill.distillation.losses.loss import TOKENS, Loss, register
from tfdistill.distillation.phases import ATTENTION_HEADS
from tfdistill.system.errors import UserError

LARGEST_RELATION_HEADS = 48  # as in MiniLM v2's base students
RELATIONS = ("queries", "keys", "values")


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
    return attention_kl(
        student_scores=_relation_scores(student_vectors, relation_heads),
        teacher_scores=_relation_scores(teacher_vectors, relation_heads),
        mask=mask,
        normalizer=normalizer,
    )


def relation_heads_for(student_width, teacher_width, largest=LARGEST_RELATION_HEADS):
    """The largest common divisor of two widths that is at most `largest`."""
    common = math.gcd(student_width, teacher_width)
    return max(heads for heads in range(1, largest + 1) if common % heads == 0)


def _relation_scores(vectors, relation_heads):
    _, heads, length, size = vectors.shape
    joined = tf.transpose(tf.cast(vectors, tf.float32), (0, 2, 1, 3))
    relation_size = heads * size // relation_heads
    split = tf.reshape(joined, (-1, length, relation_heads, relation_size))
    split = tf.transpose(split, (0, 2, 1, 3))  # (batch, relation heads, length, relation size)
    return tf.matmul(split / math.sqrt(relation_size), split, transpose_b=True)


@register
class Relations(Loss):
    """`relation_kl` of the vectors that the option `relations` names, summed."""

    name = "relations"
    description = "KL divergence from the teacher's relations between tokens"
    compares_layers = True
    not_cached = "queries, keys and values are not cached"

    def signals(self, relations, **_):
        return relations

    def compute(self, comparison, relations, relation_heads=0):
        return tf.add_n(
            [
                relation_kl(
                    student_vectors=comparison.student[name][student],
                    teacher_vectors=comparison.teacher[name][teacher],
                    mask=comparison.batch[TOKENS],
                    relation_heads=_relation_heads(comparison, name, relation_heads),
                    normalizer=comparison.normalizer,
                )
                for student, teacher in comparison.pairs
                for name in relations
            ]
        )

    def check(self, student, teacher, relations, relation_heads=0):
        if isinstance(relations, str) or not set(relations) <= set(RELATIONS) or not relations:
            raise UserError(
                f"`recipe`: the loss 'relations' takes some of {RELATIONS}, not {relations!r}"
            )
        if relation_heads == ATTENTION_HEADS:
            heads = student.num_attention_heads, teacher.num_attention_heads
            if heads[0] != heads[1]:
                raise UserError(
                    "`student_config`: this loss compares relations head by head: the teacher has "
                    f"{heads[1]} attention heads, the student {heads[0]}; use {heads[1]}, or "
                    "`recipe`=minilm, which works with any number"
                )
            return
        for model, config in {"student": student, "teacher": teacher}.items():
            if relation_heads and config.attention_size % relation_heads:
                raise UserError(
                    f"`relation_heads`={relation_heads} does not divide the {model}'s width of "
                    f"{config.attention_size} in attention: use 0, for the largest number that "
                    "divides both widths"
                )


def _relation_heads(comparison, name, relation_heads):
    models = comparison.student, comparison.teacher
    student, teacher = (signals[name][0].shape for signals in models)
    if relation_heads == ATTENTION_HEADS:
        return student[1]
    widths = student[1] * student[3], teacher[1] * teacher[3]
    return relation_heads or relation_heads_for(*widths)
