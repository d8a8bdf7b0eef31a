"""Rows of text: the source of batches that is cut from the shards of a corpus."""

import hashlib

import numpy as np


class Rows:
    """A split cut into full rows: [CLS], then length - 2 consecutive ids, then [SEP].

    A row may begin and end anywhere in a document; where a document ends the next one follows
    after a [SEP]. Only the last row may be shorter; it is padded.

    Args:
        shard: a `Shard`.
        length: tokens in a row, [CLS] and [SEP] included.
        tokenizer: the `Tokenizer` that the shard was prepared with.

    Attributes:
        length: tokens in a row.
        ids: the tokenizer's `TokenIds`.
        counts: int64 (vocab,), how often each token occurs; 0 for tokens that are never predicted
            ([UNK], [SEP], …), so that these are the frequencies of the targets.
    """

    def __init__(self, shard, length, tokenizer):
        self.length = length
        self.ids = ids = tokenizer.ids
        self.counts = np.where(ids.predictable, shard.counts, 0)
        width = length - 2
        stream = np.asarray(shard.ids)  # plain indexing is faster; the data stay on the disk
        self._whole = len(stream) // width
        self._body = stream[: self._whole * width].reshape(self._whole, width)
        rest = stream[self._whole * width :]
        self._last = np.full(length, ids.pad, np.int32)
        self._last[: len(rest) + 2] = [ids.cls, *rest, ids.sep]
        self._count = self._whole + (len(rest) > 0)

    def __len__(self):
        return self._count

    def digest(self):
        """SHA-256 of the text, of its counts and of the ids that transforms read: a str."""
        ids, found = self.ids, hashlib.sha256()
        special = np.array([ids.cls, ids.sep, ids.pad, ids.mask])
        tables = ids.predictable, ids.ordinary, ids.continues, self.counts
        for array in (self._body, self._last, special, *tables):
            found.update(np.ascontiguousarray(array))
        return found.hexdigest()

    def gather(self, indices):
        """Gathers rows.

        Args:
            indices: int (batch,); -1 stands for a row of padding alone, which weighs nothing.

        Returns:
            int32 (batch, length).
        """
        rows = np.empty((len(indices), self.length), np.int32)
        rows[:, 0], rows[:, -1] = self.ids.cls, self.ids.sep
        whole = (indices >= 0) & (indices < self._whole)
        rows[whole, 1:-1] = self._body[indices[whole]]
        rows[~whole] = self._last
        rows[indices < 0] = self.ids.pad
        return rows
