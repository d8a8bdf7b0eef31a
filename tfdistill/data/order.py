"""The order of the rows in training: a function of the seed and the step."""

import functools

import numpy as np

from tfdistill.data.random_streams import SHUFFLE, open_stream


class Order:
    """An endless order of rows: each epoch is a new permutation of all of them.

    A batch may begin in one epoch and end in the next.

    Args:
        rows: number of rows.
        batch_size: rows in a batch.
        seed: int >= 0.
    """

    def __init__(self, rows, batch_size, seed):
        self._rows, self._batch_size, self._seed = rows, batch_size, seed
        # A batch reads two epochs at most, unless it is larger than an epoch.
        self._permutation = functools.lru_cache(maxsize=2)(self._draw)

    @property
    def steps_per_epoch(self):
        """Batches in an epoch; the last may end in the next epoch."""
        return -(-self._rows // self._batch_size)

    def at(self, step):
        """The rows of a batch.

        Args:
            step: number of the batch, from 0.

        Returns:
            (indices, epochs): the rows, and the epoch of each, int64 (batch,).
        """
        places = np.arange(step * self._batch_size, (step + 1) * self._batch_size)
        epochs, places = np.divmod(places, self._rows)
        indices = np.empty(self._batch_size, np.int64)
        for epoch in range(epochs[0], epochs[-1] + 1):
            inside = epochs == epoch
            indices[inside] = self._permutation(epoch)[places[inside]]
        return indices, epochs

    def _draw(self, epoch):
        return open_stream(SHUFFLE, self._seed, epoch).permutation(self._rows)
