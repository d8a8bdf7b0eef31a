"""Means over valid elements, which every loss returns, and the counts of those elements."""

import tensorflow as tf


def mean_over(values, weights, normalizer=None):
    """Weighted mean of `values`, 0 where nothing is valid.

    Args:
        values: float tensor.
        weights: float tensor of the same shape, 0 for what does not count.
        normalizer: float scalar that replaces the sum of `weights` where the mean runs over more
            than this call sees: several micro-batches, several devices.

    Returns:
        A float32 scalar.
    """
    weights = tf.cast(weights, tf.float32)
    if normalizer is None:
        normalizer = tf.reduce_sum(weights)
    # By `where`, not only by a product: invalid values may be infinite, and 0 * inf is NaN.
    values = tf.where(weights > 0, tf.cast(values, tf.float32), 0.0)
    return tf.math.divide_no_nan(tf.reduce_sum(values * weights), normalizer)


def total(weights):
    """Sum of all weights: a float32 scalar."""
    return tf.reduce_sum(tf.cast(weights, tf.float32))


def real_rows(mask):
    """1 for the rows that have a real token: float32 (batch,)."""
    return tf.reduce_max(tf.cast(mask, tf.float32), axis=1)


def token_pairs(mask):
    """Pairs of real tokens in a row, summed over the rows: a float32 scalar."""
    return tf.reduce_sum(tf.reduce_sum(tf.cast(mask, tf.float32), axis=1) ** 2)
