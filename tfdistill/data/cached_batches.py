"""Training batches that bring along what was kept of their rows."""

import numpy as np


class CachedBatches:
    """Batches with the entries of their rows out of stores.

    Args:
        batches: `TrainingBatches` whose rows have masks of their own (`mask_epochs`).
        stores: list, by number of the mask, of dicts of names to `RowStore`.
        prefix: of the names in a batch.
    """

    def __init__(self, batches, stores, prefix):
        self._batches, self._stores, self._prefix = batches, stores, prefix
        self.rows, self.batch_size = batches.rows, batches.batch_size
        self.masked_per_row = batches.masked_per_row

    def at(self, step):
        """Makes batch `step`: the dict of `TrainingBatches.at` and the stored arrays.

        Floats come as float32, integers as int32.
        """
        batch = self._batches.at(step)
        rows, epochs = self._batches.rows_of(step)
        numbers = epochs % len(self._stores)
        for name in self._stores[0]:
            entries = None
            for number in np.unique(numbers):
                here = numbers == number
                found = self._stores[number][name].read(rows[here])
                if entries is None:
                    wide = np.float32 if found.dtype.kind == "f" else np.int32
                    entries = np.empty((len(rows), *found.shape[1:]), wide)
                entries[here] = found
            batch[self._prefix + name] = entries
        return batch
