"""A step on several devices equals the step on one."""

import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tfdistill.training.step import TrainStep

SCRIPT = Path(__file__).with_name("train_on_devices.py")


pytestmark = pytest.mark.tf218


def train(devices, output, jit_compile=False, remat=False, precision="float32", losses="logits"):
    how = [int(jit_compile), int(remat), precision, losses]
    command = [sys.executable, SCRIPT, devices, *how, output]
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    return dict(np.load(output))


@pytest.mark.parametrize(
    "form",
    [
        pytest.param({}, marks=pytest.mark.slow),
        pytest.param({"jit_compile": True}, marks=pytest.mark.slow),
        pytest.param({"remat": True}, marks=pytest.mark.slow),
        pytest.param({"losses": "insides"}, marks=pytest.mark.slow),
        pytest.param({"losses": "two teachers"}, marks=pytest.mark.slow),
        pytest.param({"losses": "cached"}, marks=pytest.mark.slow),
    ],
    ids=["graph", "xla", "remat", "losses of layers", "two teachers", "cached signals"],
)
def test_two_devices_give_the_weights_of_one(form, tmp_path):
    """With dropout, LayerDrop, gradients that are clipped, and halves of unequal weight."""
    one = train(1, tmp_path / "one.npz", **form)
    two = train(2, tmp_path / "two.npz", **form)
    assert one.keys() == two.keys()
    assert one["losses"][-1, 0] < one["losses"][0, 0] and one["losses"][:, 1].max() > 1.0
    for name, expected in one.items():
        np.testing.assert_allclose(two[name], expected, atol=1e-5, rtol=1e-5, err_msg=name)


@pytest.mark.slow
def test_two_devices_in_bfloat16(tmp_path):
    """Products are rounded the same way; only sums over rows differ, by little."""
    one = train(1, tmp_path / "one.npz", precision="bfloat16")
    two = train(2, tmp_path / "two.npz", precision="bfloat16")
    np.testing.assert_allclose(two["losses"][:, 0], one["losses"][:, 0], rtol=0.01)


@pytest.mark.slow
def test_two_devices_skip_the_steps_that_overflow(tmp_path):
    """Sums over half a batch are half as large: they overflow as often, or once less."""
    one = train(1, tmp_path / "one.npz", precision="float16")
    two = train(2, tmp_path / "two.npz", precision="float16")
    skipped = [(found["losses"][:, 1] == 0).sum() for found in (one, two)]
    assert 1 <= skipped[1] <= skipped[0] <= skipped[1] + 1
    assert [float(found["loss_scale"]) for found in (one, two)] == [
        2.0 ** (24 - n) for n in skipped
    ]
    before = skipped[1]  # up to there neither has moved
    np.testing.assert_allclose(two["losses"][:before, 0], one["losses"][:before, 0], rtol=1e-3)
    assert two["losses"][-1, 0] < 0.95 * two["losses"][0, 0]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_number_of_a_step_is_not_kept():
    """TensorFlow keeps 760 bytes for each Python number that it converts, for ever."""
    step = TrainStep(SimpleNamespace(gradients=None), optimizer=None, jit_compile=False)
    step.function = lambda batch, number, good: number
    batch, count = {"input_ids": np.zeros((2, 3), np.int32)}, 40_000
    for number in range(count // 10):
        step(batch, number)
    before = resident_bytes()
    assert int(step(batch, 7)) == 7
    for number in range(count):
        step(batch, 1_000_000 + number)
    assert resident_bytes() - before < 200 * count


def resident_bytes():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()
