"""Labelled examples as token ids: the source of batches of several lengths."""

import hashlib

import numpy as np

from tfdistill.data.labelled.bucket_lengths import choose_lengths

LABELS, WEIGHTS = "labels", "label_weights"
# Where a batch has it: 1 for predictions to be compared with a teacher's, labelled or not, float32
# of the shape of the labels.
TAUGHT = "taught"


class EncodedExamples:
    """Examples as token ids, gathered into rows of one of a few lengths.

    A row is an example; for questions, it is a window of one (see `texts.examples`).

    Args:
        texts: `EncodedTexts`.
        examples: list of the examples as they were read.
        pad: id of [PAD].
        longest: most tokens that a row may have.
        per_row: dict of names to arrays (rows, …) that batches hold, such as labels of rows.
        per_token: dict of names to arrays (tokens, …), such as labels of words.
        lengths: tuple of int, ascending; empty: chosen for these examples.
        facts: dict of what is told about the examples.

    Attributes:
        texts: the `EncodedTexts`.
        examples: the list.
        tokens: int64 (rows,), tokens of each row.
        lengths: tuple of int, ascending: every batch has one of them.
        buckets: int64 (rows,), the index in `lengths` of the smallest that holds the row.
        facts: the dict.
    """

    def __init__(
        self,
        texts,
        examples,
        *,
        pad,
        longest,
        per_row=None,
        per_token=None,
        lengths=(),
        facts=None,
    ):
        self.texts, self.tokens, self.facts = texts, texts.tokens, dict(facts or {})
        self.examples = examples
        self._pad, self._longest = pad, longest
        self._per_row, self._per_token = dict(per_row or {}), {"input_ids": texts.ids}
        if texts.types.any():  # models take zeros where there are none
            self._per_token["token_type_ids"] = texts.types
        self._per_token |= per_token or {}
        self.lengths = tuple(lengths) or choose_lengths(self.tokens, longest)
        self.buckets = np.searchsorted(self.lengths, self.tokens)
        self.facts["lengths"] = list(self.lengths)

    def __len__(self):
        return len(self.tokens)

    @property
    def length(self):
        """The largest of the lengths."""
        return self.lengths[-1]

    def with_lengths(self, lengths):
        """The same examples in rows of other lengths: `EncodedExamples`."""
        return self._copy(lengths=lengths)

    def with_arrays(self, *, per_row=None, per_token=None):
        """The same examples with more arrays in their batches, such as the answers of a teacher.

        Args:
            per_row: dict of names to arrays (rows, …).
            per_token: dict of names to arrays (tokens, …), the tokens of all rows one after the
                other; a batch holds them as (batch, length, …), 0 at padding.

        Returns:
            `EncodedExamples`.
        """
        return self._copy(per_row=per_row or {}, per_token=per_token or {})

    def _copy(self, lengths=(), per_row=(), per_token=()):
        return EncodedExamples(
            self.texts,
            self.examples,
            pad=self._pad,
            longest=self._longest,
            per_row=self._per_row | dict(per_row),
            per_token=self._per_token | dict(per_token),
            lengths=lengths or self.lengths,
            facts=self.facts,
        )

    def tokens_used(self):
        """Ids of all tokens of the rows, with [PAD]: int32, ascending."""
        return np.unique(np.append(self.texts.ids, np.int32(self._pad)))

    def token_counts(self, vocabulary):
        """How often each token occurs: int64 (vocabulary,)."""
        return np.bincount(self.texts.ids, minlength=vocabulary)

    def digest(self):
        """SHA-256 of the token ids and the labels, whatever the lengths: a str."""
        found = hashlib.sha256(np.int64([self._pad, self._longest]))
        for arrays in ({"bounds": self.texts.bounds}, self._per_row, self._per_token):
            for name in sorted(arrays):
                found.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
                found.update(np.ascontiguousarray(arrays[name]))
        return found.hexdigest()

    def row_array(self, name):
        """An array of the rows, such as "labels": (rows, …)."""
        return self._per_row[name]

    def side_mask(self, rows, length, side):
        """The tokens of rows that belong to one of two texts.

        Args:
            rows: int (batch,), -1 for rows of padding.
            length: tokens in a row.
            side: `encoding.FIRST` or `SECOND`.

        Returns:
            bool (batch, length).
        """
        found = np.zeros((len(rows), length), bool)
        for place, row in enumerate(rows):
            if row >= 0:
                tokens = slice(self.texts.bounds[row], self.texts.bounds[row + 1])
                found[place, : self.tokens[row]] = self.texts.sides[tokens] == side
        return found

    def gather(self, indices, length=None):
        """Gathers rows.

        Args:
            indices: int (batch,); -1 stands for a row of padding, whose labels weigh 0.
            length: one of `lengths`; None: the smallest that holds all of the rows.

        Returns:
            dict of `input_ids` and `attention_mask`, int32 (batch, length); `token_type_ids`, where
            there are pairs; and the arrays of rows (batch, …) and tokens (batch, length, …).
        """
        indices = np.asarray(indices, np.int64)
        real = indices >= 0
        tokens = np.where(real, self.tokens[indices], 0) if len(self) else np.zeros_like(indices)
        if length is None:
            length = self.lengths[np.searchsorted(self.lengths, tokens.max(initial=0))]
        mask = np.arange(length) < tokens[:, None]
        places = self.texts.bounds[indices][:, None] + np.arange(length)
        batch = {"attention_mask": mask.astype(np.int32)}
        for name, flat in self._per_token.items():
            fill = self._pad if name == "input_ids" else 0
            batch[name] = np.full((*mask.shape, *flat.shape[1:]), fill, flat.dtype)
            batch[name][mask] = flat[places[mask]]
        for name, values in self._per_row.items():
            batch[name] = np.zeros((len(indices), *values.shape[1:]), values.dtype)
            batch[name][real] = values[indices[real]]
        return batch
