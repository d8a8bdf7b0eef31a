"""Random streams: every draw is a function of its use, a seed and a number, never of the past."""

import numpy as np

# Every use of randomness has a stream of its own.
SHUFFLE, TRANSFORM, EVALUATION, ROW_TRANSFORM, AUGMENTATION, HELD_OUT_PAIRS = range(6)


def open_stream(use, seed, number, skip=0, row=0):
    """Opens a random stream.

    Args:
        use: one of the constants of this module.
        seed: int >= 0.
        number: int >= 0, such as a step or an epoch.
        skip: number of float64 draws to leave out at the beginning.
        row: int >= 0, for streams of single rows.

    Returns:
        A `numpy.random.Generator`.
    """
    # Philox counts in blocks of four draws; the use is the highest word of the counter.
    blocks, rest = divmod(skip, 4)
    generator = np.random.Generator(
        np.random.Philox(key=[seed, number], counter=[blocks, row, 0, use])
    )
    generator.random(rest)
    return generator


class RowStreams:
    """Draws as a `numpy.random.Generator` does, with a stream of its own for each row.

    The first axis of every draw is the row.

    Args:
        streams: list of `numpy.random.Generator`, one for each row of the batch.
    """

    def __init__(self, streams):
        self._streams = streams

    def random(self, size):
        """Uniform float64 in [0, 1): an array of shape `size`."""
        return np.stack([stream.random(size[1:]) for stream in self._streams])

    def integers(self, high, size):
        """Integers from 0 to high - 1: an array of shape `size`."""
        return np.stack([stream.integers(high, size=size[1:]) for stream in self._streams])
