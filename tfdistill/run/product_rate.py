"""How fast this machine multiplies matrices."""

import time


def product_rate(precision, seconds=0.5):
    """Floating-point operations in a second of matrix products on this machine.

    Args:
        precision: that of the products.
        seconds: how long to measure, at least.
    """
    import tensorflow as tf

    size, dtype = 1024, "float32" if precision == "float32" else precision
    left = tf.cast(tf.random.stateless_uniform((size, size), (0, 0)), dtype)
    product = tf.function(lambda matrix: tf.reduce_sum(tf.matmul(matrix, left)))
    float(product(left))
    best, until = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter()
        float(product(left))
        best = max(best, 2 * size**3 / (time.perf_counter() - began))
    return best
