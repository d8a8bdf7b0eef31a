"""Training batches that bring along what was kept of their rows."""

import numpy as np


class CachedBatches:
    """Batches with the entries of their rows out of stores.

    Args:
        batches: `TrainingBatches` whose rows have masks of their own (`mask_epochs`).
        stores: function of a mask's number to a dict of names to `RowStore`.
        prefix: of the names in a batch.
    """

    def __init__(self, batches, stores, prefix):
        self._batches, self._stores, self._prefix = batches, stores, prefix

    def at(self, step):
        """Makes batch `step`: the dict of `TrainingBatches.at` and the stored arrays.

        Floats come as float32, integers as int32.
        """
        batch = self._batches.at(step)
        rows, epochs = self._batches.rows_of(step)
        numbers = epochs % self._batches.mask_epochs
        for number in np.unique(numbers):
            here = numbers == number
            for name, store in self._stores(number).items():
                found = store.read(rows[here])
                wide = np.float32 if found.dtype.kind == "f" else np.int32
                shape = (len(rows), *found.shape[1:])
                batch.setdefault(self._prefix + name, np.empty(shape, wide))[here] = found
        return batch
