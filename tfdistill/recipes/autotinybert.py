"""AutoTinyBERT's super-student (Yin et al., 2021, arXiv:2107.13686, sections 3.2 and 3.3)."""

from typing import Annotated

from tfdistill.distillation.phases import SHARED, Phase, Recipe, Term
from tfdistill.models.part_shapes import PartRanges
from tfdistill.recipes.head import head_phases
from tfdistill.recipes.options import (
    AttentionWeight,
    HeadShare,
    HiddenWeight,
    TeacherShare,
    Temperature,
)
from tfdistill.system.options import STEP, Option

MLM, KD = "mlm", "kd"
LAYER, LOGITS = "layer", "logits"
LAST = ((-1, -1),)


SuperRegime = Annotated[
    str,
    Option(
        "How a super-student learns: mlm (masked LM without a teacher; parts have fewer heads) or "
        "kd (from a teacher; parts have smaller heads).",
        choices=(MLM, KD),
        effect=STEP,
    ),
]
SuperTerms = Annotated[
    str,
    Option(
        "What a super-student with a teacher compares: layer (attention scores and hidden states "
        "of the last layers, as published) or logits (masked LM and the KL of logits).",
        choices=(LAYER, LOGITS),
        effect=STEP,
    ),
]
Sandwich = Annotated[
    bool,
    Option(
        "Train four parts of a super-student in each step: the largest, the smallest, and two "
        "drawn ones. Otherwise a single drawn one.",
        effect=STEP,
    ),
]


def _size(text, minimum=0):
    return Annotated[int, Option(text, minimum=minimum, effect=STEP, scheduled=False)]


SuperLayers = _size("Fewest layers of the parts that a super-student trains.", minimum=1)
SuperWidth = _size(
    "Smallest width of the parts that a super-student trains; 0: a quarter of the student's."
)
SuperIntermediate = _size(
    "Smallest intermediate size of the parts that a super-student trains; 0: an eighth of the "
    "student's."
)
SuperStep = _size(
    "Distance of two widths, and of two intermediate sizes, of the parts that a super-student "
    "trains; with `super_regime`=kd, widths are multiples of the heads.",
    minimum=1,
)


def autotinybert(
    super_regime: SuperRegime = MLM,
    super_terms: SuperTerms = LAYER,
    sandwich: Sandwich = False,
    super_layers: SuperLayers = 1,
    super_width: SuperWidth = 0,
    super_intermediate: SuperIntermediate = 0,
    super_step: SuperStep = 16,
    alpha_attention: AttentionWeight = 1.0,
    alpha_hidden: HiddenWeight = 1.0,
    alpha: TeacherShare = 0.5,
    temperature: Temperature = 2.0,
    head_share: HeadShare = 0.2,
):
    """A super-student: each step trains a part of the student, drawn anew.

    Args:
        super_regime: "mlm", masked LM with parts of fewer heads; or "kd", distillation with parts
            whose heads are smaller. The student then needs the teacher's number of heads for the
            published terms.
        super_terms: for "kd": "layer", attention scores and hidden states of the last layers, and
            a last phase in which masked LM trains the head; or "logits".
        sandwich: whether a step trains the largest part, the smallest and two drawn ones.
        super_layers, super_width, super_intermediate, super_step: see `PartRanges`.
        alpha_attention, alpha_hidden: weights of the published terms.
        alpha, temperature: share of the KL beside masked LM, and its T, for "logits".
        head_share: share of the steps of the last phase of "layer".

    Returns:
        A `Recipe`.
    """
    whole_heads = super_regime == MLM
    sizes = super_layers, super_width, super_intermediate, super_step
    parts = PartRanges(whole_heads, *sizes, sandwich=sandwich)
    if whole_heads:
        phases = (Phase("super", (Term("mlm", 1.0),), parts=parts),)
    elif super_terms == LOGITS:
        kl = Term("ce", alpha, {"temperature": temperature})
        phases = (Phase("super", (Term("mlm", 1.0 - alpha), kl), parts=parts),)
    else:
        terms = (
            Term("attention_scores", alpha_attention, layers=LAST),
            Term("hidden", alpha_hidden, layers=LAST, projection=SHARED),
        )
        layers = Phase("super", terms, share=1.0 - head_share, parts=parts)
        phases = (layers, *head_phases(head_share, parts=parts))
    return Recipe("autotinybert", phases, source="arXiv:2107.13686")
