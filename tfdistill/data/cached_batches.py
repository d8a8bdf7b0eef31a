"""Training batches with cached arrays, such as the outputs of a teacher."""

import numpy as np

PREFIX = "cached/"  # of the names of stored arrays in a batch
# float32 (batch, length), where a batch has it: 1 for tokens whose logits are stored.
ANSWERED = PREFIX + "answered"


def answer_name(number):
    """The name of a teacher's logits in a batch.

    Args:
        number: of the teacher, from 0.
    """
    return f"{PREFIX}logits-{number}" if number else f"{PREFIX}logits"


class CachedBatches:
    """Batches with the stored arrays of their rows.

    Args:
        batches: `TrainingBatches` whose rows have draws of their own (`draws_per_row`).
        stores: function of the number of a row's draw to a dict of names to `RowStore`.
        prefix: prefix of the stored arrays' names in a batch.
    """

    def __init__(self, batches, stores, prefix):
        self._batches, self._stores, self._prefix = batches, stores, prefix

    def at(self, step):
        """Makes batch `step`: the dict of `TrainingBatches.at` and the stored arrays.

        Floats come as float32, integers as int32.
        """
        batch = self._batches.at(step)
        rows, epochs = self.rows_of(step)
        numbers = epochs % self._batches.draws_per_row
        for number in np.unique(numbers):
            here = numbers == number
            for name, store in self._stores(number).items():
                found = store.read(rows[here])
                wide = np.float32 if found.dtype.kind == "f" else np.int32
                shape = (len(rows), *found.shape[1:])
                batch.setdefault(self._prefix + name, np.empty(shape, wide))[here] = found
        return batch

    def rows_of(self, step):
        """The rows of batch `step`, and the epoch of each: see `TrainingBatches.rows_of`."""
        return self._batches.rows_of(step)
