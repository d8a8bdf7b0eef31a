#!/usr/bin/env bash
# TensorFlow 2.21: each conversion of a SavedModel to TFLite searches all Python objects of the process for cycles
# (gc.collect), also after gc.disable(). In a process that holds millions of objects, such as a notebook or a long test
# session, that takes longer than the conversion of a small model. from_keras_model does not do it, and after gc.freeze()
# the objects of before are not searched.
#
# Seen on one x86 core (AVX2) with other work beside, in CPU time: 0.6 s, with six million lists 1.3 s, after gc.freeze()
# 0.2 s; by from_keras_model, beside the lists, 0.5 s.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tensorflow==2.21.0 keras==3.15.1
cat > "$folder/look.py" <<'PYTHON'
import gc
import sys
import time

import keras
import tensorflow as tf

full, folder = [], sys.argv[1]


def watch(phase, info):
    if phase == "stop" and info["generation"] == 2:
        full.append(info)


def convert(name, converter=lambda: tf.lite.TFLiteConverter.from_saved_model(folder)):
    before, started = len(full), time.process_time()
    converter().convert()
    seconds, number = time.process_time() - started, len(full) - before
    print(f"{name}: {seconds:.1f} s of CPU time, {number} searches of all objects")
    return seconds, number


model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
model.export(folder, verbose=False)
print(f"tensorflow {tf.__version__}, keras {keras.__version__}")
gc.disable()
gc.callbacks.append(watch)
convert("the first")
alone = convert("alone")
objects = [[number] for number in range(6_000_000)]
with_objects = convert("with six million lists")
of_keras = convert(
    "the same by from_keras_model", lambda: tf.lite.TFLiteConverter.from_keras_model(model)
)
gc.freeze()
frozen = convert("after gc.freeze()")
assert of_keras[1] == 0, "from_keras_model searches, too"
assert alone[1] == with_objects[1] == frozen[1] == 1, "it no longer searches once, as it did"
assert with_objects[0] > 1.5 * alone[0], "objects elsewhere no longer slow the conversion"
assert frozen[0] < with_objects[0] - 0.5 * (with_objects[0] - alone[0]), "freezing no longer helps"
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/look.py" "$folder/model" \
  > "$folder/said" 2> "$folder/errors" || { cat "$folder/errors"; exit 1; }
grep "tensorflow 2\|CPU time" "$folder/said"
