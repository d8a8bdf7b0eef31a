"""The part of a model that runs: some of its layers, and the first units of each layer.

A graph that is traced inside `active_part` computes at full size. Masks keep the other units at
zero, so sizes may be tensors, and one trace serves parts of all shapes. Only five places need them:
norms, which also take their means over the active units alone and so keep the stream's other units
at zero; heads and their dimensions, behind the projections; feed-forward neurons; and the pooler.
"""

import contextlib
import contextvars
import math

import tensorflow as tf

from tfdistill.models.layerdrop import LayerDraws

_active = contextvars.ContextVar("active_part", default=None)


@contextlib.contextmanager
def active_part(shape):
    """Context in which `TransformerLayer`s, `Embeddings` and heads run as a part.

    A recomputed layer runs again for its gradient, so the gradient belongs inside, too. The depth
    is not part of the context: see `part_layers`.

    Args:
        shape: `PartShape`; None for the whole model.
    """
    token = _active.set(shape)
    try:
        yield
    finally:
        _active.reset(token)


def part_layers(shape, depth, recompute=False):
    """The layers of a part, as an argument of `Encoder.call`.

    Args:
        shape: `PartShape`.
        depth: int, layers of the whole model.
        recompute: see `LayerDraws`.

    Returns:
        `LayerDraws`.
    """
    return LayerDraws(_kept(shape, depth), recompute, first_runs=True)


def active_layers(depth):
    """Which layers are active.

    Args:
        depth: int, layers of the whole model.

    Returns:
        float32 (depth,), ones and zeros; None outside of `active_part`.
    """
    shape = _active.get()
    return None if shape is None else tf.cast(_kept(shape, depth), tf.float32)


def _kept(shape, depth):
    """bool (depth,), as `PartShape.layer_places`; floats, because Metal cannot compare integers."""
    places, layers = tf.range(depth, dtype=tf.float32), tf.cast(shape.layers, tf.float32)
    if not shape.spread:
        return places < layers
    # A layer p is kept where a multiple of L / l lies in [p, p + 1). The half keeps quotients apart
    # from whole numbers, on whose two sides they might be rounded.
    before = [tf.floor(((places + step) * layers - 0.5) / depth) for step in (0.0, 1.0)]
    return before[1] > before[0]


def active_units(name, size):
    """Which of the units of a kind are active.

    Args:
        name: field of `PartShape`.
        size: int, number of the units.

    Returns:
        float32 (size,), ones and then zeros; None outside of `active_part`.
    """
    shape = _active.get()
    if shape is None:
        return None
    # Floats, because Metal cannot compare integers.
    active = tf.range(size, dtype=tf.float32) < tf.cast(getattr(shape, name), tf.float32)
    return tf.cast(active, tf.float32)


def score_scale(size, dtype):
    """The factor of attention scores, 1 / sqrt(dimensions of a head).

    Args:
        size: int, dimensions of the whole model's heads.
        dtype: type of the result inside `active_part`, where heads may be smaller.

    Returns:
        float, or a scalar of `dtype`.
    """
    shape = _active.get()
    if shape is None:
        return 1 / math.sqrt(size)
    return tf.cast(tf.math.rsqrt(tf.cast(shape.head_size, tf.float32)), dtype)
