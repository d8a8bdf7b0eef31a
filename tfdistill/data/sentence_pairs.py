"""Pairs of segments for the prediction of the next sentence (Devlin et al., 2019, section 3.1).

A *stretch* is a run of sentences of one document that fills a row. Its sentences are divided into
the segments A and B at a random sentence end; for half of the pairs, B is replaced by sentences of
another document.
"""

import bisect
import hashlib

import numpy as np

from tfdistill.data.random_streams import HELD_OUT_PAIRS, RowStreams, open_stream
from tfdistill.data.rows import Rows
from tfdistill.system.errors import UserError

NEXT, OTHER = 0, 1  # labels, as in transformers: B follows A; B is from another document
SHORTEST_ROW = 8  # tokens: enough for stretches of two tokens or more, whatever the text
SPECIAL = 3  # tokens of a row: [CLS] A [SEP] B [SEP]
DRAWS = 4  # of a pair: its label, where A ends, the other document, and where B begins in it
LABELS, WEIGHTS = "next_sentence_labels", "next_sentence_weights"  # keys of a batch


class PairedRows(Rows):
    """The full rows of a split, and its pairs of segments.

    Masked LM is measured on the rows, as in a run without pairs.

    Args:
        shard: a `Shard` with sentences.
        length: tokens in a row.
        tokenizer: the `Tokenizer` that the shard was prepared with.

    Attributes:
        pairs: the `SentencePairs`.
    """

    def __init__(self, shard, length, tokenizer):
        super().__init__(shard, length, tokenizer)
        self.pairs = SentencePairs(shard, length, self)


class SentencePairs:
    """The stretches of a split, from which pairs of segments are drawn.

    Every token of a document with two tokens or more lies in one stretch. A stretch is as long as
    a row allows, and ends where a sentence ends if it then has two sentences; else the row is
    filled with the beginning of the next sentence. A stretch without a sentence end inside is
    divided in its middle.

    Args:
        shard: a `Shard` with sentences.
        length: tokens in a row.
        rows: the `Rows` of the same split, for what masks read.

    Attributes:
        length, ids, counts: as of `Rows`.
        bounds: int64 (stretches, 2), where each begins and ends in the ids of the split.

    Raises:
        UserError: rows are too short, or there are fewer than two documents.
    """

    def __init__(self, shard, length, rows):
        require_pairs(len(shard.offsets), length)
        self.length, self.ids, self.counts = length, rows.ids, rows.counts
        self._stream, self._sentences = np.asarray(shard.ids), shard.sentences
        begins = shard.offsets
        ends = np.append(begins[1:], len(self._stream)) - 1  # each document has a [SEP] behind it
        self._documents = np.stack([begins, ends], axis=1)
        found = stretches(self._documents, self._sentences, length - SPECIAL)
        self._document_of, self.bounds = found[:, 0], found[:, 1:]

    def __len__(self):
        return len(self.bounds)

    def digest(self):
        """SHA-256 of the text, of its stretches and of the ids that transforms read: a str."""
        found, ids = hashlib.sha256(b"pairs"), self.ids
        special = np.array([ids.cls, ids.sep, ids.pad, ids.mask, self.length])
        tables = ids.predictable, ids.ordinary, ids.continues, self.counts
        for array in (self._stream, self._sentences, self._documents, special, *tables):
            found.update(np.ascontiguousarray(array))
        return found.hexdigest()

    def gather(self, indices):
        """The numbers of stretches as they are: what a pair has of its text is drawn later.

        Args:
            indices: int (batch,).

        Returns:
            The same.
        """
        return indices

    def draw(self, numbers, generator):
        """Draws pairs.

        Args:
            numbers: int (batch,), of stretches; -1 for a row of padding.
            generator: a `numpy.random.Generator`, or an object like it; it gives batch * 4 float64.

        Returns:
            dict of "input_ids" and "token_type_ids", int32 (batch, length): [CLS] A [SEP] B [SEP]
            and padding, of the types 0 for A with [CLS] and the first [SEP], 1 for B with the
            second, and 0 for padding; `LABELS`, int32 (batch,), and `WEIGHTS`, float32 (batch,), 0
            for a row of padding.
        """
        draws = generator.random((len(numbers), DRAWS))
        rows = np.full((len(numbers), self.length), self.ids.pad, np.int32)
        types = np.zeros_like(rows)
        labels = np.where(draws[:, 0] < 0.5, NEXT, OTHER).astype(np.int32)
        labels[numbers < 0] = 0
        for row in np.flatnonzero(numbers >= 0):
            first, second = self._segments(int(numbers[row]), labels[row], draws[row, 1:])
            middle, end = len(first) + 2, len(first) + len(second) + SPECIAL
            rows[row, :middle] = [self.ids.cls, *first, self.ids.sep]
            rows[row, middle:end] = [*second, self.ids.sep]
            types[row, middle:end] = 1
        return {
            "input_ids": rows,
            "token_type_ids": types,
            LABELS: labels,
            WEIGHTS: (numbers >= 0).astype(np.float32),
        }

    def _segments(self, number, label, draws):
        """The ids of the segments A and B of a stretch."""
        begin, end = self.bounds[number]
        low, high = np.searchsorted(self._sentences, [begin + 1, end])
        middle = (begin + end) // 2
        if high > low:  # the sentence ends inside
            middle = self._sentences[low + int(draws[0] * (high - low))]
        first = self._stream[begin:middle]
        if label == NEXT:
            return first, self._stream[middle:end]
        room = self.length - SPECIAL - len(first)
        return first, self._stream[slice(*self._elsewhere(number, room, *draws[1:]))]

    def _elsewhere(self, number, room, of_document, of_sentence):
        """Begin and end of sentences in another document, of `room` tokens at most."""
        own = self._document_of[number]
        document = int(of_document * (len(self._documents) - 1))
        begin, end = self._documents[document + (document >= own)]
        low, high = np.searchsorted(self._sentences, [begin, end])
        begin = self._sentences[low + int(of_sentence * (high - low))]
        if end - begin <= room:
            return begin, end
        last = self._sentences[np.searchsorted(self._sentences, begin + room, side="right") - 1]
        return begin, last if last > begin else begin + room


