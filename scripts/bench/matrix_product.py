"""Times a large float32 matrix product: what this machine can do at most. Prints GFLOP/s.

Usage: python matrix_product.py    (ten seconds; by TensorFlow, the better of with and without XLA)
"""

import time

import tensorflow as tf

SIZE, TIMES = 3072, 6


def gflops(jit_compile):
    product = tf.function(tf.matmul, autograph=False, jit_compile=jit_compile)
    a, b = (tf.random.stateless_normal((SIZE, SIZE), (0, seed)) for seed in range(2))
    seconds = []
    for _ in range(TIMES):
        started = time.perf_counter()
        float(product(a, b)[0, 0])
        seconds.append(time.perf_counter() - started)
    return 2 * SIZE**3 / min(seconds) / 1e9


if __name__ == "__main__":
    tf.config.set_visible_devices([], "GPU")
    print(max(gflops(False), gflops(True)))
