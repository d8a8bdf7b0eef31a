"""Layer normalization, and the scale and shift that MobileBERT has in its place."""

import contextlib
import contextvars

import keras
import tensorflow as tf
from keras import ops

from tfdistill.models.active_part import active_units

_scales_apart = contextvars.ContextVar("scales_apart", default=False)


@contextlib.contextmanager
def scales_apart():
    """Stops converters from folding the scale of a norm into the kernels that read the norm.

    Graphs traced inside this context have one more operator behind each norm. Without it,
    TensorFlow's TFLite converter multiplies gamma into each projection behind a norm. The
    products lose more in quantization than the kernels do, because one column with a large gamma
    sets the range for all others, and the word table behind the last norm is stored twice.
    """
    token = _scales_apart.set(True)
    try:
        yield
    finally:
        _scales_apart.reset(token)


def end_of_norm(x):
    """Returns the result of a norm unchanged, behind a barrier inside `scales_apart`.

    Args:
        x: float tensor.
    """
    # Every number is at least the lowest one, so the maximum changes nothing.
    return tf.maximum(x, x.dtype.min) if _scales_apart.get() else x


def inverse_norms(vectors):
    """Returns 1 / the length of vectors (L2 norm), with a gradient for vectors of zeros, too.

    Args:
        vectors: float (..., width).

    Returns:
        (..., 1); 1 for vectors of zeros.
    """
    squared = ops.sum(vectors * vectors, axis=-1, keepdims=True)
    # The choice comes first: there is no gradient at 0, which rows of padding have. A small number
    # in place of it would be 0 in float16 files. Not by a square root, whose gradient has no kernel
    # on Metal.
    return ops.rsqrt(ops.where(squared > 0, squared, ops.ones_like(squared)))


class LayerNormalization(keras.layers.Layer):
    """Layer normalization over the last axis, in float32 (Ba et al., 2016, section 3).

    The output has the compute type of the layer's policy, whatever the input's type. A `residual`
    is added to the input first. Inside `active_part`, it normalizes the active units, and the
    others are 0.

    Args:
        epsilon: float, added to the biased variance.
        name: str.
    """

    def __init__(self, epsilon, name="layer_norm"):
        super().__init__(name=name, autocast=False)
        self.epsilon = epsilon

    def build(self, input_shape):
        size = input_shape[-1]
        options = dict(shape=(size,), autocast=False)
        self.gamma = self.add_weight(initializer="ones", name="gamma", **options)
        self.beta = self.add_weight(initializer="zeros", name="beta", **options)

    def call(self, x, residual=None):
        wide = ops.cast(x if residual is None else x + residual, "float32")
        active = active_units("width", wide.shape[-1])
        if active is None:
            centered = wide - ops.mean(wide, axis=-1, keepdims=True)
            variance = ops.mean(ops.square(centered), axis=-1, keepdims=True)
            gamma, beta = self.gamma, self.beta
        else:
            shares = active / ops.sum(active)
            centered = (wide - ops.sum(wide * shares, axis=-1, keepdims=True)) * active
            variance = ops.sum(ops.square(centered) * shares, axis=-1, keepdims=True)
            gamma, beta = self.gamma, self.beta * active
        normal = centered * ops.rsqrt(variance + self.epsilon)
        return end_of_norm(ops.cast(normal * gamma + beta, self.compute_dtype))


class NoNorm(keras.layers.Layer):
    """A scale and a shift, gamma * x + beta (Sun et al., 2020, section 3.3).

    A `residual` is added to the input first.

    Args:
        name: str.
    """

    def __init__(self, name="layer_norm"):
        super().__init__(name=name, autocast=False)

    def build(self, input_shape):
        options = dict(shape=(input_shape[-1],), autocast=False)
        self.gamma = self.add_weight(initializer="ones", name="gamma", **options)
        self.beta = self.add_weight(initializer="zeros", name="beta", **options)

    def call(self, x, residual=None):
        wide = ops.cast(x if residual is None else x + residual, "float32")
        return end_of_norm(ops.cast(wide * self.gamma + self.beta, self.compute_dtype))
