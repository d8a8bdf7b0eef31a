"""Measures int8 rounding errors of text embeddings, with norms' scales in the kernels and separate.

    python scripts/bench/int8.py MODEL

MODEL is a Hugging Face directory with its tokenizer. An embedding is the mean of a text's last
hidden states. For each file the script prints its size, the median time per text (one thread, files
in turn), and the cosine distance to the float model's embeddings, on the bundled test split.
"""

import argparse
import contextlib
import statistics
import tempfile
import time

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from tfdistill.data.corpus import open_corpus
from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.models.hugging_face.checkpoint import load_model
from tfdistill.models.normalization import scales_apart
from tfdistill.system.quiet import quiet_native_output

LENGTH, TEXTS, WORDS = 64, 100, 5
WAYS = {"multiplied in": contextlib.nullcontext, "apart": scales_apart}
NAMES = ("input_ids", "attention_mask")


def vectors(model, inputs):
    """Means of the last hidden states over each text's tokens: float32 (texts, hidden)."""
    hidden = model.encode(inputs)["last_hidden_state"]
    weights = tf.cast(inputs["attention_mask"], tf.float32)[..., None]
    return tf.reduce_sum(hidden * weights, 1) / tf.reduce_sum(weights, 1)


def convert(model, way):
    """Bytes of a dynamic-range int8 file of one text's vector."""
    specs = {name: tf.TensorSpec((1, LENGTH), tf.int32, name) for name in NAMES}
    with tempfile.TemporaryDirectory() as folder, quiet_native_output(), way():
        archive = keras.export.ExportArchive()
        archive.track(model)
        archive.add_endpoint("serve", lambda x: vectors(model, x), input_signature=[specs])
        archive.write_out(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["serve"])
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        return converter.convert()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", help="Hugging Face directory")
    folder = parser.parse_args().model
    model, tokenizer = load_model(folder), load_tokenizer(folder)
    lines = (line for document in open_corpus("sample").splits["test"]() for line in document)
    texts = [line for line in lines if len(line.split()) >= WORDS][:TEXTS]
    encoded = zip(*(tokenizer.encode(text, LENGTH) for text in texts), strict=True)
    inputs = {
        name: np.stack(rows, dtype=np.int32) for name, rows in zip(NAMES, encoded, strict=True)
    }
    exact = vectors(model, inputs).numpy()
    files = {name: convert(model, way) for name, way in WAYS.items()}
    runs = {}
    for name, content in files.items():
        interpreter = Interpreter(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
        runs[name] = interpreter.get_signature_runner("serve")
    distances, seconds = ({name: [] for name in files} for _ in range(2))
    for number, vector in enumerate(exact):
        row = {name: rows[number : number + 1] for name, rows in inputs.items()}
        for name, run in runs.items():
            started = time.perf_counter()
            (found,) = (value[0] for value in run(**row).values())
            seconds[name].append(time.perf_counter() - started)
            lengths = np.linalg.norm(found) * np.linalg.norm(vector)
            distances[name].append(1 - found @ vector / lengths)
    for name, content in files.items():
        size, middle = len(content) / 1e6, 1000 * statistics.median(seconds[name])
        mean, largest = np.mean(distances[name]), max(distances[name])
        print(f"{name:<14}{size:>7.2f} MB{middle:>8.2f} ms", end="   ")
        print(f"cosine distance {mean:.5f}, at most {largest:.5f}")


if __name__ == "__main__":
    main()
