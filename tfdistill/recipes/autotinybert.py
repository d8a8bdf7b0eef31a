"""AutoTinyBERT's super-student (Yin et al., 2021, arXiv:2107.13686, sections 3.2 and 3.3)."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated

from tfdistill.distillation.phases import SHARED, Phase, Recipe, Term
from tfdistill.models.part_shapes import PartRanges
from tfdistill.recipes.head import head_phases
from tfdistill.recipes.kd import MASKED_LM, predictions_term
from tfdistill.recipes.options import (
    AttentionWeight,
    HeadShare,
    HiddenWeight,
    RestrictToMask,
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
        "How a super-student learns: mlm (masked LM, or labels, without a teacher; parts have "
        "fewer heads) or kd (from a teacher; parts have smaller heads).",
        choices=(MLM, KD),
        effect=STEP,
        fine_tuning=KD,
    ),
]
SuperTerms = Annotated[
    str,
    Option(
        "What a super-student with a teacher compares: layer (attention scores and hidden states "
        "of the last layers, as published; at the end, as for logits) or logits (the KL of logits, "
        "beside masked LM or the labels).",
        choices=(LAYER, LOGITS),
        effect=STEP,
        fine_tuning=LOGITS,
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
TrainParts = Annotated[
    bool,
    Option(
        "Train parts of a super-student, drawn anew in each step; otherwise the student as a whole "
        "by the same losses, such as a part that a search found.",
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
    restrict_ce_to_mask: RestrictToMask = False,
    head_share: HeadShare = 0.2,
    train_parts: TrainParts = True,
    task_losses: Mapping = MASKED_LM,
):
    """A super-student: each step trains a part of the student, drawn anew.

    Args:
        super_regime: "mlm", masked LM or the labels alone, with parts of fewer heads; or "kd",
            distillation with parts whose heads are smaller. The student then needs the teacher's
            number of heads for the published terms.
        super_terms: for "kd": "layer", attention scores and hidden states of the last layers, and
            a last phase: masked LM trains the head, or the terms of "logits" train everything where
            there are labels; or "logits".
        sandwich: whether a step trains the largest part, the smallest and two drawn ones.
        super_layers, super_width, super_intermediate, super_step: see `PartRanges`.
        alpha_attention, alpha_hidden: weights of the published terms.
        alpha, temperature: share of the comparison of predictions, beside masked LM or the labels,
            and T of its KL, for "logits".
        restrict_ce_to_mask: for masked LM, compare at the masked tokens only, not at all tokens.
        head_share: share of the steps of the last phase of "layer".
        train_parts: whether parts are trained; otherwise the whole student.
        task_losses: the task's names of losses, as for `recipes.kd`.

    Returns:
        A `Recipe`.
    """
    sizes = super_layers, super_width, super_intermediate, super_step
    parts = PartRanges(super_regime == MLM, *sizes, sandwich=sandwich) if train_parts else None
    labels = task_losses["labels"]
    if super_regime == MLM:
        return _recipe(Phase("super", (Term(labels, 1.0),), parts=parts))
    kl = predictions_term(task_losses, alpha, temperature, restrict_to_mask=restrict_ce_to_mask)
    predictions = Phase("super", (Term(labels, 1.0 - alpha), kl), parts=parts)
    if super_terms == LOGITS:
        return _recipe(predictions)
    terms = (
        Term("attention_scores", alpha_attention, layers=LAST),
        Term("hidden", alpha_hidden, layers=LAST, projection=SHARED),
    )
    layers = Phase("super", terms, share=1.0 - head_share, parts=parts)
    if labels == MASKED_LM["labels"]:
        return _recipe(layers, *head_phases(head_share, parts=parts))
    layers = dataclasses.replace(layers, measured=False)  # the head is as it was
    last = dataclasses.replace(predictions, name="predictions", share=head_share or 1.0)
    return _recipe(layers, last) if head_share else _recipe(layers)


def _recipe(*phases):
    return Recipe("autotinybert", phases, source="arXiv:2107.13686")
