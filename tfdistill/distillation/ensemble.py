"""Several teachers of one student: the mean of their softened probabilities."""

import math

import tensorflow as tf

from tfdistill.data.spare_rows import alike
from tfdistill.distillation.losses.vocabulary import log_mixture
from tfdistill.system.errors import UserError


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
        words = min(each.shape[-1] for each in logits)  # the ids that all of them have
        logits = [each[..., :words] for each in logits]
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
            f"--teacher_weights={','.join(f'{w:g}' for w in weights)}: give one number above 0 for "
            f"each of {teachers} teachers"
        )
    return tuple(weight / sum(weights) for weight in weights)


LEARN_THE_MEAN = frozenset({"ce", "soft_ce"})  # losses


def check_teachers(phase, teachers):
    """Refuses several teachers that have no mean, or of whom a phase needs more than that.

    Args:
        phase: a `Phase`.
        teachers: `MaskedLanguageModel`s.

    Raises:
        UserError: a loss compares logits otherwise, or the vocabularies differ.
    """
    if len(teachers) < 2:
        return
    if any(term.loss == "mse" for term in phase.active_terms):
        raise UserError(
            "--teacher: the loss 'mse' compares logits, and the mean of several teachers' "
            "probabilities has none; name one teacher, or leave --alpha_mse out"
        )
    for number, each in enumerate(teachers[1:], 2):
        sizes = each.config.vocab_size, teachers[0].config.vocab_size
        if not alike(*sizes):
            raise UserError(
                f"--teacher: the vocabulary of teacher {number} has {sizes[0]} tokens, the first's "
                f"{sizes[1]}: several teachers must share one; leave one of the two out"
            )
        if each.head is None:
            raise UserError(
                f"--teacher: teacher {number} has no masked-LM head, which its probabilities come "
                "from; take a checkpoint with the head (…ForMaskedLM)"
            )
