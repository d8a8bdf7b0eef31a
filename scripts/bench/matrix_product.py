"""Times a large matrix product, as the peak speed of this machine. Prints GFLOP/s.

Usage: python matrix_product.py [TYPE]    (ten seconds; in TensorFlow, the faster of with
    and without XLA); TYPE is float32 or bfloat16
"""

import sys
import time

import tensorflow as tf

SIZE, TIMES = 3072, 6


def gflops(jit_compile, dtype):
    product = tf.function(tf.matmul, autograph=False, jit_compile=jit_compile)
    draws = (tf.random.stateless_normal((SIZE, SIZE), (0, seed)) for seed in range(2))
    a, b = (tf.cast(draw, dtype) for draw in draws)
    seconds = []
    for _ in range(TIMES):
        started = time.perf_counter()
        float(product(a, b)[0, 0])
        seconds.append(time.perf_counter() - started)
    return 2 * SIZE**3 / min(seconds) / 1e9


def peak(dtype):
    """The faster of with and without XLA."""
    return max(gflops(False, dtype), gflops(True, dtype))


if __name__ == "__main__":
    tf.config.set_visible_devices([], "GPU")
    print(peak(sys.argv[1] if sys.argv[1:] else "float32"))
