"""Masked-LM batches, each a pure function of its number, gathered from memory-mapped shards."""

import concurrent.futures
import contextlib
import functools
import hashlib

import numpy as np

from tfdistill.data.masking import mask_rows, masked_per_row, smoothed_weights

EVALUATION_SEED = 20_181_011  # fixed, so that every model is asked the same questions
EVALUATION_TOKENS = 2048  # in a batch: of the masked ones 37 MB of logits at 30,522 words
ROW_MASK_SEED = 20_200_406  # fixed, so that all runs mask a row alike

# Every use of randomness has a stream of its own.
_SHUFFLE, _MASK, _EVALUATION, _ROW_MASK = range(4)


class Rows:
    """A split cut into full rows: [CLS], then length - 2 consecutive ids, then [SEP].

    A row may begin and end anywhere in a document; where a document ends the next one follows
    after a [SEP]. Only the last row may be shorter; it is padded.

    Args:
        shard: a `Shard`.
        length: tokens in a row, [CLS] and [SEP] included.
        tokenizer: the `Tokenizer` that the shard was prepared with.

    Attributes:
        counts: int64 (vocab,), how often each token occurs; 0 for those that nobody is asked for
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
        """SHA-256 of the text, of its counts and of the ids that masks are made of: a str."""
        ids, found = self.ids, hashlib.sha256()
        special = np.array([ids.cls, ids.sep, ids.pad, ids.mask])
        tables = ids.predictable, ids.ordinary, ids.continues, self.counts
        for array in (self._body, self._last, special, *tables):
            found.update(np.ascontiguousarray(array))
        return found.hexdigest()

    def gather(self, indices):
        """Returns the rows numbered `indices`, int (batch,), as int32 (batch, length)."""
        rows = np.empty((len(indices), self.length), np.int32)
        rows[:, 0], rows[:, -1] = self.ids.cls, self.ids.sep
        whole = indices < self._whole
        rows[whole, 1:-1] = self._body[indices[whole]]
        rows[~whole] = self._last
        return rows


class TrainingBatches:
    """Endless batches for training; batch `step` depends on the seed and the step alone.

    Epoch after epoch, each in a new order, every row is used once; a batch may begin in one epoch
    and end in the next. Masks are drawn anew for every batch; or, for teachers whose answers are
    kept, they are those of the row in the epoch modulo `mask_epochs`, whatever the seed.

    Args:
        rows: the `Rows` of the training split.
        batch_size: rows in a batch.
        seed: seed of orders and masks, >= 0.
        masked_lm_prob: share of the tokens to predict.
        mlm_smoothing: tokens are drawn with weight count^-mlm_smoothing; 0: all alike.
        whole_words: whether the pieces of a word are masked together.
        mask_epochs: how many masks a row has, over all runs; 0: a new one every time.
    """

    def __init__(
        self,
        rows,
        batch_size,
        seed,
        *,
        masked_lm_prob=0.15,
        mlm_smoothing=0.0,
        whole_words=False,
        mask_epochs=0,
    ):
        self.rows = rows
        self.batch_size = batch_size
        self.seed = seed
        self.mask_epochs = mask_epochs
        self.masked_per_row = masked_per_row(rows.length, masked_lm_prob)
        self.steps_per_epoch = -(-len(rows) // batch_size)
        weights = smoothed_weights(rows.counts, mlm_smoothing) if mlm_smoothing else None
        self._mask = functools.partial(
            mask_rows,
            probability=masked_lm_prob,
            ids=rows.ids,
            token_weights=weights,
            whole_words=whole_words,
        )
        # A batch looks into two epochs at most, unless it is larger than an epoch.
        self._order = functools.lru_cache(maxsize=2)(self._draw_order)

    def at(self, step):
        """Makes a batch.

        Args:
            step: number of the batch, from 0.

        Returns:
            The dict of `mask_rows`.
        """
        indices, epochs = self.rows_of(step)
        if self.mask_epochs:
            return self.with_row_masks(indices, epochs % self.mask_epochs)
        return self._mask(self.rows.gather(indices), _generator(_MASK, self.seed, step))

    def rows_of(self, step):
        """Returns the rows of batch `step` and the epochs they are taken in, int64 (batch,)."""
        places = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        epochs, places = np.divmod(places, len(self.rows))
        indices = np.empty(self.batch_size, np.int64)
        for epoch in range(epochs[0], epochs[-1] + 1):
            inside = epochs == epoch
            indices[inside] = self._order(epoch)[places[inside]]
        return indices, epochs

    def with_row_masks(self, indices, numbers):
        """Masks rows as all runs do.

        Args:
            indices: int (batch,), of the rows.
            numbers: int (batch,), which of its masks each row has, below `mask_epochs`.

        Returns:
            The dict of `mask_rows`.
        """
        draws = zip(indices.tolist(), numbers.tolist(), strict=True)
        generators = [
            _generator(_ROW_MASK, ROW_MASK_SEED, number, row=row) for row, number in draws
        ]
        return self._mask(self.rows.gather(indices), _EachRow(generators))

    def _draw_order(self, epoch):
        return _generator(_SHUFFLE, self.seed, epoch).permutation(len(self.rows))


def evaluation_rows(length):
    """Rows in a batch of evaluation, whose models give all logits of its masked tokens at once."""
    return max(1, EVALUATION_TOKENS // length)


class EvaluationBatches:
    """The rows of a split in order, every chosen position shown as [MASK].

    The mask of a row depends on its number alone, whatever the batch size. The last batch is
    filled up with empty rows, which are all padding and weigh nothing.

    Args:
        rows: the `Rows` of a held-out split.
        batch_size: rows in a batch.
        masked_lm_prob: share of the tokens to predict.
        seed: seed of the masks.
    """

    def __init__(self, rows, batch_size, *, masked_lm_prob=0.15, seed=EVALUATION_SEED):
        self.rows = rows
        self.batch_size = batch_size
        self.seed = seed
        self.masked_per_row = masked_per_row(rows.length, masked_lm_prob)
        self._mask = functools.partial(
            mask_rows, probability=masked_lm_prob, ids=rows.ids, keep=0.0, random=0.0
        )

    def __len__(self):
        return -(-len(self.rows) // self.batch_size)

    def __iter__(self):
        return map(self.at, range(len(self)))

    def at(self, number):
        """Makes batch `number`, from 0, as a dict of `mask_rows`."""
        start = number * self.batch_size
        indices = np.arange(start, min(start + self.batch_size, len(self.rows)))
        rows = np.full((self.batch_size, self.rows.length), self.rows.ids.pad, np.int32)
        rows[: len(indices)] = self.rows.gather(indices)
        draws = start * self.rows.length  # those of the rows before
        return self._mask(rows, _generator(_EVALUATION, self.seed, 0, draws))


def as_dataset(batches, start, stop):
    """Makes a `tf.data.Dataset` of batches, the next one made while the model computes.

    It is made in a thread of Python's. A thread of `tf.data` (`prefetch`) that calls Python while
    the interpreter ends, which happens when an error ends a run, would keep the process for ever.

    Args:
        batches: `TrainingBatches`, `EvaluationBatches` or `CachedBatches`.
        start, stop: numbers of the first batch and of the one after the last.

    Returns:
        A dataset of the dicts that `batches.at` makes, with static shapes.
    """
    import tensorflow as tf

    pool = concurrent.futures.ThreadPoolExecutor(max_workers=1)
    ahead = {start: pool.submit(batches.at, start)}  # number of the next batch: its future
    signature = {
        name: tf.TensorSpec(array.shape, array.dtype)
        for name, array in ahead[start].result().items()
    }

    def make(number):
        number = int(number)
        future = ahead.pop(number, None)
        batch = future.result() if future else batches.at(number)
        ahead.clear()
        if number + 1 < stop:
            with contextlib.suppress(RuntimeError):  # the process is ending, nobody will ask
                ahead[number + 1] = pool.submit(batches.at, number + 1)
        return [batch[name] for name in signature]

    def at(number):
        arrays = tf.numpy_function(make, [number], [spec.dtype for spec in signature.values()])
        for array, spec in zip(arrays, signature.values(), strict=True):
            array.set_shape(spec.shape)
        return dict(zip(signature, arrays, strict=True))

    options = tf.data.Options()
    options.autotune.enabled = False  # it would put a prefetch in
    return tf.data.Dataset.range(start, stop).map(at).with_options(options)


def taken_ahead(iterator):
    """Takes the next batch in a thread while the last is in use.

    A batch that is made already still takes a millisecond and a half on its way through `tf.data`.
    The interpreter, when it ends, waits for this thread before Python stops (see `as_dataset`).

    Args:
        iterator: of a dataset.

    Yields:
        What it gives.
    """
    pool = concurrent.futures.ThreadPoolExecutor(max_workers=1)
    try:
        future = pool.submit(next, iterator, None)
        while (batch := future.result()) is not None:
            future = pool.submit(next, iterator, None)
            yield batch
    finally:
        pool.shutdown(wait=False)  # nobody needs the batch that is under way


class _EachRow:
    """Draws as a `numpy.random.Generator` does, the first axis from generators of the rows' own."""

    def __init__(self, generators):
        self._generators = generators

    def random(self, size):
        return np.stack([generator.random(size[1:]) for generator in self._generators])

    def integers(self, high, size):
        return np.stack([each.integers(high, size=size[1:]) for each in self._generators])


def _generator(use, seed, number, draws=0, row=0):
    """Opens the random stream of one use, seed, number and row, after its first `draws` float64."""
    # Philox counts in blocks of four draws; the use stands in the counter's highest word.
    blocks, rest = divmod(draws, 4)
    generator = np.random.Generator(
        np.random.Philox(key=[seed, number], counter=[blocks, row, 0, use])
    )
    generator.random(rest)
    return generator
