"""Times the path from text to batches: preparation beside `tokenizers` alone, then the batches.

Usage: python scripts/bench/data.py [--corpus=wikitext-2 --data_dir=DIR]    (two minutes)

Preparation reads text files and writes shards to the disk. `tokenizers` gets lines in memory, and
its encodings are discarded. Both run in turn with their packages already loaded. The faster
tokenizer is used for any size of corpus; a run would not load it for a few megabytes. Batches are
training batches of 128 tokens per row, masked, as tensors. The time that a step waits for them is
measured on the distillation of configs/mini.flags.
"""

import argparse
import os
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf  # noqa: F401  as in a run, whose preparation follows the import

from tfdistill.data.batches import TrainingBatches
from tfdistill.data.corpus import open_corpus
from tfdistill.data.masking import training_masking
from tfdistill.data.pipeline import as_dataset, taken_ahead
from tfdistill.data.rows import Rows
from tfdistill.data.shards import prepare
from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.diagnosis import workloads
from tfdistill.system import devices
from tfdistill.training.step import TrainStep

ROUNDS, LENGTH, BATCHES, ROWS = 5, 128, (32, 256, 1024), 60_000
WARM_UP, STEPS = 3, 100  # steps that are not timed, and all


class Loaded:
    """A tokenizer whose encoder of corpora is made once."""

    def __init__(self, tokenizer):
        self._tokenizer, self._encoder = tokenizer, tokenizer.corpus_encoder(None)

    def __getattr__(self, name):
        return getattr(self._tokenizer, name)

    def corpus_encoder(self, size):
        return self._encoder


def seconds(function):
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def time_preparation(corpus, tokenizer):
    splits = corpus().splits.values()
    lines = [line for open_ in splits for document in open_() for line in document]
    loaded, times = Loaded(tokenizer), {"prepare": [], "tokenizers": []}
    encode = tokenizer._text_tokenizer.encode_batch_fast
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            times["prepare"].append(seconds(lambda: prepare(corpus(), loaded, folder)))
        times["tokenizers"].append(seconds(lambda: encode(lines, add_special_tokens=False)))
    tokens = sum(map(len, tokenizer.encode_lines(lines)))
    print(f"{'preparation':<24}{'M tokens/s':>12}{'range':>14}{'ratio':>8}")
    slow = statistics.median(times["tokenizers"])
    for name in ("tokenizers", "prepare"):
        rates = sorted(tokens / t / 1e6 for t in times[name])
        ratio = slow / statistics.median(times[name])
        span = f"{rates[0]:.2f}-{rates[-1]:.2f}"
        print(f"{name:<24}{statistics.median(rates):>12.2f}{span:>14}{ratio:>8.1f}")


def time_batches(corpus, tokenizer):
    print(f"\n{'rows in a batch':<24}{'rows/s':>12}{'range':>18}")
    with tempfile.TemporaryDirectory() as folder:
        rows = Rows(prepare(corpus(), tokenizer, folder).shard("train"), LENGTH, tokenizer)
        for size in BATCHES:
            rates = []
            for seed in range(ROUNDS):
                batches = TrainingBatches(rows, size, seed, training_masking(rows))
                dataset = iter(as_dataset(batches, 0, ROWS // size + 1))
                next(dataset)
                taken = seconds(lambda dataset=dataset: [None for _ in dataset])
                rates.append(ROWS // size * size / taken)
            span = f"{min(rates):,.0f}-{max(rates):,.0f}"
            print(f"{size:<24}{statistics.median(rates):>12,.0f}{span:>18}")


def time_waiting(tokenizer):
    choice = devices.prepare("cpu", "float32")
    step = TrainStep(*workloads.make(workloads.MINI, STEPS, on_metal=False), choice.jit_compile)
    dataset = as_dataset(workloads.batches(workloads.MINI, tokenizer), 0, STEPS)
    dataset = taken_ahead(iter(dataset))  # as the training loop does
    waited, whole = [], []
    for number in range(STEPS):
        started = time.perf_counter()
        batch = next(dataset)
        waited.append(time.perf_counter() - started)
        float(step(batch, number)["loss"])
        whole.append(time.perf_counter() - started)
    waiting, total = sum(waited[WARM_UP:]), sum(whole[WARM_UP:])
    milliseconds = 1e3 * total / (STEPS - WARM_UP)
    print(
        f"\nof a step of mini, {milliseconds:.0f} ms, waiting for its batch: {waiting / total:.1%}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", default="sample")
    parser.add_argument("--data_dir", default="")
    options = parser.parse_args()
    tokenizer = load_tokenizer()

    def corpus():
        return open_corpus(options.corpus, options.data_dir)

    time_preparation(corpus, tokenizer)
    time_batches(corpus, tokenizer)
    time_waiting(tokenizer)


if __name__ == "__main__":
    main()
