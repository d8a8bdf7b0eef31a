"""Patient knowledge distillation (Sun et al., 2019, BERT-PKD, arXiv:1908.09355, section 3)."""

from typing import Annotated

from tfdistill.distillation.phases import NONE, Phase, Recipe, Term
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
):
    """(1 - alpha) masked LM + alpha T^2 KL + beta PT, with masked LM as the task.

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

    Returns:
        A `Recipe` of one phase.
    """
    logits = {"temperature": temperature, "restrict_to_mask": restrict_ce_to_mask}
    patient = {"over_width": pt_over_width}
    terms = (
        Term("mlm", 1.0 - alpha),
        Term("ce", alpha, logits),
        Term("patient", beta, patient, layers=layer_map, projection=projection),
    )
    return Recipe("pkd", (Phase("distil", terms),), source="arXiv:1908.09355")
