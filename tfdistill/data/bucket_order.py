"""The order of examples of several lengths in training: a function of the seed and the step."""

import functools

import numpy as np

from tfdistill.data.random_streams import SHUFFLE, open_stream


class BucketOrder:
    """An endless order of batches, each with the examples of one bucket.

    Every epoch has all examples once, in new batches and a new order of the batches. The last batch
    of each bucket is filled up with -1.

    Args:
        bucket_of_example: int (examples,), the bucket of each example, from 0.
        rows_per_bucket: rows in a batch of each bucket.
        seed: int >= 0.

    Attributes:
        steps_per_epoch: batches in an epoch.
    """

    def __init__(self, bucket_of_example, rows_per_bucket, seed):
        self._rows, self._seed = tuple(rows_per_bucket), seed
        buckets = np.asarray(bucket_of_example)
        self._members = [np.flatnonzero(buckets == i) for i in range(len(self._rows))]
        self.steps_per_epoch = sum(
            -(-len(members) // rows)
            for members, rows in zip(self._members, self._rows, strict=True)
        )
        self._epoch = functools.lru_cache(maxsize=2)(self._draw)

    def at(self, step):
        """The examples of a batch.

        Args:
            step: number of the batch, from 0.

        Returns:
            (indices, epochs): the examples, -1 for padding, and the epoch of each, int64 (batch,).
        """
        epoch, number = divmod(step, self.steps_per_epoch)
        indices = self._epoch(epoch)[number]
        return indices, np.full(len(indices), epoch, np.int64)

    def _draw(self, epoch):
        """The batches of an epoch: a list of int64 (batch,)."""
        stream = open_stream(SHUFFLE, self._seed, epoch)
        batches = []
        for members, rows in zip(self._members, self._rows, strict=True):
            batches += filled_batches(stream.permutation(members), rows)
        return [batches[i] for i in stream.permutation(len(batches))]


def filled_batches(indices, rows):
    """Cuts indices into batches.

    Args:
        indices: int (examples,).
        rows: indices in a batch.

    Returns:
        list of int64 (rows,); the last is filled up with -1.
    """
    filled = np.full(-(-len(indices) // rows) * rows, -1, np.int64)
    filled[: len(indices)] = indices
    return list(filled.reshape(-1, rows))
