"""Times a short text in TFLite files, such as one of a single length and one of several.

    taskset -c 0 python scripts/bench/lengths.py ONE.tflite SEVERAL.tflite --tokens=30

The files run in turn on one thread. The script prints the name of the processor. For each file it
prints the size, the length of the row that the text takes, the median wall time and CPU time, the
first file's CPU time divided by this one's, and the largest difference from the first file's
logits.
"""

import argparse
import os

import numpy as np

from tfdistill.deployment.latency import random_row, times_in_turn
from tfdistill.deployment.lite_model import LiteModel
from tfdistill.system import hardware


def main():
    """Times the files and prints a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="+", help="TFLite files of one vocabulary")
    parser.add_argument("--tokens", type=int, default=30, help="[CLS] and [SEP] included")
    parser.add_argument("--runs", type=int, default=200)
    flags = parser.parse_args()
    models = [LiteModel(file) for file in flags.files]
    row = random_row(max(models, key=lambda model: model.length), flags.tokens)
    found = [model.logits(row) for model in models]
    runs = {number: lambda _, model=model: model.logits(row) for number, model in enumerate(models)}
    times = times_in_turn(runs, flags.runs)
    middle = [times[number].milliseconds() for number in runs]
    print(hardware.chip(), *hardware.instruction_sets())
    for model, logits, milliseconds in zip(models, found, middle, strict=True):
        size, length = os.path.getsize(model.path) / 1e6, model.length_for(row["attention_mask"])
        end = min(len(found[0]), len(logits))  # of labels of tokens, one may have more padding
        apart = np.abs(logits[:end] - found[0][:end]).max()
        print(f"{size:8.2f} MB {length:5} tokens {milliseconds['median_ms']:8.2f} ms", end="")
        cpu, first = milliseconds["cpu_ms"], middle[0]["cpu_ms"]
        print(f" {cpu:8.2f} ms CPU {first / cpu:6.2f} x   {apart:.1e}   {model.path}")


if __name__ == "__main__":
    main()
