"""Measures the cost, effect and gain of --teacher_cache, on real models and the bundled text.

Usage: python scripts/bench/teacher_cache.py --teacher=DIR --student=DIR    (five minutes)

For the recipe distilbert, at all tokens and at masked tokens, it measures bytes per token; the KL
and its gradient with the teacher's stored tokens and with the whole vocabulary, on the same batches
and weights; the seconds of an epoch with the teacher in the step, with cached outputs, and of
filling the cache; and the resulting speed over several epochs.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

from tfdistill import recipes
from tfdistill.command_line.console import Console
from tfdistill.data.batches import TrainingBatches
from tfdistill.data.corpus import open_corpus
from tfdistill.data.masking import training_masking
from tfdistill.data.pipeline import as_dataset
from tfdistill.data.rows import Rows
from tfdistill.data.shards import prepare
from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.distillation.cached_signals import signals_to_cache
from tfdistill.distillation.distiller import Distiller
from tfdistill.distillation.teachers import Teachers
from tfdistill.models.hugging_face.checkpoint import load_model
from tfdistill.run.teacher_cache import TeacherCache
from tfdistill.system import devices
from tfdistill.training.optimizer import OptimizerSettings, build_optimizer
from tfdistill.training.step import TrainStep

LENGTH, ROWS, STEPS, WARM_UP, EPOCHS = 64, 32, 24, 4, (1, 2, 3, 5, 10)


def make_step(student, teacher, recipe, jit_compile):
    distiller = Distiller(load_model(student), recipe.phases[0], teacher)
    optimizer = build_optimizer(
        distiller.trained_variables,
        OptimizerSettings(
            learning_rate=1e-4,
            steps=2 * STEPS,
            warmup_prop=0.0,
            betas=(0.9, 0.98),
            epsilon=1e-6,
            weight_decay=0.0,
            max_grad_norm=5.0,
        ),
    )
    return TrainStep(distiller, optimizer, jit_compile)


def seconds_of(step, batches):
    """Median of a step's seconds, the batch's making included."""
    times, dataset = [], iter(as_dataset(batches, 0, STEPS))
    for number in range(STEPS):
        started = time.perf_counter()
        float(step(next(dataset), number)["loss"])
        times.append(time.perf_counter() - started)
    return statistics.median(times[WARM_UP:])


def compare_losses(student, teacher, options, plain, cached):
    """(KL to all tokens, KL to the cached tokens, distance of their gradients as a share)."""
    (phase,) = recipes.get("distilbert", alpha_mlm=0.0, alpha_cos=0.0, **options).phases
    distiller, found = Distiller(load_model(student), phase, teacher), []
    for batches in (plain, cached):
        sums = None
        for number in range(STEPS):
            batch = {name: tf.constant(array) for name, array in batches.at(number).items()}
            gradients, losses = distiller.gradients(batch, number)
            parts = [losses["loss"] / STEPS, *(gradient / STEPS for gradient in gradients)]
            sums = parts if sums is None else [a + b for a, b in zip(sums, parts, strict=True)]
        found.append(sums)
    (live, *slopes), (kept, *other) = found
    distance = tf.linalg.global_norm([a - b for a, b in zip(slopes, other, strict=True)])
    return float(live), float(kept), float(distance / tf.linalg.global_norm(slopes))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--teacher", required=True)
    parser.add_argument("--student", required=True)
    options = parser.parse_args()
    machine, tokenizer = devices.prepare("cpu", "float32"), load_tokenizer()
    teacher = load_model(options.teacher)
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare(open_corpus("sample"), tokenizer, folder)
        rows = Rows(prepared.shard("train"), LENGTH, tokenizer)
        plain = TrainingBatches(rows, ROWS, 0, training_masking(rows), draws_per_row=1)
        for name, flags in {"all tokens": {}, "masked": {"restrict_ce_to_mask": True}}.items():
            recipe = recipes.get("distilbert", **flags)
            student = load_model(options.student).config
            (signals,) = signals_to_cache(recipe, student, teacher.config)
            (Path(folder) / name).mkdir()
            teachers = Teachers([teacher])
            cache = TeacherCache(Path(folder) / name, plain, teachers, teachers.vocabulary)
            cache.fill([(signals, 0, 1)], Console())  # traces the graph
            started = time.perf_counter()
            cache.fill([(signals, 1, STEPS)], Console())
            asked = (time.perf_counter() - started) / (STEPS - 1)
            cached = cache.batches(signals)
            live, found, distance = compare_losses(options.student, teacher, flags, plain, cached)
            live_step, cached_step = (
                seconds_of(make_step(options.student, teacher, recipe, machine.jit_compile), each)
                for each in (plain, cached)
            )
            print(
                f"\n{name}: {cache.bytes_per_token(signals):,.0f} bytes a token; KL {live:.4f}, to "
                f"the cached tokens {found:.4f} ({found / live - 1:+.1%}); gradients differ by "
                f"{distance:.1%}\n"
                f"step {1e3 * live_step:.0f} ms with the teacher, "
                f"{1e3 * cached_step:.0f} ms with the cache; "
                f"filling it with a batch {1e3 * asked:.0f} ms"
            )
            for epochs in EPOCHS:
                ratio = epochs * live_step / (asked + epochs * cached_step)
                print(f"{epochs:>3} epochs: {ratio:.2f} times as fast")


if __name__ == "__main__":
    main()
