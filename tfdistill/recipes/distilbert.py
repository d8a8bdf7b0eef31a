"""DistilBERT (Sanh et al., 2019, arXiv:1910.01108, section 2)."""

from typing import Annotated

from tfdistill.distillation.phases import NONE, Phase, Recipe, Term
from tfdistill.recipes.options import Projection, RestrictToMask, Temperature, weight


def distilbert(
    alpha_ce: Annotated[float, weight("the KL to the teacher's logits")] = 5.0,
    alpha_mlm: Annotated[float, weight("the masked-LM loss")] = 2.0,
    alpha_cos: Annotated[float, weight("1 - cosine of the last hidden states")] = 1.0,
    alpha_mse: Annotated[float, weight("the squared distance of the logits")] = 0.0,
    temperature: Temperature = 2.0,
    restrict_ce_to_mask: RestrictToMask = False,
    projection: Projection = NONE,
):
    """The triple loss: soft targets, masked LM, and the angle of the last hidden states.

    Args:
        alpha_ce: weight of the KL to the teacher's softened logits, times T^2.
        alpha_mlm: weight of the masked-LM loss.
        alpha_cos: weight of 1 - cosine of the last hidden states.
        alpha_mse: weight of the squared distance of the logits.
        temperature: T of the KL.
        restrict_ce_to_mask: compare logits at the masked tokens only, not at all tokens.
        projection: the learned map to the teacher's width, for students that are narrower.

    Returns:
        A `Recipe` of one phase.
    """
    rows = {"restrict_to_mask": restrict_ce_to_mask}
    terms = (
        Term("ce", alpha_ce, {"temperature": temperature, **rows}),
        Term("mlm", alpha_mlm),
        Term("cos", alpha_cos, projection=projection),
        Term("mse", alpha_mse, rows),
    )
    return Recipe("distilbert", (Phase("distil", terms),), source="arXiv:1910.01108")
