"""The losses a recipe can name: which signals each compares, over which elements it is a mean."""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from tfdistill.distillation import losses
from tfdistill.distillation.signals import MASKED_ROWS, TOKEN_ROWS
from tfdistill.distillation.vocabulary_loss import (
    KL,
    SQUARED_DISTANCE,
    cross_entropy,
    vocabulary_loss,
)

TOKENS, MASKED = "attention_mask", "masked_weights"


@dataclasses.dataclass(frozen=True)
class Loss:
    """A loss by name.

    Args:
        compute: (student signals, teacher signals, batch, normalizer, **options) to a scalar.
        signals: options to the names of the signals that both models must show.
        valid: options to the key of the batch whose sum is the number of valid elements.
        needs_teacher: whether the teacher's signals are read.
        needs_head: whether the masked-LM heads are read.
        same_width: whether student and teacher must be equally wide.
    """

    compute: Callable
    signals: Callable
    valid: Callable
    needs_teacher: bool = True
    needs_head: bool = True
    same_width: bool = False


def _masked_lm(student, teacher, batch, normalizer):
    rows = student[MASKED_ROWS]  # (batch, masked, hidden)
    return cross_entropy(
        student=(tf.reshape(rows, (-1, rows.shape[-1])), *student["decoder"]),
        labels=tf.reshape(batch["masked_labels"], (-1,)),
        weights=tf.reshape(batch["masked_weights"], (-1,)),
        normalizer=normalizer,
    )


def _logit_rows(restrict_to_mask):
    return (MASKED_ROWS, MASKED) if restrict_to_mask else (TOKEN_ROWS, TOKENS)


def _between_logits(loss, student, teacher, batch, normalizer, restrict_to_mask, **options):
    rows, valid = _logit_rows(restrict_to_mask)

    def projection(signals):
        width = signals[rows].shape[-1]
        return tf.reshape(signals[rows], (-1, width)), *signals["decoder"]

    return vocabulary_loss(
        loss=loss,
        student=projection(student),
        teacher=projection(teacher),
        weights=tf.reshape(batch[valid], (-1,)),
        normalizer=normalizer,
        **options,
    )


def _kl(student, teacher, batch, normalizer, temperature, restrict_to_mask):
    models = student, teacher, batch, normalizer
    return temperature**2 * _between_logits(KL, *models, restrict_to_mask, temperature=temperature)


def _logits_mse(student, teacher, batch, normalizer, restrict_to_mask):
    models = student, teacher, batch, normalizer
    return _between_logits(SQUARED_DISTANCE, *models, restrict_to_mask)


def _cosine(student, teacher, batch, normalizer):
    return losses.cosine_distance(
        student_hidden=student["last_hidden_state"],
        teacher_hidden=teacher["last_hidden_state"],
        weights=batch["attention_mask"],
        normalizer=normalizer,
    )


def _row_signals(restrict_to_mask, **_):
    return (_logit_rows(restrict_to_mask)[0],)


def _row_weights(restrict_to_mask, **_):
    return _logit_rows(restrict_to_mask)[1]


LOSSES = {
    "mlm": Loss(
        _masked_lm,
        signals=lambda: (MASKED_ROWS,),
        valid=lambda: MASKED,
        needs_teacher=False,
    ),
    "ce": Loss(_kl, signals=_row_signals, valid=_row_weights),
    "mse": Loss(_logits_mse, signals=_row_signals, valid=_row_weights),
    "cos": Loss(
        _cosine, signals=lambda: (), valid=lambda: TOKENS, needs_head=False, same_width=True
    ),
}
