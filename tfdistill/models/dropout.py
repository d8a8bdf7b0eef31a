"""Dropout whose mask is a pure function of (seed, step, site, row)."""

import math
from typing import NamedTuple

import tensorflow as tf

from tfdistill.models.draws import BLOCK, draw_kept


class DropoutKey(NamedTuple):
    """The seeds of the dropout masks of one training step.

    Attributes:
        seed: int32 (2,), the run's seed and the global step.
        row: int32 scalar, the index of this replica's first row in the global batch.
    """

    seed: tf.Tensor
    row: tf.Tensor


def stateless_dropout(x, rate, key, site):
    """Zeroes elements with probability `rate` and scales the rest by 1 / (1 - rate).

    Every (seed, step, site) has its own stream of draws, of which each row of the global batch
    takes a fixed number of blocks. A replica draws its own rows only, and the mask of a row does
    not depend on how the batch is split.

    Args:
        x: float (rows, ...), static shape.
        rate: float in [0, 1).
        key: DropoutKey, or None for inference.
        site: int, unique to each dropout of the model.

    Returns:
        A tensor like x; x itself if rate is 0 or key is None.
    """
    if not rate or key is None:
        return x
    elements = math.prod(x.shape[1:])
    blocks = math.ceil(elements / BLOCK)  # per row
    position = tf.cast(key.row, tf.int64) * blocks
    kept = draw_kept(x.shape[0], blocks, rate, seed=key.seed, site=site, position=position)
    if blocks * BLOCK != elements:
        kept = kept[:, :elements]
    kept = tf.reshape(kept, x.shape)
    # A scalar zero, because Metal can fill tensors with float32 only.
    return tf.where(kept, x * tf.cast(1 / (1 - rate), x.dtype), tf.zeros((), x.dtype))
