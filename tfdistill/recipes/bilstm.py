"""Distillation into a BiLSTM (Tang et al., 2019, arXiv:1903.12136)."""

from collections.abc import Mapping

from tfdistill.distillation.phases import Phase, Recipe
from tfdistill.recipes.kd import MASKED_LM, MSE, predictions_term


def bilstm(task_losses: Mapping = MASKED_LM):
    """The squared distance of the logits, and no labels (section 3.2, with alpha = 0).

    The paper's student is an LSTM (`student_type` bilstm) that also learns from variants of the
    texts (`augmentation` bilstm). The recipe works for any student; with a share of the labels, it
    is `kd` with `kd_loss` mse.

    Args:
        task_losses: the task's names of losses, as for `recipes.kd`.

    Returns:
        A `Recipe` of one phase.
    """
    term = predictions_term(task_losses, 1.0, temperature=1.0, kd_loss=MSE)
    return Recipe("bilstm", (Phase("logits", (term,)),), source="arXiv:1903.12136")
