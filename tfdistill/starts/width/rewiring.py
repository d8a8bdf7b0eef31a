"""Heads and neurons put in the order of their importance ("rewiring", DynaBERT).

A narrower part then has the most important ones (Hou et al., 2020, section 2.1). The model computes
the same as before.
"""

import numpy as np

from tfdistill.distillation.losses import LOSSES, Comparison
from tfdistill.distillation.signals import compute_signals
from tfdistill.models.part_shapes import PartShape
from tfdistill.models.subnet import extract_subnet
from tfdistill.starts.width.calibration import Text, full_precision
from tfdistill.starts.width.importance import unit_importance
from tfdistill.starts.width.selection import copy_block, sorted_heads


def rewire(model, batches, loss):
    """Sorts the heads and neurons of each layer, the most important first.

    Args:
        model: a `Model` with a head, changed in place.
        batches: list of training batches with labels, dicts of arrays; importance is summed over
            them (see `unit_importance`).
        loss: name of the loss on the labels.
    """
    with full_precision():
        exact = extract_subnet(model, PartShape.of(model.config))
    _, layers = unit_importance(exact, Text(batches), loss=label_loss(loss))
    order = np.arange(model.config.hidden_size)
    for block, units in zip(model.encoder.blocks, sorted_heads(model.config, layers), strict=True):
        copy_block(block, block, order, units)


def label_loss(name):
    """The loss of a model on the labels of a batch.

    Args:
        name: of the loss.

    Returns:
        Function of a model and a batch, a dict of tensors, to a float32 scalar.
    """
    loss = LOSSES[name]

    def compute(model, batch):
        signals = compute_signals(model, batch, loss.signals())
        return loss.compute(Comparison(signals, None, batch, loss.count(batch)))

    return compute
