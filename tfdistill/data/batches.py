"""Batches, each a pure function of its number: order(seed, step) × gather(indices) × transform.

A *source*, such as `Rows`, has a number of examples, `len`, and gathers them by index, where -1
stands for an example of padding. A *transform* turns the gathered examples into the batch of a
task: it is called with them and a random generator and returns a dict of arrays.
"""

import numpy as np

from tfdistill.data.order import Order
from tfdistill.data.random_streams import (
    EVALUATION,
    ROW_TRANSFORM,
    TRANSFORM,
    RowStreams,
    open_stream,
)

EVALUATION_SEED = 20_181_011  # fixed, so that all models are measured on the same draws
EVALUATION_TOKENS = 2048  # in a batch; 37 MB of masked-LM logits at 30,522 words
ROW_SEED = 20_200_406  # fixed, so that all runs draw alike for a row


class TrainingBatches:
    """Endless batches for training; batch `step` depends on the seed and the step alone.

    Epoch after epoch, each in a new order, every row is used once. The transform's draws are new
    for every batch; or, for teachers whose outputs are cached, they depend on the row and on the
    epoch modulo `draws_per_row`, whatever the seed.

    Args:
        source: the training examples, such as `Rows`.
        batch_size: rows in a batch.
        seed: seed of orders and draws, >= 0.
        transform: function of (gathered examples, generator) to a dict of arrays, (batch, …).
        draws_per_row: how many different draws a row has, over all runs; 0: a new one every time.
    """

    def __init__(self, source, batch_size, seed, transform, draws_per_row=0):
        self.source = source
        self.batch_size = batch_size
        self.seed = seed
        self.transform = transform
        self.draws_per_row = draws_per_row
        self._order = Order(len(source), batch_size, seed)
        self.steps_per_epoch = self._order.steps_per_epoch

    def at(self, step):
        """Makes a batch.

        Args:
            step: number of the batch, from 0.

        Returns:
            The dict of the transform.
        """
        indices, epochs = self.rows_of(step)
        if self.draws_per_row:
            return self.with_row_draws(indices, epochs % self.draws_per_row)
        return self.transform(self.source.gather(indices), open_stream(TRANSFORM, self.seed, step))

    def rows_of(self, step):
        """Returns the rows of batch `step` and the epoch of each, int64 (batch,)."""
        return self._order.at(step)

    def with_row_draws(self, indices, numbers):
        """Transforms rows with draws that are the same in all runs.

        Args:
            indices: int (batch,), the rows.
            numbers: int (batch,), which of its draws each row has, below `draws_per_row`.

        Returns:
            The dict of the transform.
        """
        draws = zip(indices.tolist(), numbers.tolist(), strict=True)
        streams = [open_stream(ROW_TRANSFORM, ROW_SEED, number, row=row) for row, number in draws]
        return self.transform(self.source.gather(indices), RowStreams(streams))


def evaluation_rows(length):
    """Rows in a batch of evaluation, for rows of `length` tokens."""
    return max(1, EVALUATION_TOKENS // length)


class EvaluationBatches:
    """The rows of a split in order, with fixed draws.

    The draws of a row depend on its number alone, whatever the batch size: the transform's first
    draws must be one float64 for each token. The last batch is filled up with rows of padding,
    which weigh nothing.

    Args:
        source: the held-out examples, such as `Rows`.
        batch_size: rows in a batch.
        transform: as for `TrainingBatches`.
        seed: seed of the draws.
    """

    def __init__(self, source, batch_size, transform, *, seed=EVALUATION_SEED):
        self.source = source
        self.batch_size = batch_size
        self.transform = transform
        self.seed = seed

    def __len__(self):
        return -(-len(self.source) // self.batch_size)

    def __iter__(self):
        return map(self.at, range(len(self)))

    def at(self, number):
        """Makes batch `number`, from 0: the dict of the transform."""
        start = number * self.batch_size
        indices = np.arange(start, start + self.batch_size)
        indices[indices >= len(self.source)] = -1
        before = start * self.source.length  # draws of the rows before
        stream = open_stream(EVALUATION, self.seed, 0, before)
        return self.transform(self.source.gather(indices), stream)
