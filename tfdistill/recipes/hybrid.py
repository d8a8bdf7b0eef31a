"""Masked LM first, then another recipe."""

import dataclasses
from typing import Annotated

from tfdistill.distillation.phases import Recipe
from tfdistill.recipes.mlm import mlm
from tfdistill.system.errors import UserError
from tfdistill.system.options import STEP, Option


def hybrid(
    then: Annotated[
        Recipe, Option("Recipe that follows masked LM.", effect=STEP, default="distilbert")
    ],
    mlm_share: Annotated[
        float,
        Option("Share of the steps for masked LM.", minimum=0.01, maximum=0.99, scheduled=False),
    ] = 0.5,
):
    """Masked LM first, then another recipe.

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
