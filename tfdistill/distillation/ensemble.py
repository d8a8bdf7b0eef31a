"""Several teachers of one student: the mean of their softened probabilities."""

import math

import tensorflow as tf

from tfdistill.distillation.vocabulary_loss import log_mixture
from tfdistill.errors import UserError


class MeanOfTeachers:
    """Answers as several teachers do together.

    Args:
        teachers: list of `MaskedLanguageModel`.
        shares: of `shares_of`.
    """

    def __init__(self, teachers, shares):
        self._teachers, self._shares = teachers, shares

    def __call__(self, batch, layers=None):
        """Returns `logits`, (batch, masked, vocab): logarithms of the mean of probabilities."""
        logits = [tf.cast(t(batch, layers=layers)["logits"], tf.float32) for t in self._teachers]
        return {"logits": log_mixture(logits, self._shares, axis=-1)}


def shares_of(teachers, weights=()):
    """The teachers' shares in the mean.

    Args:
        teachers: how many there are.
        weights: one for each; empty: all alike.

    Returns:
        tuple of float that add up to 1.

    Raises:
        UserError: there are not as many weights as teachers, or one is not above 0.
    """
    weights = tuple(weights) or (1.0,) * teachers
    if len(weights) != teachers or not all(w > 0 and math.isfinite(w) for w in weights):
        raise UserError(
            f"--teacher_weights={','.join(map(str, weights))}: give one number above 0 for each of "
            f"the {teachers} teachers"
        )
    return tuple(weight / sum(weights) for weight in weights)


def check_teachers(phase, teachers):
    """Refuses several teachers where a phase cannot take their mean.

    Args:
        phase: a `Phase`.
        teachers: `MaskedLanguageModel`s.

    Raises:
        UserError: it compares logits other than by probabilities, or vocabularies differ.
    """
    if len(teachers) < 2:
        return
    if any(term.loss == "mse" for term in phase.active_terms):
        raise UserError(
            "--teacher: the loss 'mse' compares logits, and the mean of several teachers' "
            "probabilities has none; name one teacher, or leave --alpha_mse out"
        )
    for each in teachers[1:]:
        if each.config.vocab_size != teachers[0].config.vocab_size:
            raise UserError("--teacher: the vocabularies of the teachers differ in size")
        if each.head is None:
            raise UserError(
                "--teacher: every teacher but the first is asked for its logits alone, and one has "
                "no masked-LM head; take a checkpoint with the head (…ForMaskedLM)"
            )
