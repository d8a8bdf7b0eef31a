"""Patient knowledge distillation (Sun et al., 2019, BERT-PKD, arXiv:1908.09355, section 3)."""

from collections.abc import Mapping
from typing import Annotated

from tfdistill.distillation.phases import NONE, Phase, Recipe, Term
from tfdistill.recipes.kd import MASKED_LM, predictions_term
from tfdistill.recipes.options import (
    LayerMap,
    Projection,
    RestrictToMask,
    TeacherShare,
    Temperature,
    weight,
)
from tfdistill.system.options import STEP, Option


def pkd(
    alpha: TeacherShare = 0.5,
    beta: Annotated[float, weight("the distance of the normalised [CLS] states")] = 100.0,
    temperature: Temperature = 2.0,
    restrict_ce_to_mask: RestrictToMask = False,
    layer_map: LayerMap = "skip",
    projection: Projection = NONE,
    pt_over_width: Annotated[
        str,
        Option(
            "The distance of the [CLS] states over the width: mean, as in the authors' code, or "
            "sum, as in the paper. Over layers it is a mean.",
            choices=("mean", "sum"),
            effect=STEP,
        ),
    ] = "mean",
    task_losses: Mapping = MASKED_LM,
):
    """(1 - alpha) the loss on the labels + alpha T^2 KL + beta PT.

    PT is the squared distance of the normalised [CLS] states of all layers but the last.

    Args:
        alpha: share of the KL to the teacher's softened logits.
        beta: weight of PT.
        temperature: T of the KL.
        restrict_ce_to_mask: compare logits at the masked tokens only, not at all tokens.
        layer_map: "skip" (PKD-Skip), "last" (PKD-Last), or another of `layer_maps.layer_map`.
        projection: the learned map to the teacher's width, for students that are narrower.
        pt_over_width: "mean" over the width as in the authors' code, which the default of beta
            suits, or "sum" as in the paper. The paper also sums over layers; this takes the mean.
        task_losses: the task's names of losses, as for `recipes.kd`.

    Returns:
        A `Recipe` of one phase.
    """
    patient = {"over_width": pt_over_width}
    terms = (
        Term(task_losses["labels"], 1.0 - alpha),
        predictions_term(task_losses, alpha, temperature, restrict_to_mask=restrict_ce_to_mask),
        Term("patient", beta, patient, layers=layer_map, projection=projection),
    )
    return Recipe("pkd", (Phase("distil", terms),), source="arXiv:1908.09355")
