"""Activation functions by Hugging Face's names."""

import functools
import math

import tensorflow as tf
from keras import ops

_gelu_tanh = functools.partial(ops.gelu, approximate=True)


def _gelu_erf(x):
    """x Phi(x) (Hendrycks & Gimpel, 2016), by erf. Keras uses erfc, which Metal does not have."""
    if x.dtype == "bfloat16":  # In float32 XLA fuses the plain form on CPUs, and it is faster.
        return _gelu_with_gradient(x)
    return 0.5 * x * (1.0 + ops.erf(x * math.sqrt(0.5)))


@tf.custom_gradient
def _gelu_with_gradient(x):
    """GELU with its derivative Phi(x) + x phi(x) written out.

    CPUs do not fuse bfloat16 operators, so that fewer of them take less time.
    """
    cdf = 0.5 + 0.5 * ops.erf(x * math.sqrt(0.5))

    def gradient(upstream):
        density = ops.exp(-0.5 * ops.square(x)) / math.sqrt(2.0 * math.pi)
        return upstream * (cdf + x * density)

    return x * cdf, gradient


def _silu(x):
    """x sigmoid(x). The sigmoid is computed in float32, the only type Metal has it in."""
    return x * ops.cast(ops.sigmoid(ops.cast(x, "float32")), x.dtype)


ACTIVATIONS = {
    "gelu": _gelu_erf,
    "gelu_python": _gelu_erf,
    "gelu_new": _gelu_tanh,
    "gelu_pytorch_tanh": _gelu_tanh,
    "gelu_fast": _gelu_tanh,
    "relu": ops.relu,
    "silu": _silu,
    "swish": _silu,
    "tanh": ops.tanh,
}
