"""LayerDrop: a layer that is not kept in a step is not computed (Fan et al., 2019, section 3.1)."""

import dataclasses

import tensorflow as tf

from tfdistill.models.draws import draw, threshold
from tfdistill.models.remat import recomputed

STREAM = 0x1D  # keeps these draws apart from those of dropout


@dataclasses.dataclass(frozen=True)
class LayerDraws:
    """Which layers a training step keeps, for the whole batch.

    Args:
        keep: bool (layers,).
        recompute: take the gradient by computing the layer once more, which spares memory.
            TensorFlow's own gradient of a branch keeps what was computed in it, by operators that
            Metal does not have.
    """

    keep: tf.Tensor
    recompute: bool = False


def draw_layers(layers, rate, *, seed, step, recompute=False):
    """Draws which layers a step keeps, each by itself; the same on every device.

    Args:
        layers: int, how many there are.
        rate: float in [0, 1), the chance that a layer is skipped.
        seed: int, the run's.
        step: int32 scalar, the global step.
        recompute: see `LayerDraws`.

    Returns:
        `LayerDraws`.
    """
    seed = tf.stack([tf.constant(seed ^ STREAM), step])
    return LayerDraws(draw([layers], seed=seed, site=0) >= threshold(rate), recompute)


def run_or_skip(draws, index, block, hidden):
    """Runs one layer, or hands its input on.

    Args:
        draws: `LayerDraws`.
        index: which layer.
        block: the layer; called with `hidden`, it returns (hidden, taps).
        hidden: float (batch, length, hidden).

    Returns:
        float (batch, length, hidden).
    """

    def run(hidden):
        return block(hidden)[0]

    if draws.recompute:
        return recomputed(run, hidden, draws.keep[index])
    # A true branch, with and without XLA.
    return tf.cond(draws.keep[index], lambda: run(hidden), lambda: hidden)
