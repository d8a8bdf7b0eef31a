#!/usr/bin/env bash
# TensorFlow 2.21: stateless random floats differ between XLA and graphs without it, for the same seed.
#
# tf.random.stateless_uniform is documented as a function of its seed alone. Where the seed is an argument of the function
# (as the step of a training is), jit_compile=True gives other float32 numbers than jit_compile=False, also with
# alg="philox"; stateless_normal, too. Where the seed is a constant both give the same, because TensorFlow computes the
# numbers before XLA sees them: a small test does not find it. Integers are the same everywhere. Of a random 32-bit word the
# CPU's kernel keeps the lower 23 bits for the float, XLA the upper 23, as the last check shows.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tensorflow-cpu==2.21.0 keras==3.15.1 numpy==2.4.6
cat > "$folder/look.py" <<'PYTHON'
import numpy as np
import tensorflow as tf

SHAPE, SEED = (1000,), (5, 3)


def both(function, *arguments):
    """What a function gives without XLA and with it."""
    return [tf.function(function, jit_compile=xla)(*arguments).numpy() for xla in (False, True)]


def alike(pair):
    return float(np.mean(pair[0] == pair[1]))


def uniform(seed):
    return tf.random.stateless_uniform(SHAPE, seed, alg="philox")


def normal(seed):
    return tf.random.stateless_normal(SHAPE, seed, alg="philox")


def integers(seed):
    return tf.random.stateless_uniform(
        SHAPE, seed, minval=None, maxval=None, dtype=tf.uint32, alg="philox"
    )


seed = tf.constant(SEED)
floats, words = both(uniform, seed), both(integers, seed)
masks = [values >= 0.3 for values in floats]
found = {
    "floats, the seed an argument": alike(floats),
    "normal floats, the seed an argument": alike(both(normal, seed)),
    "floats, the seed a constant": alike(both(lambda: uniform(SEED))),
    "integers, the seed an argument": alike(words),
    "masks of rate 0.3 from these floats (chance: 0.58)": alike(masks),
    "XLA's floats: the upper 23 bits": alike([floats[1], (words[1] >> 9) * np.float32(2**-23)]),
    "the kernel's floats: the lower 23 bits": alike(
        [floats[0], (words[0] & 0x7FFFFF) * np.float32(2**-23)]
    ),
}
print(f"TensorFlow {tf.__version__}; shares that are bit for bit alike with and without XLA:")
for name, share in found.items():
    print(f"    {name:<56}{share:.3f}")
shares = list(found.values())
assert shares[0] < 0.01 and shares[1] < 0.01, "floats no longer differ"
assert shares[2] == shares[3] == 1.0, "a constant seed or integers differ, too"
assert 0.5 < shares[4] < 0.66, "masks are no longer independent"
assert shares[5] == shares[6] == 1.0, "other bits are kept"
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/look.py" 2> "$folder/errors" || { cat "$folder/errors"; exit 1; }
