"""Batches of labelled examples, each with one of a few lengths."""

import numpy as np

from tfdistill.data.batches import evaluation_rows
from tfdistill.data.bucket_order import BucketOrder, filled_batches

EXAMPLE = "example"


def rows_of_lengths(lengths, batch_size, tokens_per_batch=0, multiple=1):
    """Rows in a training batch of each length.

    Args:
        lengths: tuple of int.
        batch_size: rows in a batch.
        tokens_per_batch: tokens in a batch, with padding, in place of `batch_size`; 0 for rows.
        multiple: what the rows must be divisible by: micro-batches times devices.

    Returns:
        tuple of int, at least `multiple` each.
    """
    wanted = [tokens_per_batch // each if tokens_per_batch else batch_size for each in lengths]
    return tuple(max(1, rows // multiple) * multiple for rows in wanted)


class LabelledBatches:
    """Endless batches for training; batch `step` depends on the seed and the step alone.

    Args:
        source: `EncodedExamples` with at least one example.
        rows: rows in a batch of each length (see `rows_of_lengths`).
        seed: int >= 0.

    Attributes:
        source: the source.
        steps_per_epoch: batches that hold every example once.
    """

    def __init__(self, source, rows, seed):
        self.source, self._rows = source, tuple(rows)
        self._order = BucketOrder(source.buckets, self._rows, seed)
        self.steps_per_epoch = self._order.steps_per_epoch

    def at(self, step):
        """Makes batch `step`, from 0: the dict of `EncodedExamples.gather`."""
        indices, _ = self.rows_of(step)
        return self.source.gather(indices)

    def rows_of(self, step):
        """The examples of batch `step`, -1 for padding, and the epoch of each: int64 (batch,)."""
        return self._order.at(step)

    def mean_tokens(self):
        """Tokens of a batch, with padding, in the mean over an epoch: a float."""
        rows, lengths = np.array(self._rows), np.array(self.source.lengths)
        batches = -(-np.bincount(self.source.buckets, minlength=len(rows)) // rows)
        return float(batches @ (rows * lengths) / batches.sum())

    def tokens(self):
        """Ids of all tokens that batches hold, with [PAD]: int32, ascending."""
        return self.source.tokens_used()

    def signature(self):
        """What all batches have in common.

        Returns:
            dict of names to (shape, dtype), with None for sizes that depend on the length.
        """
        used = np.unique(self.source.buckets)
        shapes = [(self._rows[i], self.source.lengths[i]) for i in used]
        batches = [self.source.gather(np.full(rows, -1), length) for rows, length in shapes]
        return {
            name: (_common([batch[name].shape for batch in batches]), array.dtype)
            for name, array in batches[0].items()
        }


class LabelledEvaluationBatches:
    """Every example once, the shortest length first, with its index in the source.

    Args:
        source: `EncodedExamples`.
        tokens_per_batch: tokens in a batch, with padding; None: as in every evaluation.
    """

    def __init__(self, source, tokens_per_batch=None):
        self.source = source
        self._batches = []
        for bucket, length in enumerate(source.lengths):
            rows = evaluation_rows(length)
            if tokens_per_batch:
                rows = max(1, tokens_per_batch // length)
            members = np.flatnonzero(source.buckets == bucket)
            self._batches += [(each, length) for each in filled_batches(members, rows)]

    def __len__(self):
        return len(self._batches)

    def __iter__(self):
        return map(self.at, range(len(self)))

    def at(self, number):
        """Makes batch `number`, from 0.

        Returns:
            The dict of `EncodedExamples.gather`, with `example` int32 (batch,), the index of each
            row in the source, -1 for padding.
        """
        indices, length = self._batches[number]
        return self.source.gather(indices, length) | {EXAMPLE: indices.astype(np.int32)}


def _common(shapes):
    """The sizes that all shapes share, None for others."""
    return tuple(sizes[0] if len(set(sizes)) == 1 else None for sizes in zip(*shapes, strict=True))
