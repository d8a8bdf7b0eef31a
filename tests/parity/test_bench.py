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
def test_losses_of_all_sides(work, tmp_path):
    run("make_inputs.py", work, tmp_path, 3)
    ours, rounded, published, best, best_rounded = (
        json.loads(run(script, work, tmp_path, *way))["losses"]
        for script, *way in (
            ("tfdistill_step.py",),
            ("tfdistill_step.py", "bfloat16"),
            ("pytorch_step.py",),
            ("pytorch_best.py",),
            ("pytorch_best.py", "bfloat16"),
        )
    )
    np.testing.assert_allclose(published, ours, rtol=1e-4)
    np.testing.assert_allclose(best, published, atol=1e-5, rtol=0)
    for each in (rounded, best_rounded):
        np.testing.assert_allclose(each, ours, rtol=1e-2)
        assert each != ours
    assert len(ours) == 3 and ours[0] != ours[1] != ours[2]


@pytest.mark.parametrize("work", ["tune_16", pytest.param("distil_32", marks=pytest.mark.slow)])
def test_losses_of_tasks(work, tmp_path):
    run("make_inputs.py", work, tmp_path, 3)
    ours, best = (
        json.loads(run(script, work, tmp_path))["losses"]
        for script in ("tfdistill_step.py", "pytorch_best.py")
    )
    np.testing.assert_allclose(ours, best, atol=5e-6, rtol=0)
    assert len(ours) == 3 and ours[0] != ours[1] != ours[2]
