"""LayerDrop: layers that are skipped in a training step (Fan et al., 2019, section 3.1)."""

import dataclasses

import tensorflow as tf

from tfdistill.models.draws import draw, threshold
from tfdistill.models.remat import recomputed

STREAM = 0x1D  # combined with the seed: other draws than those of dropout


@dataclasses.dataclass(frozen=True)
class LayerDraws:
    """The layers that a training step runs, for the whole batch.

    Args:
        keep: bool (layers,).
        recompute: whether to compute each layer again for its gradient, which needs less memory.
            Otherwise TensorFlow stores the results of a branch, with operators that Metal does
            not have.
        first_runs: whether the first layer always runs. The taps of a skipped layer are then those
            of the layer before it; otherwise skipped layers cannot be tapped.
    """

    keep: tf.Tensor
    recompute: bool = False
    first_runs: bool = False


def draw_layers(layers, rate, *, seed, step, recompute=False):
    """Draws the layers that a step runs, independently and equally on every device.

    Args:
        layers: int, number of layers.
        rate: float in [0, 1), the probability that a layer is skipped.
        seed: int, the run's seed.
        step: int32 scalar, the global step.
        recompute: see `LayerDraws`.

    Returns:
        `LayerDraws`.
    """
    seed = tf.stack([tf.constant(seed ^ STREAM), step])
    return LayerDraws(draw([layers], seed=seed, site=0) >= threshold(rate), recompute)


def run_or_skip(draws, index, block, hidden, before, select=None):
    """Runs one layer, or returns its input.

    Args:
        draws: `LayerDraws`.
        index: int, index of the layer.
        block: function of `hidden` to (hidden, taps), the layer.
        hidden: float (batch, length, hidden).
        before: the taps of the layer before; {} without.
        select: function of (batch, length, size) to (batch, rows, size), the rows that `block`
            computes; None: all rows.

    Returns:
        (float (batch, rows, hidden), taps).
    """

    def run(inputs):
        return block(inputs[0])

    def skip(inputs):
        hidden, before = inputs
        return hidden if select is None else select(hidden), before

    inputs = hidden, before
    if index == 0 and draws.first_runs:
        return recomputed(run, inputs) if draws.recompute else run(inputs)
    if draws.recompute:
        return recomputed(run, inputs, draws.keep[index], skip)
    # A branch, so that a skipped layer is not computed, with and without XLA.
    return tf.cond(draws.keep[index], lambda: run(inputs), lambda: skip(inputs))
