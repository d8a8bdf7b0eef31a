"""Patient knowledge distillation (Sun et al., 2019, BERT-PKD, arXiv:1908.09355, section 3)."""

from tfdistill.distillation.phases import NONE, Phase, Recipe, Term


def pkd(
    alpha=0.5,
    beta=100.0,
    temperature=2.0,
    restrict_ce_to_mask=False,
    layer_map="skip",
    projection=NONE,
    pt_over_width="mean",
):
    """(1 - alpha) masked LM + alpha T^2 KL + beta PT, here on masked LM.

    PT is the squared distance of the normalised [CLS] states of every layer but the last.

    Args:
        alpha: share of the KL to the teacher's softened logits.
        beta: weight of PT.
        temperature: T of the KL.
        restrict_ce_to_mask: compare logits at the masked tokens only, not at all tokens.
        layer_map: "skip" (PKD-Skip), "last" (PKD-Last), or another of `layer_maps.layer_map`.
        projection: the learned map to the teacher's width, for students that are narrower.
        pt_over_width: "mean", as the authors' code has it, which beta's default is for, or "sum",
            as the paper; the paper sums over layers, too, of which this takes the mean.

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
