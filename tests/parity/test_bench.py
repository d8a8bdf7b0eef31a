"""The steps of the benchmarks compute the same: what is timed is what is compared."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.parity

BENCH = Path(__file__).parents[2] / "scripts" / "bench"


def run(script, *words):
    command = [sys.executable, BENCH / script, *map(str, words)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout.strip().rpartition("\n")[2]


@pytest.mark.parametrize("work", [pytest.param("distil", marks=pytest.mark.slow), "masked_lm"])
def test_losses_of_both_sides(work, tmp_path):
    run("make_inputs.py", work, tmp_path, 3)
    ours, rounded, theirs = (
        json.loads(run(script, work, tmp_path, *precision))["losses"]
        for script, *precision in (
            ("tfdistill_step.py",),
            ("tfdistill_step.py", "bfloat16"),
            ("pytorch_step.py",),
        )
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    np.testing.assert_allclose(rounded, theirs, rtol=1e-2)
    assert rounded != ours
    assert len(ours) == 3 and ours[0] != ours[1] != ours[2]


def test_losses_of_fine_tuning(tmp_path):
    run("make_inputs.py", "tune_16", tmp_path, 3)
    ours, theirs = (
        json.loads(run(script, "tune_16", tmp_path))["losses"]
        for script in ("tfdistill_step.py", "pytorch_task_step.py")
    )
    np.testing.assert_allclose(ours, theirs, atol=5e-6, rtol=0)
    assert len(ours) == 3 and ours[0] != ours[1] != ours[2]
