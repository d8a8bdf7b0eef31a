"""The Dense layers of every model and projection, made in one place."""

import keras


def dense(units, name, *, kernel_initializer="zeros", dtype=None):
    """Makes a Dense layer with a bias and no activation.

    Whatever changes all matrix products of a model, such as fake quantization, pruning masks or
    low-rank factors, belongs here.

    Args:
        units: int, size of the output.
        name: str.
        kernel_initializer: a Keras initializer. Models are filled after they are made, so their
            kernels start at zero.
        dtype: the layer's dtype policy; None takes Keras's global policy.

    Returns:
        A `keras.layers.Dense`, not built yet.
    """
    return keras.layers.Dense(units, kernel_initializer=kernel_initializer, name=name, dtype=dtype)
