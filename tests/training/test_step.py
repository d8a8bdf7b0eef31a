"""A step on several devices is the step on one."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).with_name("train_on_devices.py")


def train(devices, jit_compile, output):
    command = [sys.executable, SCRIPT, devices, int(jit_compile), output]
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    return dict(np.load(output))


# Each side compiled alike: XLA draws other dropout masks from the same seed.
@pytest.mark.parametrize(
    "jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["graph", "xla"]
)
def test_two_devices_give_the_weights_of_one(jit_compile, tmp_path):
    """With dropout, LayerDrop, a clip that bites, and halves of unequal weight."""
    one = train(1, jit_compile, tmp_path / "one.npz")
    two = train(2, jit_compile, tmp_path / "two.npz")
    assert one.keys() == two.keys()
    assert one["losses"][-1, 0] < one["losses"][0, 0] and one["losses"][:, 1].max() > 1.0
    for name, expected in one.items():
        np.testing.assert_allclose(two[name], expected, atol=1e-5, rtol=1e-5, err_msg=name)
