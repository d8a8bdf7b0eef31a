"""The steps of tfdistill, driven by its own training loop.

Usage: python tfdistill_step.py WORK FOLDER [PRECISION]    prints one JSON object
    FOLDER is made by make_inputs.py; PRECISION is float32 or bfloat16
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
from settings import CLIP, TASK_ALPHA, TEMPERATURE, WEIGHTS, WORKS

from tfdistill import recipes, tasks
from tfdistill.distillation.distiller import Distiller
from tfdistill.models.hugging_face.checkpoint import load_model
from tfdistill.system import devices
from tfdistill.training.checkpoints import StageState
from tfdistill.training.loop import Intervals, Observers, TrainingLoop
from tfdistill.training.optimizer import OptimizerSettings, build_optimizer
from tfdistill.training.step import TrainStep


def make_distiller(work, folder):
    if work.tuned:
        task = tasks.get("text_classification")
        student, tokens = task.load(folder / "student"), np.load(folder / "tokens.npy")
        if not work.teacher_layers:
            return Distiller(student, task.without_teacher().phases[0], tokens=tokens)
        options = dict(alpha=TASK_ALPHA, temperature=TEMPERATURE)
        (phase,) = recipes.get("kd", task_losses=task.distillation_losses, **options).phases
        return Distiller(student, phase, teacher=task.load(folder / "teacher"), tokens=tokens)
    student = load_model(folder / "student")
    if not work.teacher_layers:
        return Distiller(student, recipes.get("mlm").phases[0])
    weights = {f"alpha_{name}": weight for name, weight in WEIGHTS.items()}
    (phase,) = recipes.get("distilbert", **weights, temperature=TEMPERATURE).phases
    return Distiller(student, phase, teacher=load_model(folder / "teacher"))


def make_optimizer(work, distiller, steps):
    settings = OptimizerSettings(
        steps=steps,
        warmup_prop=0.0,
        weight_decay=work.decay,
        max_grad_norm=CLIP,
        **work.adamw,
    )
    return build_optimizer(distiller.trained_variables, settings, rows=distiller.gradient_rows)


def main(work, folder, precision="float32"):
    work, folder = WORKS[work], Path(folder)
    machine = devices.prepare("cpu", precision)
    arrays = dict(np.load(folder / "batches.npz"))
    steps = len(arrays["input_ids"])
    with devices.numerics(machine):
        distiller = make_distiller(work, folder)
    optimizer = make_optimizer(work, distiller, steps)
    losses, times, processor = [], [], []

    def progress(_, row):
        losses.append(row["loss"])
        times.append(time.perf_counter())
        processor.append(time.process_time())

    loop = TrainingLoop(
        TrainStep(distiller, optimizer, machine.jit_compile),
        lambda start, stop: tf.data.Dataset.from_tensor_slices(arrays),
        steps=steps,
        state=StageState(folder / "state", "bench"),
        intervals=Intervals(log=1, checkpoint=steps + 1, validation=steps + 1),
        observers=Observers(progress=progress, restored=lambda first, rows: None),
    )
    times.append(time.perf_counter())
    processor.append(time.process_time())
    with devices.numerics(machine):  # the step is traced as in a run
        loop.run()
    seconds, busy = np.diff(times).tolist(), np.diff(processor).tolist()
    print(json.dumps({"losses": losses, "seconds": seconds, "processor": busy}))


if __name__ == "__main__":
    main(*sys.argv[1:])
