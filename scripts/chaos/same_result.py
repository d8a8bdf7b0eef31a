"""The same seed gives the same weights, in every process and with any number of threads.

Tiny runs of several recipes, with XLA and without, are made three times each: twice with one thread
inside operators, once with two. Their weights and metrics must be equal to the bit.
"""

import hashlib
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "parts"))
import tiny  # noqa: E402
from promise import check_promise  # noqa: E402

THREADS = {"first": 1, "again": 1, "two threads": 2}
DEEPER = {"teacher_config": "L-2_H-32_A-2", "student_config": "L-2_H-16_A-2"}
RUNS = {
    "distilbert": {"layerdrop": 0.2, "dropout": 0.1},
    "minilm": {},
    "tinybert": {**DEEPER, "student_init": "random", "projection": "shared"},
    "mlm": {"precision": "bfloat16"},
    "pkd": {**DEEPER, "student_config": "L-2_H-32_A-2", "student_init": "random"},
    # Long rows of a wide model: sums that are divided among threads.
    "distilbert, wide": {
        "teacher_config": "L-2_H-256_A-4",
        "student_config": "L-1_H-256_A-4",
        "length": 128,
        "batch_size": 16,
    },
}


def check(state):
    """Makes the runs; returns how many were equal."""
    tiny.write_text(state.folder)
    done, equal = 0, 0
    for name, changes in RUNS.items():
        if state.is_over:
            break
        found = {kind: _run(state, name, kind, changes) for kind in THREADS}
        if None in found.values():
            continue
        done += 1
        first = found.pop("first")
        wrong = [
            f"{kind}: {file}"
            for kind, files in found.items()
            for file in first
            if files.get(file) != first[file]
        ]
        equal += state.expect(not wrong, f"{name} differs, {', '.join(wrong)}")
        state.say(f"{name}: {'equal' if not wrong else wrong}")
    return f"{equal} of {done} runs equal over processes and over 1 and 2 threads"


def _run(state, name, kind, changes):
    """dict of files to digests of one run; None if it failed."""
    folder = state.folder / f"{name}, {kind}".replace(", ", "-").replace(" ", "-")
    settings = {"recipe": name.split(",")[0], "device": "cpu", "baseline": "none", **changes}
    settings |= {"output_dir": folder, "tflite_variants": "float32"}
    flags = tiny.text_flags(state.folder, **settings)
    with open(state.folder / "log", "w+b") as log:
        os.environ["TF_NUM_INTRAOP_THREADS"] = str(THREADS[kind])  # the run inherits it
        code = tiny.start("train", flags, log).wait()
        log.seek(0)
        told = log.read()[-300:].decode(errors="replace")
    if not state.expect(code == 0, f"{name}, {kind} ended with {code}: {told}"):
        return None
    files = sorted(folder.glob("*/model.safetensors"))
    found = {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).digest() for f in files}
    metrics = json.loads((folder / "metrics.json").read_text())
    return found | {"metrics": json.dumps(metrics["models"], sort_keys=True)}


if __name__ == "__main__":
    check_promise("same_result", check)
