"""Measures what it saves to write MobileBERT's files without norms, and what it changes.

    python scripts/bench/mobilebert_fold.py [--shape L-24_H-128_B-512_A-4_F-4_OPT] [--length 128]
        [--tokens 30] [--rounds 60] [--noise 0.05] [--kinds int8] [--ways whole folded short]

A masked LM with fresh weights, whose norms have scales of 1 and shifts of 0 with normal noise, is
written in three ways: with norms and the whole last layer, with the converter's own treatment of
the norms' scales; with norms and the rows that are read; and without norms, in rows of --length and
of the shortest usual length that holds --tokens. The files run in turn, on one thread. Prints the
name of the processor, median CPU and wall times, and the distance of the files' logits from the
model's, relative to their size (root mean squares).
"""

import argparse
import contextlib
import dataclasses
import functools
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
from last_layer import FILES

from tfdistill.deployment.latency import times_in_turn
from tfdistill.system import devices, hardware

WAYS = "whole", "norms", "folded", "short"
TEXTS = 20  # on which the distances are measured


def make_model(shape, noise, model_type="mobilebert"):
    """A masked LM with uneven norms."""
    from tfdistill.models.configs.config_files import named_config
    from tfdistill.models.model import MaskedLanguageModel

    model = MaskedLanguageModel(named_config(shape, model_type), seed=1)
    generator = np.random.default_rng(3)
    for variable in model.encoder.variables:
        if variable.path.endswith(("/gamma", "/beta")):
            values = generator.normal(0, noise, variable.shape)
            variable.assign(variable.numpy() + values.astype(np.float32))
    return model


@contextlib.contextmanager
def with_norms(model, whole):
    """Files are written with norms inside; perhaps as once, with the whole last layer."""
    from tfdistill.models import normalization
    from tfdistill.models.configs.model_types import MODEL_TYPES
    from tfdistill.models.encoder import LAST

    own = MODEL_TYPES["mobilebert"]
    parts = own.parts()._replace(exported=None)
    kept = dataclasses.replace(own, parts=lambda: parts)
    encode = model.encode
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.dict(MODEL_TYPES, {"mobilebert": kept}))
        if whole:
            all_rows = functools.partial(encode, taps={LAST})
            stack.enter_context(mock.patch.object(model, "encode", all_rows))
            stack.enter_context(
                mock.patch.object(normalization, "scales_apart", contextlib.nullcontext)
            )
        yield


def write_files(model, folder, options, short):
    """The files of the chosen ways: dict of kinds to dicts of ways to `LiteModel`s."""
    from tfdistill.deployment.lite_model import LiteModel
    from tfdistill.deployment.tflite import export_tflite_files

    contexts = {"whole": with_norms(model, whole=True), "norms": with_norms(model, whole=False)}
    found = {kind: {} for kind in options.kinds}
    for way in options.ways:
        paths = {kind: folder / f"{way}_{kind}.tflite" for kind in options.kinds}
        with contexts.get(way, contextlib.nullcontext()):
            files = {path: FILES[kind] for kind, path in paths.items()}
            export_tflite_files(model, files, short if way == "short" else options.length)
        for kind, path in paths.items():
            found[kind][way] = LiteModel(path)
    return found


def texts(length, tokens=None):
    """Inputs of texts with one [MASK]."""
    generator = np.random.default_rng(0)
    mask = (np.arange(length) < (tokens or length)).astype(np.int32)
    for _ in range(TEXTS):
        ids = generator.integers(1000, 30000, length) * mask
        yield {"input_ids": ids, "attention_mask": mask, "masked_positions": [17]}


def distance(model, lite, rows):
    """Root mean square of the differences from the model's logits, by that of the logits."""
    squares = np.zeros(2)
    for row in rows:
        inputs = {name: np.asarray(values)[None] for name, values in row.items()}
        expected = np.asarray(model(inputs, taps=())["logits"])[0]
        squares += np.sum((lite.logits(row) - expected) ** 2), np.sum(expected**2)
    return float(np.sqrt(squares[0] / squares[1]))


def main():
    """Compares the ways."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", default="L-24_H-128_B-512_A-4_F-4_OPT")
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--tokens", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--noise", type=float, default=0.05)
    parser.add_argument("--kinds", nargs="+", default=list(FILES), choices=list(FILES))
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    options = parser.parse_args()
    devices.prepare("cpu", "float32")
    print(hardware.chip(), *hardware.instruction_sets())
    from tfdistill.deployment.signatures import usual_lengths

    short = next(each for each in usual_lengths(options.length) if each >= options.tokens)
    model = make_model(options.shape, options.noise)
    with tempfile.TemporaryDirectory() as folder:
        files = write_files(model, Path(folder), options, short)
        for kind, lite in files.items():
            full = next(texts(options.length))
            brief = next(texts(options.length, options.tokens))
            rows = {way: brief if way == "short" else full for way in lite}
            runs = {way: lambda _, f=lite[way], row=rows[way]: f.logits(row) for way in lite}
            times = times_in_turn(runs, options.rounds) if options.rounds else {}
            taken = {way: found.milliseconds() for way, found in times.items()}
            for way, middle in taken.items():
                ratio = taken[options.ways[0]]["cpu_ms"] / middle["cpu_ms"]
                clock = f"by the clock {middle['median_ms']:.2f} ms"
                print(f"{kind} {way}: {middle['cpu_ms']:.2f} ms, {ratio:.3f} times ({clock})")
            for way in lite.keys() - {"short"}:
                found = distance(model, lite[way], list(texts(options.length)))
                print(f"{kind} {way}: {found:.2e} from the model")


if __name__ == "__main__":
    main()
