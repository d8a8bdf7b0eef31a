"""DistilBERT (Sanh et al., 2019, arXiv:1910.01108, section 2)."""

from tfdistill.distillation.phases import NONE, Phase, Recipe, Term


def distilbert(
    alpha_ce=5.0,
    alpha_mlm=2.0,
    alpha_cos=1.0,
    alpha_mse=0.0,
    temperature=2.0,
    restrict_ce_to_mask=False,
    projection=NONE,
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
