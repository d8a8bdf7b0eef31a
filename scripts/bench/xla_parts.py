"""Times parts of a training step, each written in several ways, as XLA compiles them for a CPU.

    taskset -c 0 python scripts/bench/xla_parts.py [--rounds 15]

The parts are the sum of the squares of a table's gradient, the largest norm of a row of a table,
and gradients of the weights of a Dense layer. Prints medians of processor time and GFLOP/s, in
turn; the first way of each part is TensorFlow's own.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")  # as in a run

import numpy as np
import tensorflow as tf

TABLE = 30_522, 128
WEIGHTS = ((4096, 128, 128), (4096, 128, 512))  # tokens, inputs, outputs
CALLS = 3  # in a round

SUMS = {
    "tf.nn.l2_loss": lambda x: 2.0 * tf.nn.l2_loss(x),
    "rows first": lambda x: tf.reduce_sum(tf.reduce_sum(x * x, axis=1)),
    "columns first": lambda x: tf.reduce_sum(tf.reduce_sum(x * x, axis=0)),
    "product with ones": lambda x: tf.reduce_sum(tf.matmul(tf.ones((1, x.shape[0])), x * x)),
}
ROW_NORMS = {
    "tf.norm": lambda x: tf.reduce_max(tf.norm(x, axis=1)),
    "root of the largest": lambda x: tf.sqrt(tf.reduce_max(tf.reduce_sum(x * x, axis=1))),
    "product with ones": lambda x: tf.sqrt(
        tf.reduce_max(tf.matmul(x * x, tf.ones((x.shape[1], 1))))
    ),
}


def _in_a_branch(x, y, one):
    """The transpose in a branch, which XLA does not fold into the product."""
    turned = tf.cond(one > 0, lambda: tf.transpose(x), lambda: tf.zeros(x.shape[::-1]))
    return tf.matmul(turned, y)


def _in_a_loop(x, y, one):
    _, turned = tf.while_loop(
        lambda count, _: count < one,
        lambda count, _: (count + 1.0, tf.transpose(x)),
        (0.0, tf.zeros(x.shape[::-1])),
    )
    return tf.matmul(turned, y)


def _in_batches(x, y, _):
    parts = (tf.reshape(each, (-1, 128, each.shape[1])) for each in (x, y))
    return tf.reduce_sum(tf.matmul(*parts, transpose_a=True), axis=0)


GRADIENTS = {
    "transpose_a": lambda x, y, _: tf.matmul(x, y, transpose_a=True),
    "transpose of a branch": _in_a_branch,
    "transpose of a loop": _in_a_loop,
    "transpose times 1": lambda x, y, one: tf.matmul(tf.transpose(x) * one, y),
    "turned result": lambda x, y, _: tf.transpose(tf.matmul(y, x, transpose_a=True)),
    "batches of 128 tokens": _in_batches,
}


def measure(title, ways, arguments, rounds, operations=0):
    """Prints a line for each way; `operations` are those of a call."""
    functions, times = {}, {name: [] for name in ways}
    for name, way in ways.items():
        functions[name] = tf.function(way, autograph=False, jit_compile=True)
        functions[name](*arguments)
    for _ in range(rounds):
        for name, function in functions.items():
            started = time.process_time()
            for _ in range(CALLS):
                np.asarray(function(*arguments))
            times[name].append((time.process_time() - started) / CALLS)
    print(f"\n{title:28}{'ms':>8}{'range':>14}" + (f"{'GFLOP/s':>10}" if operations else ""))
    for name, found in times.items():
        middle = statistics.median(found)
        rate = f"{operations / middle / 1e9:>10.0f}" if operations else ""
        span = f"{1e3 * min(found):.2f}-{1e3 * max(found):.2f}"
        print(f"{name:28}{1e3 * middle:>8.2f}{span:>14}{rate}", flush=True)


def normal(shape, seed):
    return tf.random.stateless_normal(shape, (0, seed))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    table = normal(TABLE, 0)
    measure(f"sum of squares, {TABLE[0]} x {TABLE[1]}", SUMS, (table,), rounds)
    measure("largest norm of a row", ROW_NORMS, (table,), rounds)
    for tokens, inputs, outputs in WEIGHTS:
        x, y = normal((tokens, inputs), 1), normal((tokens, outputs), 2)
        operations = 2 * tokens * inputs * outputs
        title = f"weights {inputs} x {outputs}"
        measure(title, GRADIENTS, (x, y, tf.constant(1.0)), rounds, operations)
    product = {"no transpose": lambda x, y: tf.matmul(x, y)}
    measure(
        "128 x 4096 x 128",
        product,
        (normal((128, 4096), 1), normal((4096, 128), 2)),
        rounds,
        2 * 4096 * 128**2,
    )


if __name__ == "__main__":
    main()
