"""Prediction of the next sentence beside masked LM (Devlin et al., 2019, section 3.1)."""

import dataclasses

from tfdistill.distillation.phases import Recipe, Term
from tfdistill.system.errors import UserError

MASKED_LM, PAIRS, PAIRS_KL = "mlm", "nsp", "nsp_kl"  # names of losses
SOFTENED = "ce"  # the comparison of logits whose temperature holds for pairs, too
PART = "next_sentence"  # of a model


def with_next_sentence(recipe, alpha=0.0):
    """Adds the prediction of the next sentence to a recipe.

    A phase with a term of masked LM also has the loss of pairs, with the same weight, as the sum
    of both is BERT's loss. Other phases stay as they are.

    Args:
        recipe: a `Recipe`.
        alpha: weight of the comparison with the teacher's logits of pairs, whose temperature is
            that of the phase's `ce`; 1 where it has none.

    Returns:
        A `Recipe`.

    Raises:
        UserError: no phase trains masked LM, nor compares logits of pairs.
    """
    phases = tuple(_with_pairs(phase, alpha) for phase in recipe.phases)
    if not any(map(learns_pairs, phases)):
        raise UserError(
            f"`nsp`: no phase of `recipe`={recipe.name} trains masked LM, so none would train the "
            "head of pairs: use another recipe, a `head_share` or a weight of masked LM above 0, "
            "or leave `nsp` out"
        )
    return Recipe(recipe.name, phases, recipe.source)


def learns_pairs(phase):
    """Whether a `Phase` has a loss of pairs, with a weight above 0."""
    return any(term.loss in (PAIRS, PAIRS_KL) for term in phase.active_terms)


def _with_pairs(phase, alpha):
    weights = [term.weight for term in phase.terms if term.loss == MASKED_LM]
    if not weights:
        return phase
    options = [term.options for term in phase.terms if term.loss == SOFTENED]
    temperature = options[0].get("temperature", 1.0) if options else 1.0
    pairs = Term(PAIRS, weights[0]), Term(PAIRS_KL, alpha, {"temperature": temperature})
    trainable = phase.trainable + (PART,) * bool(phase.trainable)
    return dataclasses.replace(phase, terms=(*phase.terms, *pairs), trainable=trainable)
