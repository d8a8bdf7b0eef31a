"""Random numbers as a pure function of (seed, step, place, position).

They are drawn as integers. Floats that TensorFlow draws from the same seed differ between XLA and
graphs without it: of a random 32-bit word the one keeps the upper, the other the lower 23 bits.
"""

import tensorflow as tf

BLOCK = 4  # 32-bit words that Philox makes from one counter value
_PHILOX = 1  # the algorithm's number in tf.raw_ops
_SITES = 1 << 16  # places that fit beside the step in the upper half of the counter


def draw(shape, *, seed, site, position=0):
    """Draws numbers that are spread evenly between -2^31 and 2^31, for `threshold`.

    Every (seed, step, site) owns one stream of Philox, a generator that is a function of key and
    counter, without state (Salmon et al., 2011, "Parallel random numbers: as easy as 1, 2, 3").

    Args:
        shape: ints.
        seed: int32 (2,), a seed and the global step.
        site: int below 65,536, unique to each place that draws with this seed.
        position: int scalar, where in the stream to begin, in blocks of `BLOCK` numbers.

    Returns:
        float32 of `shape`, the same bit for bit with XLA and without.
    """
    seed = tf.cast(seed, tf.int64)
    # The 128-bit counter: step and site above, so that streams never meet; position below.
    lower, upper = tf.cast(position, tf.int64), seed[1] * _SITES + site
    counter = tf.concat([tf.reshape(lower, [1]), tf.reshape(upper, [1])], axis=0)
    words = tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=shape,
        key=tf.bitcast(seed[:1], tf.uint64),
        counter=tf.bitcast(counter, tf.uint64),
        alg=_PHILOX,
        dtype=tf.int32,
    )
    # Metal neither compares nor cuts integers; all round them to floats alike.
    return tf.cast(words, tf.float32)


def threshold(rate):
    """The number that a draw is below with probability `rate`, a float in [0, 1]."""
    return (rate - 0.5) * 2.0**32
