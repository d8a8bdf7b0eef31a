"""Rematerialization: layers are computed again for their gradient, to store fewer activations."""

import tensorflow as tf


def recomputed(run, inputs, keep=None, skip=None):
    """Runs a layer, and runs it again for its gradient (Chen et al., 2016, section 3).

    Args:
        run: function of `inputs` to a nest of tensors, which returns the same result whenever it
            is called.
        inputs: nest of float tensors.
        keep: bool scalar, whether to run the layer. If false, `skip` runs instead. None: the layer
            always runs.
        skip: function of `inputs` to a nest like that of `run`, without variables.

    Returns:
        The result of `run` or `skip`.
    """

    @tf.custom_gradient
    def layer(*flat):
        def gradient(*upstream, variables=()):
            def backward(function):
                with tf.GradientTape(watch_accessed_variables=False) as tape:
                    again = [_after(upstream, each) for each in flat]
                    tape.watch((again, variables))
                    outputs = tf.nest.flatten(function(tf.nest.pack_sequence_as(inputs, again)))
                sources = [*again, *variables]
                found = tape.gradient(outputs, sources, upstream)
                return [
                    _zeros(source) if part is None else tf.convert_to_tensor(part)
                    for source, part in zip(sources, found, strict=True)
                ]

            found = _either(keep, lambda: backward(run), lambda: backward(skip))
            return found[: len(flat)], found[len(flat) :]

        given = tf.nest.pack_sequence_as(inputs, flat)
        return _either(keep, lambda: run(given), lambda: skip(given)), gradient

    return layer(*tf.nest.flatten(inputs))


def _either(keep, first, second):
    return first() if keep is None else tf.cond(keep, first, second)


def _zeros(like):
    """Zeros in the form of a tensor or variable; Metal cannot fill tensors of 16 bits."""
    shape = like.shape if like.shape.is_fully_defined() else tf.shape(like)
    return tf.cast(tf.zeros(shape), like.dtype)


def _after(upstream, hidden):
    """Returns `hidden` unchanged, but dependent on the incoming gradient.

    Compilers merge two equal computations and store the results of the first for the second. The
    addend, a 0 that the compiler cannot prove to be 0, makes the two differ.
    """
    first = tf.reshape(upstream[0], (-1,))[0]
    return hidden + tf.cast(tf.where(first == first, 0.0, 1.0), hidden.dtype)
