"""The distillation step of tfdistill, driven by its own training loop.

Usage: python tfdistill_step.py FOLDER    (made by make_inputs.py); prints one JSON object
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
from settings import ADAMW, CLIP, TEMPERATURE, WEIGHTS

from tfdistill import devices, hardware
from tfdistill.distillation.distiller import Distiller
from tfdistill.models.checkpoint import load_model
from tfdistill.recipes.distilbert import distilbert
from tfdistill.training.loop import Intervals, Observers, TrainingLoop
from tfdistill.training.optimizer import build_optimizer
from tfdistill.training.run_state import StageState


def main(folder):
    machine = devices.prepare()
    arrays = dict(np.load(folder / "batches.npz"))
    steps = len(arrays["input_ids"])
    weights = {f"alpha_{name}": weight for name, weight in WEIGHTS.items()}
    (phase,) = distilbert(**weights, temperature=TEMPERATURE).phases
    student = load_model(folder / "student")
    distiller = Distiller(student, phase, teacher=load_model(folder / "teacher"))
    optimizer = build_optimizer(
        student.trainable_variables,
        steps=steps,
        warmup_prop=0.0,
        weight_decay=0.0,
        max_grad_norm=CLIP,
        **ADAMW,
    )
    losses, times = [], []

    def progress(_, row):
        losses.append(row["loss"])
        times.append(time.perf_counter())

    loop = TrainingLoop(
        distiller,
        optimizer,
        steps=steps,
        dataset=lambda start, stop: tf.data.Dataset.from_tensor_slices(arrays),
        state=StageState(folder / "state", "bench"),
        intervals=Intervals(log=1, checkpoint=steps + 1, validation=steps + 1),
        observers=Observers(progress=progress, restored=lambda rows: None),
        jit_compile=machine.jit_compile,
    )
    times.append(time.perf_counter())
    loop.run()
    seconds = np.diff(times).tolist()
    print(json.dumps({"losses": losses, "seconds": seconds, "peak": hardware.peak_memory_bytes()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
