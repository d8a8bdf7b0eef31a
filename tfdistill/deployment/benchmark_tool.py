"""LiteRT's benchmark tool on a phone: what it needs, and what it prints.

`benchmark_model` fills integer inputs with random numbers unless it is given files, and random
token ids may lie outside the vocabulary. The tool is described in "tools/benchmark" of TensorFlow
Lite; without a signature it refuses files of several lengths.
"""

import math
import re
import shlex
import shutil
from pathlib import Path

import numpy as np

from tfdistill.deployment.latency import random_row
from tfdistill.deployment.lite_model import LiteModel
from tfdistill.system.errors import UserError

TOOL = "benchmark_model"
SCRIPT = "run.sh"
ON_PHONE = "/data/local/tmp/tfdistill"
THREADS = 1, 4
RUNS = 50
_NUMBER = r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)"
_STATISTICS = re.compile(rf"\b(count|avg|p5|median|p95)={_NUMBER}")
_SUMMARY = re.compile(
    rf"Inference timings in us: Init: {_NUMBER}, First inference: {_NUMBER}, "
    rf"Warmup \(avg\): {_NUMBER}, Inference \(avg\): {_NUMBER}"
)
_MEMORY = re.compile(rf"emory footprint.*\(MB\): init={_NUMBER} overall={_NUMBER}")
_SIZE = re.compile(rf"input model file size \(MB\): {_NUMBER}")
_FACTS = {
    "file": re.compile(r"\bGraph: \[(.+)\]"),
    "signature": re.compile(r"\bSignature to run: \[(.+)\]"),
    "shapes": re.compile(r"\bInput shapes: \[([\d,:]+)\]"),
    "threads": re.compile(r"\bNum threads: \[([1-9]\d{0,3})\]"),
}


def write_for_phone(paths, folder):
    """Writes what the tool needs to time files on a phone.

    Args:
        paths: dict of names to .tflite files.
        folder: `Path`; files in it with the same names are replaced.

    Returns:
        `Path` of the script that copies all to a phone and runs the tool there. `inputs/` has one
        file for each input, of int32 numbers in little-endian order.

    Raises:
        UserError: a file cannot be read, lies in `folder`, or has a name that the tool misreads.
    """
    folder = Path(folder)
    if same := [path for path in paths.values() if folder.resolve() == Path(path).resolve().parent]:
        raise UserError(
            f"`phone`={folder} is the folder of {Path(same[0]).name} itself: name another"
        )
    commands = []
    for name, path in paths.items():
        if wrong := re.sub(r"[\w .+-]", "", name):  # such as , and : between files
            raise UserError(f"{path}: the tool cannot read {wrong[0]!r} in its name: rename it")
        model = LiteModel(path)
        folder.mkdir(parents=True, exist_ok=True)
        file = f"{name}.tflite"
        shutil.copyfile(path, folder / file)
        commands.append(f"push {shlex.quote(file)}")
        for length in model.lengths:
            values = _write_inputs(model, length, folder / "inputs" / name)
            commands += [_command(name, model, length, values, threads) for threads in THREADS]
        commands.append(f"remove {shlex.quote(shlex.quote(f'{ON_PHONE}/{file}'))}")
    script = folder / SCRIPT
    script.write_text("\n".join([*_BEFORE, *commands, "exit $failed"]) + "\n", "utf-8")
    script.chmod(0o755)
    return script


_BEFORE = (
    "#!/bin/sh",
    "# Times the files of this folder on a phone: sh run.sh > phone.txt",
    f"# Needs adb, a phone with USB debugging, and LiteRT's {TOOL} for its processor in this",
    "# folder (https://ai.google.dev/edge/litert/models/measurement).",
    "set -eu",
    'cd "$(dirname "$0")"',
    'stop() { echo "run.sh: $1" >&2; exit 1; }',
    f'[ -f {TOOL} ] || stop "put LiteRT\'s {TOOL} for the phone into $PWD"',
    'command -v adb > /dev/null || stop "install adb, of the Android SDK Platform-Tools"',
    'adb get-state > /dev/null || stop "connect one phone with USB debugging"',
    f"adb shell mkdir -p {ON_PHONE} >&2",
    f"adb push {TOOL} inputs {ON_PHONE} >&2",
    f"adb shell chmod +x {ON_PHONE}/{TOOL} >&2",
    f'push() {{ adb push "$1" {ON_PHONE} >&2; }}  # one file at a time: phones have little room',
    'remove() { adb shell "rm $1" < /dev/null >&2; }',
    "failed=0",
    "timed() {  # a name, and the command for the phone",
    '  echo "$1" >&2',
    '  adb shell "$2" < /dev/null 2>&1 || { failed=1; echo "  failed: see its output" >&2; }',
    "}",
)


