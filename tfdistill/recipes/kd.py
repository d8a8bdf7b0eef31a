"""Knowledge distillation of predictions (Hinton et al., 2015, arXiv:1503.02531, section 2)."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

from tfdistill.distillation.phases import Phase, Recipe, Term
from tfdistill.recipes.options import RestrictToMask, TeacherShare, Temperature
from tfdistill.system.errors import UserError
from tfdistill.system.options import STEP, Option

KL, MSE = "kl", "mse"
CLASSES = "logits_kl"  # the loss whose predictions can be adjusted
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
    temperature_by: Annotated[
        str,
        Option(
            "A temperature for each example, lower for harder ones: flsw (hard is where the "
            "student's logits are not like the teacher's) or cwsm (where the student is not "
            "sure). Empty: one for all. For classes and tags.",
            choices=("", "flsw", "cwsm"),
            effect=STEP,
        ),
    ] = "",
    temperature_spread: Annotated[
        float,
        Option("How far the temperatures of `temperature_by` lie apart.", minimum=0.0, effect=STEP),
    ] = 1.0,
    probability_shift: Annotated[
        bool,
        Option(
            "Exchange the teacher's most likely class with the label where it is wrong. For "
            "classes and tags.",
            effect=STEP,
        ),
    ] = False,
    restrict_ce_to_mask: RestrictToMask = False,
    task_losses: Mapping = MASKED_LM,
):
    """alpha T^2 KL + (1 - alpha) the loss on the labels.

    Args:
        alpha: share of the comparison with the teacher.
        temperature: T of the KL.
        kd_loss: "kl", or "mse" for the squared distance of the logits (Ba and Caruana, 2014).
        temperature_by: "flsw" or "cwsm" for a temperature of each example (see
            `losses.adjustments.difficulty`; Wen et al., 2019, arXiv:1911.07471); "" for one of all.
        temperature_spread: factor of an example's distance from the mean difficulty.
        probability_shift: exchange the teacher's most likely class with the label (the same paper).
        restrict_ce_to_mask: for masked LM, compare at the masked tokens only, not at all tokens.
        task_losses: dict of "labels", "kl" and "mse" to names of losses: the task's loss on its
            labels, and what compares its logits.

    Returns:
        A `Recipe` of one phase.

    Raises:
        UserError: the task or `kd_loss` has no probabilities of classes to adjust.
    """
    term = predictions_term(task_losses, alpha, temperature, kd_loss, restrict_ce_to_mask)
    adjusted = {"temperature_by": temperature_by, "temperature_spread": temperature_spread}
    adjusted = adjusted if temperature_by else {}
    adjusted |= {"probability_shift": True} if probability_shift else {}
    if adjusted and term.loss != CLASSES:
        raise UserError(
            f"`{next(iter(adjusted))}` adjusts the KL of classes and tags, and this run compares "
            f"by the loss {term.loss!r}: leave it out"
        )
    terms = (
        Term(task_losses["labels"], 1.0 - alpha),
        dataclasses.replace(term, options={**term.options, **adjusted}),
    )
    return Recipe("kd", (Phase("kd", terms),), source="arXiv:1503.02531")


def predictions_term(task_losses, weight, temperature, kd_loss=KL, restrict_to_mask=False):
    """The comparison with the teacher's predictions.

    Args:
        task_losses, temperature, kd_loss: as for `kd`.
        weight: factor of the term.
        restrict_to_mask: for masked LM, compare at the masked tokens only; else without effect.

    Returns:
        A `Term`.
    """
    loss = task_losses[kd_loss]
    # A task without probabilities, such as regression, has the squared distance for both.
    has_temperature = kd_loss == KL and loss != task_losses[MSE]
    options = {"temperature": temperature} if has_temperature else {}
    if restrict_to_mask and task_losses == MASKED_LM:
        options["restrict_to_mask"] = True
    return Term(loss, weight, options)
