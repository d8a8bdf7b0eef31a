"""The same seed gives the same weights, in every process and with any number of threads.

Small models of several recipes are trained for some steps, with dropout and LayerDrop, with XLA
and without (`parts/trained_bits.py`): in two processes with one thread inside operators, and in one
with two. All weights and moments must be equal to the bit.

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

THREADS = {"first": 1, "again": 1, "two threads": 2}
TRAINED = ROOT / "scripts" / "chaos" / "parts" / "trained_bits.py"


def check(state):
    """Trains in each way; returns how many were equal."""
    found = {kind: _train(state, sys.executable, threads) for kind, threads in THREADS.items()}
    if None in found.values():
        return "no figures"
    first = found.pop("first")
    for kind, digests in found.items():
        wrong = [name for name in first if digests[name] != first[name]]
        state.expect(not wrong, f"{kind} differs: {', '.join(wrong)}")
    told = f"{len(first)} trainings equal over 2 processes and over 1 and 2 threads"
    if other := os.environ.get("TFDISTILL_OTHER_PYTHON"):
        digests = _train(state, other, 1) or {}
        same = [name for name in first if digests.get(name) == first[name]]
        told += f"; {len(same)} of them equal under {other}: {', '.join(same) or 'none'}"
    return told


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
