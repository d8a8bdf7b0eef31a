"""Losses that recipes can name.

`LOSSES` maps their names to `Loss` objects. A new loss is one class with the decorator `register`,
in one of these modules or in a user's recipe file.
"""

from tfdistill.distillation.losses import (  # noqa: F401
    attention,
    grams,
    hidden,
    labels,
    logits,
    next_sentence,
    part_states,
    relations,
    small_logits,
    spans,
    vectors,
)
from tfdistill.distillation.losses.loss import LOSSES, Comparison, Loss, register

__all__ = ["LOSSES", "Comparison", "Loss", "register"]
