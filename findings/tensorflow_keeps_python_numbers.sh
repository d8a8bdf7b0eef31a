#!/usr/bin/env bash
# TensorFlow 2.21: tf.constant(number) keeps some 760 bytes for each Python number it has ever been given.
#
# Eager TensorFlow stores the tensor of every Python int and float in a cache by value that has no bound. A training loop
# that hands the number of the step, or a learning rate of its own, to a compiled function grows by 7.6 MB in 10,000
# steps. A NumPy array of the same number is not stored.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tensorflow==2.21.0 numpy==2.4.6
cat > "$folder/kept.py" <<'PYTHON'
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

COUNT = 100_000
PAGE = 4096


def megabytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 1e6


def growth(convert):
    for number in range(COUNT // 10):
        convert(number)
    before = megabytes()
    for number in range(COUNT, 2 * COUNT):
        convert(number)
    return (megabytes() - before) * 1e6 / COUNT


found = {
    "np.int32 array": growth(lambda number: tf.constant(np.asarray(number, np.int32))),
    "Python int": growth(lambda number: tf.constant(number, tf.int32)),
    "Python float": growth(lambda number: tf.constant(number * 0.5, tf.float32)),
}
print("tensorflow", tf.__version__)
for kind, size in found.items():
    print(f"{kind}: {size:.0f} bytes for each number")
kept = found["Python int"] > 400 and found["Python float"] > 400
sys.exit(not (kept and found["np.int32 array"] < 50))
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/kept.py" 2> "$folder/log" ||
  { cat "$folder/log"; echo "TensorFlow no longer keeps a tensor for each Python number"; exit 1; }
