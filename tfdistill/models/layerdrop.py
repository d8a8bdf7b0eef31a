"""LayerDrop: a layer that is not kept in a step is not computed (Fan et al., 2019, section 3.1)."""

import dataclasses

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class LayerDraws:
    """Which layers a training step keeps, for the whole batch.

    Args:
        keep: bool (layers,).
        recompute: take the gradient by computing the layer once more. TensorFlow's own gradient of
            a branch keeps what was computed in it, by operators that Metal does not have.
    """

    keep: tf.Tensor
    recompute: bool = False


def run_or_skip(draws, index, block, hidden, **options):
    """Runs one layer, or hands its input on.

    Args:
        draws: `LayerDraws`.
        index: which layer.
        block: the layer; called with `hidden` and the options, it returns (hidden, taps).
        hidden: float (batch, length, hidden).
        **options: further arguments of the layer, through which no gradient is needed.

    Returns:
        float (batch, length, hidden).
    """

    def run(hidden):
        return block(hidden, **options)[0]

    if draws.recompute:
        return _recomputed(draws.keep[index], run, hidden)
    # A true branch, with and without XLA.
    return tf.cond(draws.keep[index], lambda: run(hidden), lambda: hidden)


def _recomputed(keep, run, hidden):
    @tf.custom_gradient
    def branch(hidden):
        def gradient(upstream, variables=()):
            def through():
                with tf.GradientTape(watch_accessed_variables=False) as tape:
                    tape.watch((hidden, variables))
                    output = run(hidden)
                found = tape.gradient(
                    output, [hidden, *variables], upstream, unconnected_gradients="zero"
                )
                return [tf.convert_to_tensor(part) for part in found]

            def past():
                return [upstream, *(tf.zeros(variable.shape) for variable in variables)]

            to_hidden, *to_variables = tf.cond(keep, through, past)
            return to_hidden, to_variables

        return tf.cond(keep, lambda: run(hidden), lambda: hidden), gradient

    return branch(hidden)
