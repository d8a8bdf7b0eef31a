"""Random numbers as a pure function of (seed, step, site, position).

They are drawn as integers. TensorFlow's random floats of one seed differ with and without XLA: one
takes the upper 23 bits of a random 32-bit word, the other the lower ones.
"""

import tensorflow as tf

BLOCK = 4  # 32-bit words that Philox makes from one counter value
_PHILOX = 1  # the algorithm's number in tf.raw_ops
_SITES = 1 << 16  # sites that fit beside the step in the upper half of the counter


def draw(shape, *, seed, site, position=0):
    """Draws numbers uniformly from [-2^31, 2^31), to be compared with a `threshold`.

    Every (seed, step, site) has its own stream of Philox, a generator without state: a function of
    key and counter (Salmon et al., 2011, "Parallel random numbers: as easy as 1, 2, 3").

    Args:
        shape: ints.
        seed: int32 (2,), a seed and the global step.
        site: int below 65,536, unique to each layer that draws with this seed.
        position: int scalar, start within the stream, in blocks of `BLOCK` numbers.

    Returns:
        float32 of `shape`, the same bit for bit with XLA and without.
    """
    seed = tf.cast(seed, tf.int64)
    # The 128-bit counter: step and site in the upper half, so that streams never overlap.
    lower, upper = tf.cast(position, tf.int64), seed[1] * _SITES + site
    counter = tf.concat([tf.reshape(lower, [1]), tf.reshape(upper, [1])], axis=0)
    words = tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=shape,
        key=tf.bitcast(seed[:1], tf.uint64),
        counter=tf.bitcast(counter, tf.uint64),
        alg=_PHILOX,
        dtype=tf.int32,
    )
    # Metal cannot compare or slice integers; all devices round them to the same floats.
    return tf.cast(words, tf.float32)


def threshold(rate):
    """The number that a draw is below with a given probability.

    Args:
        rate: float in [0, 1], the probability.

    Returns:
        float.
    """
    return (rate - 0.5) * 2.0**32
