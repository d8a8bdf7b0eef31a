"""Dropout whose mask is a pure function of (seed, step, place, row)."""

import math
from typing import NamedTuple

import tensorflow as tf

from tfdistill.models.draws import BLOCK, draw, threshold


class DropoutKey(NamedTuple):
    """What the dropout masks of one training step are made from.

    Attributes:
        seed: int32 (2,), the run's seed and the global step.
        row: int32 scalar, the index of this replica's first row in the global batch.
    """

    seed: tf.Tensor
    row: tf.Tensor


def stateless_dropout(x, rate, key, site):
    """Zero elements with probability `rate` and scale the rest by 1 / (1 - rate).

    Every (seed, step, site) owns one stream of draws, in which each row of the global batch takes
    a fixed number of blocks: a replica draws its own rows only, and the mask of a row does not
    depend on how the batch was split.

    Args:
        x: float (rows, ...), static shape.
        rate: float in [0, 1).
        key: DropoutKey, or None for inference.
        site: int, unique to each place in the model that drops.

    Returns:
        A tensor like x; x itself when rate is 0 or key is None.
    """
    if not rate or key is None:
        return x
    elements = math.prod(x.shape[1:])
    blocks = math.ceil(elements / BLOCK)  # a row's
    position = tf.cast(key.row, tf.int64) * blocks
    drawn = draw([x.shape[0], blocks * BLOCK], seed=key.seed, site=site, position=position)
    if blocks * BLOCK != elements:
        drawn = drawn[:, :elements]
    kept = tf.reshape(drawn >= threshold(rate), x.shape)
    # A scalar zero: Metal fills tensors with float32 alone.
    return tf.where(kept, x * tf.cast(1 / (1 - rate), x.dtype), tf.zeros((), x.dtype))