def require_pairs(documents, length):
    """Refuses text and rows of which no pairs can be made.

    Args:
        documents: number of documents of a split.
        length: tokens in a row.

    Raises:
        UserError: rows are too short, or there are fewer than two documents.
    """
    if length < SHORTEST_ROW:
        raise UserError(
            f"`length`={length}: `nsp` needs rows of at least {SHORTEST_ROW} tokens, for two "
            "segments: use longer ones"
        )
    if documents < 2:
        raise UserError(
            "`nsp` takes segments from other documents, and a split of this `corpus` has fewer "
            "than two: give more documents (docs/CORPORA.md says how text is divided), or leave "
            "`nsp` out"
        )


def stretches(documents, sentences, most):
    """Cuts documents into stretches; see `SentencePairs`.

    Args:
        documents: int64 (documents, 2), where each begins and ends in the ids.
        sentences: int64 (sentences,), ascending: where each sentence begins.
        most: tokens of a stretch, at least 5.

    Returns:
        int64 (stretches, 3): the document, where the stretch begins and where it ends.
    """
    found, spans = [], np.searchsorted(sentences, documents).tolist()
    for number, ((begin, end), (low, high)) in enumerate(
        zip(documents.tolist(), spans, strict=True)
    ):
        bounds = [*sentences[low:high].tolist(), end]
        place = 0  # of the last bound that is not behind `begin`
        while end - begin > 1:
            last = bisect.bisect_right(bounds, begin + most, lo=place) - 1
            inside = last - bisect.bisect_right(bounds, begin, lo=place, hi=last + 1) + 1
            # Two sentences, or all that is left; else a part of the next one fills the row.
            whole = inside > 1 or bounds[last] == end
            stop = bounds[last] if whole else min(begin + most, end)
            stop -= end - stop == 1  # no stretch can be made of a single token
            found.append((number, begin, stop))
            begin, place = stop, max(last - 1, 0)
    return np.array(found, np.int64).reshape(-1, 3)


class PairTransform:
    """The transform of pairs with masked tokens: draws the pairs, then masks them.

    Args:
        pairs: `SentencePairs`.
        masking: `Masking`.
    """

    def __init__(self, pairs, masking):
        self._pairs, self._masking = pairs, masking

    def __call__(self, numbers, generator):
        """Makes a batch.

        Args:
            numbers: int (batch,), of stretches.
            generator: as of `SentencePairs.draw`.

        Returns:
            dict of `Masking` and of `SentencePairs.draw`.
        """
        drawn = self._pairs.draw(numbers, generator)
        return drawn | self._masking(drawn["input_ids"], generator)

    def masked_per_row(self, length):
        """The largest number of tokens that are masked in a row of `length` tokens."""
        return self._masking.masked_per_row(length)


class HeldOutPairs:
    """The pairs of a held-out split, with fixed draws: those of a pair depend on its number alone.

    Args:
        pairs: `SentencePairs`.
        batch_size: rows in a batch; the last is filled up with rows of padding.
        seed: seed of the draws.
    """

    def __init__(self, pairs, batch_size, seed):
        self._pairs, self._batch_size, self._seed = pairs, batch_size, seed

    def __len__(self):
        return -(-len(self._pairs) // self._batch_size)

    def at(self, number):
        """Makes batch `number`, from 0.

        Returns:
            dict of `SentencePairs.draw` and `attention_mask`, int32 (batch, length).
        """
        numbers = np.arange(number * self._batch_size, (number + 1) * self._batch_size)
        streams = [open_stream(HELD_OUT_PAIRS, self._seed, 0, row=row) for row in numbers.tolist()]
        numbers[numbers >= len(self._pairs)] = -1
        batch = self._pairs.draw(numbers, RowStreams(streams))
        mask = batch["input_ids"] != self._pairs.ids.pad
        return batch | {"attention_mask": mask.astype(np.int32)}
