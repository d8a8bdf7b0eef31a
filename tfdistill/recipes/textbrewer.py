"""TextBrewer's published recipe for tasks (Yang et al., 2020, arXiv:2002.12620, section 5)."""

from collections.abc import Mapping
from typing import Annotated

from tfdistill.distillation.phases import SHARED, Phase, Recipe, Term
from tfdistill.recipes.kd import MASKED_LM, predictions_term
from tfdistill.recipes.options import (
    EmbeddingWeight,
    HiddenWeight,
    LayerMap,
    Projection,
    RestrictToMask,
    TeacherShare,
    Temperature,
    weight,
)


def textbrewer(
    alpha: TeacherShare = 0.5,
    alpha_hidden: HiddenWeight = 1.0,
    alpha_embedding: EmbeddingWeight = 1.0,
    alpha_nst: Annotated[float, weight("the distance of the inner products of tokens")] = 1.0,
    temperature: Temperature = 2.0,
    layer_map: LayerMap = "uniform",
    projection: Projection = SHARED,
    restrict_ce_to_mask: RestrictToMask = False,
    task_losses: Mapping = MASKED_LM,
):
    """Predictions, hidden states and inner products of tokens imitate the teacher's.

    The published settings are those of configs/textbrewer.flags: no labels and T = 8. The published
    sum has no factor T^2 and weights of 1. The KL here has it, so the other terms have weights of
    T^2 there: the gradients are the same but for a factor.

    Args:
        alpha: share of the KL to the teacher's softened logits; 1: labels are not read.
        alpha_hidden, alpha_embedding, alpha_nst: weights of the other terms.
        temperature: T of the KL.
        layer_map: the teacher's layers (see `layer_maps.layer_map`).
        projection: the learned map to the teacher's width; `nst` needs none.
        restrict_ce_to_mask: for masked LM, compare at the masked tokens only, not at all tokens.
        task_losses: the task's names of losses, as for `recipes.kd`.

    Returns:
        A `Recipe` of one phase.
    """
    terms = (
        Term(task_losses["labels"], 1.0 - alpha),
        predictions_term(task_losses, alpha, temperature, restrict_to_mask=restrict_ce_to_mask),
        Term("hidden", alpha_hidden, layers=layer_map, projection=projection),
        Term("embedding", alpha_embedding, projection=projection),
        Term("nst", alpha_nst, layers=layer_map),
    )
    return Recipe("textbrewer", (Phase("distil", terms),), source="arXiv:2002.12620")
