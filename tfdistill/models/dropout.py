"""Dropout whose mask is a pure function of (seed, step, place, row)."""

import math
from typing import NamedTuple

import tensorflow as tf

_PHILOX = 1  # the algorithm's number in tf.raw_ops
_BLOCK = 4  # 32-bit words that Philox makes from one counter value
_SITES = 1 << 16  # places that fit beside the step in the upper half of the counter


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

    Every (seed, step, site) owns one Philox stream, in which each row of the global batch takes a
    fixed block of counters: a replica draws its own rows only, and the mask of a row does not
    depend on how the batch was split (Salmon et al., 2011, "Parallel random numbers: as easy as
    1, 2, 3": the generator is a function of key and counter, without state).

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
    blocks = math.ceil(elements / _BLOCK)
    uniform = _uniform(x.shape[0], blocks, key, site)  # (rows, 4 * blocks), in [0, 1)
    if blocks * _BLOCK != elements:
        uniform = uniform[:, :elements]
    kept = tf.reshape(uniform >= rate, x.shape)
    # A scalar zero: Metal fills tensors with float32 alone.
    return tf.where(kept, x * tf.cast(1 / (1 - rate), x.dtype), tf.zeros((), x.dtype))


def _uniform(rows, blocks, key, site):
    """float32 (rows, 4 * blocks) uniform numbers of the rows from key.row on."""
    seed = tf.cast(key.seed, tf.int64)
    # The 128-bit counter: place and step above, so that streams never meet; position below.
    lower = tf.cast(key.row, tf.int64) * blocks
    upper = seed[1] * _SITES + site
    counter = tf.concat([tf.reshape(lower, [1]), tf.reshape(upper, [1])], axis=0)
    return tf.raw_ops.StatelessRandomUniformV2(
        shape=[rows, blocks * _BLOCK],
        key=tf.bitcast(seed[:1], tf.uint64),
        counter=tf.bitcast(counter, tf.uint64),
        alg=_PHILOX,
        dtype=tf.float32,
    )
