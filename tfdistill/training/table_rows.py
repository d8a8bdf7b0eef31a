"""Some rows of a table, stepped by an operator for whole variables."""

import keras
import tensorflow as tf


class TableRows:
    """Some rows of a table.

    Args:
        table: Keras variable (height, width).
        rows: int32 (rows,), ascending.

    Attributes:
        copy: Keras variable (rows, width), which the operator steps: `read` fills it, and `write`
            puts it back. Between two steps its value means nothing.
    """

    def __init__(self, table, rows):
        self._table, self._rows = table, rows
        shape = (len(rows), *table.shape[1:])
        self.copy = keras.Variable(
            tf.zeros(shape), trainable=False, autocast=False, name=f"{table.name}_rows"
        )

    def read(self):
        """Copies the rows of the table."""
        self.copy.value.assign(tf.gather(self._table.value, self._rows))

    def write(self):
        """Puts the copies back."""
        tf.raw_ops.ResourceScatterUpdate(
            resource=self._table.value.handle, indices=self._rows, updates=self.copy.value
        )
