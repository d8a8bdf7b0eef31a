"""Measures what it saves to compute the last layer only for the rows that are read.

    python scripts/bench/last_layer.py [--shapes L-2_H-128_A-2 L-4_H-128_A-2] [--model_type bert]
        [--length 128] [--rounds 100] [--steps 20]

Models with fresh weights are written as TFLite files that predict one [MASK], and trained on masked
LM (32 rows, 15 % of the tokens), each with the whole last layer and without. Files run in turn, on
one thread, and steps in turn, too. Prints the name of the processor, median CPU and wall times, the
ratios of the CPU times, and the largest difference between the files' logits. --rounds=0 or
--steps=0 leaves a part out.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from tfdistill.deployment.latency import times_in_turn
from tfdistill.system import devices, hardware

ROWS, MASKED_SHARE = 32, 0.15
FILES = {"int8": "dynamic_int8", "float32": None}


def make_model(shape, model_type, whole):
    """A masked LM, whose last layer is always computed for all rows if `whole` is true."""
    from tfdistill.models.configs.config_files import named_config
    from tfdistill.models.encoder import LAST
    from tfdistill.models.model import MaskedLanguageModel

    model = MaskedLanguageModel(named_config(shape, model_type).with_dropout(0.0), seed=1)
    if whole:
        encode = model.encode
        model.encode = lambda inputs, taps=(), **options: encode(
            inputs, taps={*taps, LAST}, **options
        )
    return model


def compare_files(models, length, rounds):
    """Prints the milliseconds of the files of both models."""
    from tfdistill.deployment.lite_model import LiteModel
    from tfdistill.deployment.tflite import export_tflite_files

    generator = np.random.default_rng(0)
    row = {"input_ids": generator.integers(1000, 30000, length), "masked_positions": [17]}
    row["attention_mask"] = np.ones(length, np.int32)
    with tempfile.TemporaryDirectory() as folder:
        lite = {}
        for way, model in models.items():
            paths = {kind: Path(folder) / f"{way}_{kind}.tflite" for kind in FILES}
            export_tflite_files(model, {paths[kind]: FILES[kind] for kind in FILES}, length)
            lite[way] = {kind: LiteModel(paths[kind]) for kind in FILES}
        for kind in FILES:
            runs = {
                way: lambda _, file=files[kind]: file.logits(row) for way, files in lite.items()
            }
            difference = np.abs(runs["whole"](0) - runs["rows"](0)).max()
            words = _words(times_in_turn(runs, rounds))
            print(f"  {kind} file: {words}, largest difference {difference:.1e}")


def compare_steps(models, length, steps):
    """Prints the milliseconds of a training step of both models."""
    import tensorflow as tf

    from tfdistill import recipes
    from tfdistill.distillation.distiller import Distiller
    from tfdistill.training.optimizer import OptimizerSettings, build_optimizer
    from tfdistill.training.step import TrainStep

    generator = np.random.default_rng(0)
    masked = round(MASKED_SHARE * length)
    ids = generator.integers(1000, 30000, (ROWS, length))
    positions = generator.random((ROWS, length)).argsort(axis=1)[:, :masked]
    batch = {"input_ids": ids, "attention_mask": np.ones_like(ids), "masked_positions": positions}
    batch["masked_labels"] = np.take_along_axis(ids, positions, axis=1)
    batch = {name: tf.constant(array, tf.int32) for name, array in batch.items()}
    batch["masked_weights"] = tf.ones((ROWS, masked))
    runs = {}
    for way, model in models.items():
        distiller = Distiller(model, recipes.get("mlm").phases[0])
        settings = OptimizerSettings(5e-4, 1000, 0.1, (0.9, 0.98), 1e-6, 0.01, 1.0)
        optimizer = build_optimizer(distiller.trained_variables, settings)
        step = TrainStep(distiller, optimizer, jit_compile=True)
        runs[way] = lambda _, step=step: float(step(batch, 0)["loss"])
    print(f"  training step: {_words(times_in_turn(runs, steps))}")


def _words(times):
    both = [times[way].milliseconds() for way in ("whole", "rows")]
    (whole, rows), clock = ([each[key] for each in both] for key in ("cpu_ms", "median_ms"))
    return (
        f"{whole:.2f} ms, {rows:.2f} ms with the rows that are read: {whole / rows:.2f} times "
        f"(by the clock {clock[0]:.2f} ms, {clock[1]:.2f} ms)"
    )


def main():
    """Compares both ways for each shape."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", nargs="+", default=["L-2_H-128_A-2", "L-4_H-128_A-2"])
    parser.add_argument("--model_type", default="bert")
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    devices.prepare("cpu", "float32")
    print(hardware.chip(), *hardware.instruction_sets())
    for shape in options.shapes:
        print(shape)
        ways = {"whole": True, "rows": False}
        models = {way: make_model(shape, options.model_type, ways[way]) for way in ways}
        if options.rounds:
            compare_files(models, options.length, options.rounds)
        if options.steps:
            compare_steps(models, options.length, options.steps)


if __name__ == "__main__":
    main()
