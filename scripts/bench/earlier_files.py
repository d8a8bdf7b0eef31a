"""Compares TFLite files with those that an earlier commit writes from the same weights.

    taskset -c 0 python scripts/bench/earlier_files.py --shapes L-4_H-128_A-2 [--model_type bert]
        [--commit 7ec0743] [--tokens 128 30] [--rounds 100] [--kinds int8 float32] [--warm]

The weights are random. The earlier commit, whose code git provides, writes files of one length,
128; today's code writes files of one length, and of 16, 32, 64 and 128. Texts have one [MASK]. The
files run in turn, on one thread, so that each call finds fewer of its weights in the processor's
caches than in a program with one model; with --warm, another call of the same file goes before.
Prints the name of the processor. For each file it prints the size, the distance from the model's
logits (root mean square, relative), the median wall time and CPU time of a text, and the earlier
file's CPU time divided by this one's.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from last_layer import FILES
from mobilebert_fold import distance, make_model, texts

from tfdistill.deployment.latency import times_in_turn
from tfdistill.system import devices, hardware

ROOT = Path(__file__).resolve().parents[2]
LENGTH = 128
NOISE = 0.05  # of the norms' scales and shifts, which a converter would leave out
WAYS = "earlier", "one", "several"
EARLIER = """
import sys
import tfdistill

folder, length, *kinds = sys.argv[1:]
model = tfdistill.load_model(folder)
for kind in kinds:
    quantize = "dynamic_int8" if kind == "int8" else None
    tfdistill.export_tflite(model, f"{folder}/earlier_{kind}.tflite", quantize, int(length))
"""


def earlier_code(commit, folder):
    """Writes the package as a commit had it."""
    archive = folder / "code.tar"
    git = ["git", "-C", ROOT, "archive", f"--output={archive}", commit, "tfdistill"]
    subprocess.run(git, check=True)
    shutil.unpack_archive(archive, folder, filter="data")


def write_files(model, folder, kinds):
    """The files of a model: dict of kinds to dicts of `WAYS` to `LiteModel`s."""
    from tfdistill.deployment.lite_model import LiteModel
    from tfdistill.deployment.signatures import usual_lengths
    from tfdistill.deployment.tflite import export_tflite_files
    from tfdistill.models.hugging_face.checkpoint import save_model

    save_model(model, folder)
    command = [sys.executable, "-c", EARLIER, folder, str(LENGTH), *kinds]
    subprocess.run(command, check=True, cwd=folder.parent)  # the code lies there
    for way, lengths in {"one": LENGTH, "several": usual_lengths(LENGTH)}.items():
        files = {folder / f"{way}_{kind}.tflite": FILES[kind] for kind in kinds}
        export_tflite_files(model, files, lengths)
    return {
        kind: {way: LiteModel(folder / f"{way}_{kind}.tflite") for way in WAYS} for kind in kinds
    }


def print_errors(model, files):
    """Prints the size of each file, and how far it is from its model."""
    for way, lite in files.items():
        apart = distance(model, lite, list(texts(LENGTH)))
        print(f"    {way}: {lite.path.stat().st_size / 1e6:.2f} MB, {apart:.3e} from the model")


def print_times(files, tokens, rounds, warm):
    """Prints the times of each file for a text."""
    row = next(texts(LENGTH, tokens))
    runs = {way: lambda _, lite=lite: lite.logits(row) for way, lite in files.items()}
    times = {way: found.milliseconds() for way, found in times_in_turn(runs, rounds, warm).items()}
    for way, found in times.items():
        clock, cpu = found["median_ms"], found["cpu_ms"]
        ratio = times[WAYS[0]]["cpu_ms"] / cpu
        print(f"    {way}, {tokens} tokens: {clock:.2f} ms, CPU {cpu:.2f} ms, {ratio:.2f} times")


def main():
    """Compares the files of each shape."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shapes", nargs="+", default=["L-2_H-128_A-2", "L-4_H-128_A-2"])
    parser.add_argument("--model_type", default="bert")
    parser.add_argument("--commit", default="7ec0743")
    parser.add_argument("--tokens", nargs="+", type=int, default=[LENGTH, 30])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--warm", action="store_true")
    parser.add_argument("--kinds", nargs="+", default=list(FILES), choices=list(FILES))
    options = parser.parse_args()
    devices.prepare("cpu", "float32")
    print(hardware.chip(), *hardware.instruction_sets())
    for shape in options.shapes:
        print(shape, options.model_type)
        with tempfile.TemporaryDirectory() as folder:
            earlier_code(options.commit, Path(folder))
            model = make_model(shape, NOISE, options.model_type)
            files = write_files(model, Path(folder, "model"), options.kinds)
            for kind, lite in files.items():
                print(f"  {kind}")
                print_errors(model, lite)
                for tokens in options.tokens:
                    print_times(lite, tokens, options.rounds, options.warm)


if __name__ == "__main__":
    main()
