"""Masked LM first, then a teacher."""

import dataclasses

from tfdistill.distillation.phases import Recipe
from tfdistill.recipes.mlm import mlm
from tfdistill.system.errors import UserError


def hybrid(then, mlm_share=0.5):
    """A student that learns from the text alone, and then by another recipe.

    Args:
        then: the other `Recipe`.
        mlm_share: share of the steps of the first phase.

    Returns:
        A `Recipe` of the phases of both.

    Raises:
        UserError: the other recipe begins with the same phase.
    """
    first = dataclasses.replace(mlm().phases[0], share=mlm_share)
    if first.name in [phase.name for phase in then.phases]:
        raise UserError(f"`then`={then.name} is no recipe with a teacher: choose another")
    whole = sum(phase.share for phase in then.phases)
    rest = [
        dataclasses.replace(phase, share=(1.0 - mlm_share) * phase.share / whole)
        for phase in then.phases
    ]
    return Recipe("hybrid", (first, *rest), source=then.source)
