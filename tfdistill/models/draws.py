"""Random numbers as a pure function of (seed, step, site, position).

They are drawn as integers. TensorFlow's random floats of one seed differ with and without XLA: one
takes the upper 23 bits of a random 32-bit word, the other the lower ones.
"""

import tensorflow as tf

from tfdistill.models.compiled import is_compiled_for_cpu

BLOCK = 4  # 32-bit words that Philox makes from one counter value
_PHILOX = 1  # the algorithm's number in tf.raw_ops
LARGE = 1 << 15  # blocks of a draw that saves more in a few hundred steps than it takes to compile
_ROUNDS, _FACTORS, _WEYL = 10, (0xD2511F53, 0xCD9E8D57), (0x9E3779B9, 0xBB67AE85)
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
    lower, upper = _counter(seed, site, position)
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


def draw_kept(rows, blocks, rate, *, seed, site, position):
    """Draws a dropout mask: an element is kept if its number of `draw` is at least `threshold`.

    Args:
        rows: int, rows of the mask.
        blocks: int, groups of `BLOCK` elements in a row.
        rate: float in [0, 1], the probability that an element is dropped.
        seed, site, position: as for `draw`.

    Returns:
        The mask, bool (rows, blocks * BLOCK): False drops an element.
    """
    if rows * blocks < LARGE or not is_compiled_for_cpu():
        numbers = draw([rows, blocks * BLOCK], seed=seed, site=site, position=position)
        return numbers >= threshold(rate)
    # XLA's own code computes each block BLOCK times over. This computes it once, into BLOCK bits,
    # and takes about half a second to compile.
    seed = tf.cast(seed, tf.int64)
    bits = tf.cond(
        # Always true, as steps are int32. XLA cannot know it, and would otherwise compute the bits
        # again in every operator that reads them; an optimization barrier does not prevent that.
        seed[1] >= -(2**31),
        lambda: _kept_bits(rows * blocks, rate, seed, site, position),
        lambda: tf.zeros([rows * blocks], tf.int32),
    )
    lanes = tf.constant([1 << lane for lane in range(BLOCK)])
    kept = tf.bitwise.bitwise_and(tf.reshape(bits, (rows, blocks, 1)), lanes) > 0
    return tf.reshape(kept, (rows, blocks * BLOCK))


def _kept_bits(blocks, rate, seed, site, position):
    """The mask, packed: int32 (blocks,); bit n is 1 if element n of the block is kept."""
    words = _philox_blocks(blocks, seed, site, position)
    numbers = [tf.cast(tf.bitcast(word, tf.int32), tf.float32) for word in words]
    return tf.add_n(
        [tf.where(number >= threshold(rate), 1 << lane, 0) for lane, number in enumerate(numbers)]
    )


def _counter(seed, site, position):
    """The halves of Philox's 128-bit counter, int64: (lower, upper)."""
    # Step and site in the upper half, so that streams never overlap.
    return tf.cast(position, tf.int64), seed[1] * _SITES + site


def _philox_blocks(blocks, seed, site, position):
    """The blocks of one stream, by Philox4x32-10 (Salmon et al., 2011, section 3.3).

    Returns:
        A list of `BLOCK` tensors uint32 (blocks,): the first numbers of all blocks, the second ...
    """
    lower, upper = _counter(seed, site, position)
    key = tf.bitcast(seed[0], tf.uint32)
    low, high = _halves(tf.bitcast(lower + tf.range(blocks, dtype=tf.int64), tf.uint64))
    counter = [low, high, *tf.unstack(tf.bitcast(upper, tf.uint32))]
    for number in range(_ROUNDS):
        (low_0, high_0), (low_2, high_2) = (
            _halves(tf.cast(word, tf.uint64) * factor)
            for word, factor in zip(counter[::2], _FACTORS, strict=True)
        )
        own = key + tf.constant([number * weyl % 2**32 for weyl in _WEYL], tf.uint32)
        xor = tf.bitwise.bitwise_xor
        counter = [
            xor(xor(high_2, counter[1]), own[0]),
            low_2,
            xor(xor(high_0, counter[3]), own[1]),
            low_0,
        ]
    return counter


def _halves(x):
    """The lower and the upper 32 bits of uint64."""
    upper = tf.bitwise.right_shift(x, tf.cast(32, x.dtype))
    return tf.cast(x, tf.uint32), tf.cast(upper, tf.uint32)
