#!/usr/bin/env bash
# TensorFlow 2.21: the persistent cache of XLA misses a function if other functions were traced before it.
#
# TF_XLA_FLAGS=--tf_xla_persistent_cache_directory=DIR stores what jit_compile=True compiles, also on CPUs, and the next
# process loads it. But the key of a file depends on the function's full name, __inference_step_25, whose number counts
# all graphs and functions of the process. A program that traces one more function first, such as a training that is
# resumed at a later stage, or two models of one shape in one process, compiles again. Two more surprises: every file
# that is loaded logs an error, because it is first parsed as text; and where the directory cannot be made, the function
# itself fails.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tensorflow-cpu==2.21.0 keras==3.15.1 numpy==2.4.6
cat > "$folder/step.py" <<'PYTHON'
import sys

import tensorflow as tf


def step(x):
    for _ in range(20):
        x = tf.nn.softmax(x @ x)
    return x


if "other" in sys.argv:
    tf.function(lambda x: x + 1)(1.0)
try:
    tf.function(step, jit_compile=True)(tf.ones((8, 8)))
except tf.errors.OpError as error:
    print(type(error).__name__, str(error.message).split("\n")[-1])
else:
    print(f"computed by TensorFlow {tf.__version__}")
PYTHON

run() { # the cache's directory, and arguments of the program
  local cache=$1
  shift
  TF_CPP_MIN_LOG_LEVEL=2 TF_XLA_FLAGS=--tf_xla_persistent_cache_directory=$cache \
    "$folder/venv/bin/python" "$folder/step.py" "$@" > "$folder/output" 2> "$folder/errors"
  files=$(find "$folder/cache" -name '*.pb' 2> /dev/null | wc -l)
  loads=$(grep -c 'Error parsing text-format tensorflow.XlaSerializedCacheEntry' "$folder/errors" || true)
  printf '%-36s files %s, errors logged %s: %s\n' "$name" "$files" "$loads" "$(tr '\n' ' ' < "$folder/output")"
}

name="first process" && run "$folder/cache"
[ "$files $loads" = "1 0" ]
name="the same again" && run "$folder/cache"
[ "$files $loads" = "1 1" ] || { echo "it is no longer loaded, or no error is logged"; exit 1; }
name="another function traced first" && run "$folder/cache" other
[ "$files $loads" = "2 0" ] || { echo "the name of a function no longer matters"; exit 1; }
name="a directory that cannot be made" && run "$folder/step.py/cache"
! grep -q computed "$folder/output" || { echo "a function no longer fails"; exit 1; }
