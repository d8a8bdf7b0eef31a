"""Gradients of a table that is only looked up, in the rows that lookups can name."""

import numpy as np
import tensorflow as tf


def dense_gradient(gradient, height, rows=None):
    """Sums the parts of a gradient that belong to the same row.

    Args:
        gradient: tensor or `tf.IndexedSlices`, of a variable.
        height: int, rows of the variable.
        rows: int32, ascending: the only rows that lookups name; None: all.

    Returns:
        Tensor of the variable's shape, or (rows, …).

    Raises:
        ValueError: `rows` are given, and the variable is not only looked up.
    """
    if rows is None:
        return tf.convert_to_tensor(gradient)
    if not isinstance(gradient, tf.IndexedSlices):
        raise ValueError("the word embeddings have a gradient in every row: give no `tokens`")
    places = np.full(height, -1, np.int32)  # parts at -1 would be left out of the sums
    places[rows] = np.arange(len(rows))
    return tf.math.unsorted_segment_sum(
        gradient.values, tf.gather(places, gradient.indices), len(rows)
    )