def _write_inputs(model, length, folder):
    """Writes the inputs of a full text: dict of their names to paths below the whole folder."""
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for name, row in model.rows_of(random_row(model, length), length).items():
        file = folder / f"{name}_{length}.bin"
        file.write_bytes(np.asarray(row, "<i4").tobytes())
        written[name] = f"inputs/{folder.name}/{file.name}"
    return written


def _command(name, model, length, values, threads):
    signature = model.signature(length)
    names, shapes, files = [], [], []
    for tensor, given in signature.tensors.items():  # the tool wants the graph's own order
        names.append(tensor)
        shapes.append(",".join(map(str, signature.inputs[given])))
        files.append(f"{tensor.replace(':', '::')}:{ON_PHONE}/{values[given]}")
    words = [
        f"{ON_PHONE}/{TOOL}",
        f"--graph={ON_PHONE}/{name}.tflite",
        f"--signature_to_run_for={signature.name}",
        f"--num_threads={threads}",
        f"--num_runs={RUNS}",
        f"--input_layer={','.join(names)}",
        f"--input_layer_shape={':'.join(shapes)}",
        f"--input_layer_value_files={','.join(files)}",
    ]
    text = f"{name}, {length} tokens, {threads} thread{'s' if threads > 1 else ''}"
    return f"timed {shlex.quote(text)} {shlex.quote(shlex.join(words))}"


def read_output(path):
    """Reads what the tool printed, of one or more calls.

    Args:
        path: the file.

    Returns:
        list of dicts, one for each call: `file`, `signature` and `length` where they were printed,
        `threads`, `megabytes`, `load_ms`, `first_ms`, `mean_ms`, and of newer tools `median_ms`,
        `p5_ms` and `p95_ms`, `resident_mb` (what the tool's memory grew by).

    Raises:
        UserError: the file has no times of the tool.
        OSError: it cannot be read.
    """
    found, facts, statistics = [], {}, {}
    for line in Path(path).read_text("utf-8", errors="replace").splitlines():
        for name, pattern in _FACTS.items():
            if match := pattern.search(line):
                if name in facts:  # the next call begins; this one printed no times
                    facts, statistics = {}, {}
                facts[name] = match[1]
        if "count=" in line:  # the last such line before the summary is that of the timed runs
            values = {name: float(value) for name, value in _STATISTICS.findall(line)}
            statistics = {name: value for name, value in values.items() if _is_time(value)}
        if match := _SIZE.search(line):
            facts["megabytes"] = float(match[1])
        if match := _SUMMARY.search(line):
            times = [float(each) / 1000 for each in match.groups()]
            if _is_time(times[-1]):
                found.append(_finished(facts, statistics, times))
            facts, statistics = {}, {}
        if found and (match := _MEMORY.search(line)):
            found[-1]["resident_mb"] = float(match[2])
    if not found:
        raise UserError(
            f"`read`={path}: no line 'Inference timings in us': give the output of LiteRT's {TOOL}"
        )
    return found


def _is_time(value):
    return 0 < value < math.inf  # other numbers are garbled


def _finished(facts, statistics, milliseconds):
    init, first, _, mean = milliseconds
    shapes = facts.pop("shapes", "")
    call = dict(facts) | {"load_ms": init, "first_ms": first, "mean_ms": mean}
    call["threads"] = int(call.get("threads", 1))
    if "file" in call:
        call["file"] = Path(call["file"]).stem
    for name in ("p5", "median", "p95"):
        if name in statistics:
            call[f"{name}_ms"] = statistics[name] / 1000
    if length := re.search(r"_(\d{1,6})$", call.get("signature", "")):
        call["length"] = int(length[1])
    elif sizes := re.findall(r"\d{1,6}", shapes):  # a file of one length: 1,32:1,32:1,1
        call["length"] = max(map(int, sizes))
    return call
