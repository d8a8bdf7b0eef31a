"""Sums over parts of a step that are computed one after the other."""

import tensorflow as tf


def sum_over_micro_batches(function, batch, parts, zeros):
    """Sums a function's results over equal parts of a batch.

    Args:
        function: of (part of the batch, index of its first row) to nested tensors.
        batch: dict of tensors.
        parts: int.
        zeros: function that returns nested zeros of the shapes of the result.

    Returns:
        The sums, nested like the results.

    Raises:
        ValueError: the rows cannot be divided.
    """
    rows = batch["input_ids"].shape[0]
    if rows is None or rows % parts:
        raise ValueError(f"{rows} rows cannot be cut into {parts} micro-batches")
    if parts == 1:
        return function(batch, 0)
    rows //= parts

    def part(index):
        begin = index * rows
        # By tf.slice, whose sizes are static; XLA takes no tensor[begin : begin + rows].
        micro = {
            name: tf.slice(t, [begin, *[0] * (t.shape.rank - 1)], [rows, *t.shape[1:]])
            for name, t in batch.items()
        }
        return function(micro, begin)

    return sum_in_loop(part, parts, zeros)


def sum_in_loop(function, count, zeros):
    """Sums a function's results over the numbers below a count.

    Args:
        function: of an int32 scalar to nested tensors.
        count: int.
        zeros: function that returns nested zeros of the shapes of the result.

    Returns:
        The sums, nested like the results.
    """
    # A loop, not an unrolled sum: the graph and the memory are those of one part.
    return tf.while_loop(
        lambda index, _: index < count,
        lambda index, sums: (index + 1, tf.nest.map_structure(tf.add, sums, function(index))),
        (0, zeros()),
        parallel_iterations=1,
    )[1]
