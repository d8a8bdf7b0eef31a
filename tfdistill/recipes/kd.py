"""Knowledge distillation of predictions (Hinton et al., 2015, arXiv:1503.02531, section 2)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

from tfdistill.distillation.phases import Phase, Recipe, Term
from tfdistill.recipes.options import TeacherShare, Temperature
from tfdistill.system.options import STEP, Option

KL, MSE = "kl", "mse"
# Names of the losses of masked LM; a task has its own (`Task.distillation_losses`).
MASKED_LM = MappingProxyType({"labels": "mlm", KL: "ce", MSE: "mse"})


def kd(
    alpha: TeacherShare = 0.5,
    temperature: Temperature = 2.0,
    kd_loss: Annotated[
        str,
        Option(
            "Comparison with the teacher's logits: kl (KL of softened probabilities) or mse "
            "(squared distance).",
            choices=(KL, MSE),
            effect=STEP,
        ),
    ] = KL,
    task_losses: Mapping = MASKED_LM,
):
    """alpha T^2 KL + (1 - alpha) the loss on the labels.

    Args:
        alpha: share of the comparison with the teacher.
        temperature: T of the KL.
        kd_loss: "kl", or "mse" for the squared distance of the logits (Ba and Caruana, 2014).
        task_losses: dict of "labels", "kl" and "mse" to names of losses: the task's loss on its
            labels, and what compares its logits.

    Returns:
        A `Recipe` of one phase.
    """
    terms = (
        Term(task_losses["labels"], 1.0 - alpha),
        predictions_term(task_losses, alpha, temperature, kd_loss),
    )
    return Recipe("kd", (Phase("kd", terms),), source="arXiv:1503.02531")


def predictions_term(task_losses, weight, temperature, kd_loss=KL):
    """The comparison with the teacher's predictions.

    Args:
        task_losses, temperature, kd_loss: as for `kd`.
        weight: factor of the term.

    Returns:
        A `Term`.
    """
    loss = task_losses[kd_loss]
    # A task without probabilities, such as regression, has the squared distance for both.
    has_temperature = kd_loss == KL and loss != task_losses[MSE]
    return Term(loss, weight, {"temperature": temperature} if has_temperature else {})
