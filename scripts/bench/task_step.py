"""Times the fine-tuning step of a classifier with and without XLA, in turn, for several lengths.

    python scripts/bench/task_step.py MODEL [--lengths 16 32 64 128] [--rows 32] [--steps 12]
        [--tokens 4000]

MODEL is a Hugging Face directory. Each way runs in a process of its own. With `--tokens` the data
holds so many different tokens, and without any of the vocabulary. Prints, for each length,
the seconds of the first call (tracing and compiling), the median seconds of a later step and its
processor time, and the processor's units.
"""

import argparse
import dataclasses
import json
import resource
import statistics
import subprocess
import sys
import time

import numpy as np

WAYS = {"XLA": True, "no XLA": False}


def measure(model_dir, jit_compile, lengths, rows, steps, tokens):
    """Times of one way: dict of lengths to (first call, median step, processor time), seconds."""
    from tfdistill.system import devices

    machine = devices.prepare("cpu", "float32")
    machine = dataclasses.replace(machine, jit_compile=jit_compile)
    from tfdistill import tasks
    from tfdistill.distillation.distiller import Distiller
    from tfdistill.training.optimizer import OptimizerSettings, build_optimizer
    from tfdistill.training.step import TrainStep

    task = tasks.get("text_classification").bound(("no", "yes"))
    model = task.load_for_training(model_dir, 0)
    tokens = np.arange(tokens, dtype=np.int32) if tokens else None
    distiller = Distiller(model, task.without_teacher().phases[0], tokens=tokens)
    settings = OptimizerSettings(
        learning_rate=5e-5,
        steps=1000,
        warmup_prop=0.1,
        betas=(0.9, 0.98),
        epsilon=1e-6,
        weight_decay=0.01,
        max_grad_norm=5.0,
    )
    optimizer = build_optimizer(distiller.trained_variables, settings, rows=distiller.gradient_rows)
    step = TrainStep(distiller, optimizer, jit_compile)
    with devices.numerics(machine):  # as in a run
        return {length: _times(step, length, rows, steps) for length in lengths}


def _times(step, length, rows, steps):
    import tensorflow as tf

    generator = np.random.default_rng(length)
    batch = {
        "input_ids": generator.integers(1000, 2000, (rows, length)).astype(np.int32),
        "attention_mask": np.ones((rows, length), np.int32),
        "labels": generator.integers(0, 2, rows).astype(np.int32),
        "label_weights": np.ones(rows, np.float32),
    }
    batch = {name: tf.constant(array) for name, array in batch.items()}
    clock, busy = [], []
    for number in range(steps + 1):
        began, usage = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
        float(step(batch, number)["loss"])
        after = resource.getrusage(resource.RUSAGE_SELF)
        clock.append(time.perf_counter() - began)
        busy.append(after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime)
    return clock[0], statistics.median(clock[1:]), statistics.median(busy[1:])


def main():
    """Measures both ways in turn and prints a line for each length."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--lengths", type=int, nargs="+", default=[16, 32, 64, 128])
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--tokens", type=int, default=0)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        found = measure(
            options.model,
            WAYS[options.way],
            options.lengths,
            options.rows,
            options.steps,
            options.tokens,
        )
        print(json.dumps(found))
        return
    from tfdistill.system.hardware import has_bfloat16_units

    found = {}
    for way in WAYS:
        done = subprocess.run(
            [sys.executable, *sys.argv, "--way", way], capture_output=True, text=True, check=True
        )
        found[way] = json.loads(done.stdout.splitlines()[-1])
    print(f"units for bfloat16: {'yes' if has_bfloat16_units() else 'no'}")
    for length in map(str, options.lengths):
        for way, times in found.items():
            first, step, busy = times[length]
            print(
                f"{length:>4} tokens, {way:>6}: first call {first:5.1f} s, step {step:6.3f} s, "
                f"processor time {busy:6.3f} s"
            )


if __name__ == "__main__":
    main()
