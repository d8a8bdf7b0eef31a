"""DynaBERT's width- and depth-adaptive training (Hou et al., 2020, arXiv:2004.04037, section 2)."""

from collections.abc import Mapping
from typing import Annotated

from tfdistill.distillation.phases import Phase, Recipe, Term
from tfdistill.models.part_grid import DEPTHS, WIDTHS, PartGrid
from tfdistill.recipes.kd import MASKED_LM, predictions_term
from tfdistill.recipes.options import weight
from tfdistill.system.errors import UserError
from tfdistill.system.options import Option


def _share(text, least=0.01):
    return Annotated[float, Option(text, minimum=least, maximum=0.99, scheduled=False)]


WidthShare = _share("Share of a dynabert student's steps that train parts of smaller width alone.")
FinalShare = _share(
    "Share of a dynabert student's steps at the end in which its parts learn the labels; 0: none.",
    least=0.0,
)
WidthStates = Annotated[
    float, weight("the distance of hidden states while a dynabert student's width is trained")
]
DepthStates = Annotated[
    float, weight("the distance of hidden states while its width and depth are trained")
]
Rewire = Annotated[
    bool,
    Option(
        "Sort a dynabert student's heads and neurons by importance to the loss on the labels "
        "first, so that narrower parts have the most important ones.",
    ),
]


def dynabert(
    alpha_width_states: WidthStates = 0.1,
    alpha_depth_states: DepthStates = 1.0,
    width_share: WidthShare = 0.5,
    final_share: FinalShare = 0.0,
    rewire: Rewire = True,
    task_losses: Mapping = MASKED_LM,
):
    """Parts of the student learn from the fine-tuned teacher, then shallower ones from wider ones.

    The student has its teacher's shape and weights. In each step of "width", the parts with 1, 3/4,
    1/2 and 1/4 of the heads and neurons learn the teacher's predictions and hidden states. In each
    step of "depth", the parts of these widths with 1, 3/4 and 1/2 of the layers learn those of the
    student as it was after "width", at their own width and with all layers. In "final" all parts
    learn the labels.

    Args:
        alpha_width_states, alpha_depth_states: weights of the hidden states beside those of the
            predictions, 1. Predictions are compared by KL at temperature 1, which has the gradient
            of the published soft cross-entropy.
        width_share, final_share: shares of the steps; "depth" has the rest.
        rewire: whether heads and neurons are sorted before the first step.
        task_losses: the task's names of losses, as for `recipes.kd`.

    Returns:
        A `Recipe`.

    Raises:
        UserError: the shares leave nothing to "depth".
    """
    predictions = predictions_term(task_losses, 1.0, temperature=1.0)
    by_width, all_parts = PartGrid(WIDTHS), PartGrid(WIDTHS, DEPTHS)
    depth_share = 1.0 - width_share - final_share
    if round(depth_share, 6) <= 0:  # 1 - 0.7 - 0.3 is not 0 in floats
        raise UserError(
            f"`width_share`={width_share:g} and `final_share`={final_share:g} leave no steps for "
            "the depth: give less"
        )
    phases = (
        Phase(
            "width",
            (predictions, Term("part_states", alpha_width_states)),
            share=width_share,
            parts=by_width,
            rewired=rewire,
        ),
        Phase(
            "depth",
            (predictions, Term("part_states", alpha_depth_states)),
            share=depth_share,
            parts=all_parts,
            own_teacher=True,
        ),
    )
    if final_share:
        labels = Term(task_losses["labels"], 1.0)
        phases += (Phase("final", (labels,), share=final_share, parts=all_parts),)
    return Recipe("dynabert", phases, source="arXiv:2004.04037")
