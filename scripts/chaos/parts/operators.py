"""Which operators give other bits under another TensorFlow, or with other numbers of threads.

    python scripts/chaos/parts/operators.py > one.json          # in each of two environments, or
    TF_NUM_INTRAOP_THREADS=1 python scripts/chaos/parts/operators.py > other.json
    python scripts/chaos/parts/operators.py --compare one.json other.json

Prints the SHA-256 of what each operator of a training step makes of the same numbers, without XLA
and with it.
"""

import hashlib
import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def operators():
    """dict of names to functions of (a (4096, 384), b (384, 256), c (512, 512))."""
    import tensorflow as tf

    return {
        "MatMul": lambda a, b, c: tf.matmul(a, b),
        "MatMul, transposed": lambda a, b, c: tf.matmul(a, a, transpose_a=True),
        "MatMul, of a vector": lambda a, b, c: tf.matmul(a, b[:, :1]),
        "MatMul, transposed, of a vector": lambda a, b, c: tf.matmul(a, a[:, :1], transpose_a=True),
        "BatchMatMulV2": lambda a, b, c: tf.matmul(
            tf.reshape(a, (64, 64, 384)), tf.reshape(a, (64, 64, 384)), transpose_b=True
        ),
        "BiasAddGrad": lambda a, b, c: tf.raw_ops.BiasAddGrad(out_backprop=a),
        "Softmax": lambda a, b, c: tf.nn.softmax(c),
        "LogSoftmax": lambda a, b, c: tf.nn.log_softmax(c),
        "Sum": lambda a, b, c: tf.reduce_sum(a, axis=0),
        "Mean": lambda a, b, c: tf.reduce_mean(a, axis=-1),
        "L2Loss": lambda a, b, c: tf.nn.l2_loss(a),
        "Erf": lambda a, b, c: tf.math.erf(a),
        "Exp": lambda a, b, c: tf.exp(c),
        "Log": lambda a, b, c: tf.math.log(tf.abs(a) + 1.0),
        "Tanh": lambda a, b, c: tf.tanh(a),
        "Rsqrt": lambda a, b, c: tf.math.rsqrt(tf.abs(a) + 1.0),
        "Pow": lambda a, b, c: tf.pow(tf.abs(a), 0.3),
        "UnsortedSegmentSum": lambda a, b, c: tf.math.unsorted_segment_sum(
            a, tf.range(4096) % 7, num_segments=7
        ),
        "StatelessRandomUniformInt": lambda a, b, c: tf.random.stateless_uniform(
            (64, 64), (1, 2), 0, 1 << 16, tf.int32
        ),
    }


def digests():
    """dict of operators, compiled and not, to digests of their results."""
    import numpy as np
    import tensorflow as tf

    generator = np.random.default_rng(1)
    shapes = (4096, 384), (384, 256), (512, 512)
    inputs = [generator.normal(size=shape).astype(np.float32) for shape in shapes]
    found = {"versions": f"tensorflow {tf.__version__}, numpy {np.__version__}"}
    for name, function in operators().items():
        for compiled in (False, True):
            result = tf.function(function, jit_compile=compiled)(*map(tf.constant, inputs))
            key = f"{name}{' (XLA)' if compiled else ''}"
            found[key] = hashlib.sha256(np.ascontiguousarray(result).tobytes()).hexdigest()
    return found


def compare(one, other):
    """Prints which operators differ."""
    first, second = (json.loads(open(file, encoding="utf-8").read()) for file in (one, other))
    print(first.pop("versions"), "and", second.pop("versions"))
    different = [name for name in first if first[name] != second.get(name)]
    print(f"{len(first) - len(different)} of {len(first)} equal; others:", ", ".join(different))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--compare"]:
        compare(*sys.argv[2:])
    else:
        print(json.dumps(digests(), indent=1))
