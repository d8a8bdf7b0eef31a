"""The same seed gives the same weights in every process.

Small models of several recipes are trained for some steps, with dropout and LayerDrop, with XLA
and without (`parts/trained_bits.py`): in two processes with one thread inside operators, and in two
with two. With the same number of threads, all weights and moments must be equal to the bit. The
script also prints which trainings are equal between one thread and two.

    TFDISTILL_OTHER_PYTHON=.venv-tf2.18/bin/python bash scripts/chaos/run.sh same_result

also compares with another version of TensorFlow. Differences between versions are printed, but do
not break the promise.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "parts"))
from promise import ROOT, check_promise  # noqa: E402

NUMBERS = 1, 2  # of threads inside operators
PROCESSES = 2
TRAINED = ROOT / "scripts" / "chaos" / "parts" / "trained_bits.py"


def check(state):
    """Trains in each way; returns how many were equal."""
    found, equal = {}, 0
    for threads in NUMBERS:
        runs = [_train(state, sys.executable, threads) for _ in range(PROCESSES)]
        if None in runs:
            return "no figures"
        found[threads] = runs[0]
        for name, bits in runs[0].items():
            same = all(run[name] == bits for run in runs)
            equal += state.expect(same, f"{name}, {threads} threads: processes differ")
    told = f"{equal} of {len(NUMBERS) * len(found[1])} trainings equal over {PROCESSES} processes; "
    told += f"with 1 thread and with 2: {_same(*found.values())}"
    if other := os.environ.get("TFDISTILL_OTHER_PYTHON"):
        told += f"; with {other}: {_same(found[1], _train(state, other, 1) or {})}"
    return told


def _same(one, other):
    equal = [name for name in one if other.get(name) == one[name]]
    return f"{len(equal)} of {len(one)} equal ({'; '.join(equal) or 'none'})"


def _train(state, python, threads):
    """dict of trainings to digests; None if they failed."""
    environment = {**os.environ, "TF_NUM_INTRAOP_THREADS": str(threads)}
    run = subprocess.run([python, TRAINED], env=environment, capture_output=True, text=True)
    if not state.expect(run.returncode == 0, f"{python} failed: {run.stderr[-300:]}"):
        return None
    state.say(f"{python}, {threads} threads: done")
    return json.loads(run.stdout.splitlines()[-1])


if __name__ == "__main__":
    check_promise("same_result", check)
