"""Layers that are computed twice, so that what their gradient needs is not kept in between."""

import tensorflow as tf


def recomputed(run, hidden, keep=None):
    """Runs a layer, and once more for its gradient (Chen et al., 2016, section 3).

    Args:
        run: function of `hidden` to a nest of tensors; it uses the same variables and gives the
            same result whenever it is called.
        hidden: float tensor.
        keep: bool scalar, whether to run it at all; without, `run` gives a tensor like `hidden`,
            which is handed on. None: it always runs.

    Returns:
        What `run` returns.
    """

    @tf.custom_gradient
    def layer(hidden):
        def gradient(*upstream, variables=()):
            def through():
                with tf.GradientTape(watch_accessed_variables=False) as tape:
                    again = _after(upstream, hidden)
                    tape.watch((again, variables))
                    outputs = tf.nest.flatten(run(again))
                found = tape.gradient(
                    outputs, [again, *variables], upstream, unconnected_gradients="zero"
                )
                return [tf.convert_to_tensor(part) for part in found]

            def past():
                return [*upstream, *(tf.zeros(variable.shape) for variable in variables)]

            found = through() if keep is None else tf.cond(keep, through, past)
            return found[0], found[1:]

        outputs = (
            run(hidden) if keep is None else tf.cond(keep, lambda: run(hidden), lambda: hidden)
        )
        return outputs, gradient

    return layer(hidden)


def _after(upstream, hidden):
    """The tensor as it is, but not before the gradient that arrives has been computed.

    Compilers merge two equal computations, and keep the results of the first for the second; this
    makes them unequal, by an addend that is 0 and nobody can know to be.
    """
    first = tf.reshape(upstream[0], (-1,))[0]
    return hidden + tf.cast(tf.where(first == first, 0.0, 1.0), hidden.dtype)
