"""The loss scale halves at an overflow, and grows again."""

import numpy as np
import pytest
import tensorflow as tf

from tfdistill import recipes
from tfdistill.distillation.distiller import Distiller
from tfdistill.system import devices
from tfdistill.training.loss_scale import LossScale, loss_scale_for
from tfdistill.training.optimizer import OptimizerSettings, build_optimizer
from tfdistill.training.step import TrainStep

pytestmark = pytest.mark.tf218
FLOAT16 = devices.Choice("cpu", "float16", False, False, 1, "a test")


def test_only_float16_needs_one():
    assert loss_scale_for("float32") is None and loss_scale_for("bfloat16") is None
    assert float(loss_scale_for("float16").value) == 2.0**15


def test_its_variables_can_be_on_a_gpu():
    """TensorFlow keeps int32 variables on the CPU, where XLA on a GPU cannot read them."""
    assert {variable.dtype for variable in LossScale().variables} == {"float32"}


def test_down_at_an_overflow_and_up_after_many_good_steps():
    scale = LossScale(steps_to_grow=3)
    found = []
    for finite in [True, True, False, True, True, True, True, False, False]:
        assert scale.update(tf.constant(finite))
        found.append(float(np.log2(scale.value)))
    assert found == [15, 15, 14, 14, 14, 15, 15, 14, 13]


def test_it_stays_between_its_limits():
    scale = LossScale(steps_to_grow=1)
    for _ in range(15):
        assert scale.update(tf.constant(False))
    assert float(scale.value) == 1.0
    assert not scale.update(tf.constant(False)) and float(scale.value) == 1.0
    for _ in range(30):
        scale.update(tf.constant(True))
    assert float(scale.value) == 2.0**24


def test_twenty_skips_in_a_row_are_no_matter_of_scale():
    """Nor does the twentieth change anything; a good step between begins the count again."""
    scale = LossScale(2.0**24)
    for finite in (False, False, True, *[False] * 19):
        assert scale.update(tf.constant(finite))
    before = [float(variable) for variable in scale.variables]
    assert before == [2.0**3, -19.0]
    assert not scale.update(tf.constant(False))
    assert [float(variable) for variable in scale.variables] == before
    scale.update(tf.constant(True))
    assert [float(variable) for variable in scale.variables] == [2.0**3, 1.0]


def test_after_a_bad_step_the_scale_stays():
    scale = LossScale(steps_to_grow=1)
    for finite in (True, False):
        scale.update(tf.constant(finite), tf.constant(False))
        assert [float(variable) for variable in scale.variables] == [2.0**15, 0.0]


@pytest.fixture
def make_step(tiny_model):
    """A function of a first scale to (`TrainStep` in float16, its student, its optimizer)."""

    def make(first_scale):
        with devices.numerics(FLOAT16):
            student = tiny_model(seed=2)
            (phase,) = recipes.get("mlm").phases
            optimizer = build_optimizer(
                student.trainable_variables,
                OptimizerSettings(
                    learning_rate=0.01,
                    steps=20,
                    warmup_prop=0.0,
                    betas=(0.9, 0.98),
                    epsilon=1e-6,
                    weight_decay=0.01,
                    max_grad_norm=1.0,
                ),
            )
            step = TrainStep(Distiller(student, phase), optimizer, False, LossScale(first_scale))
        return step, student, optimizer

    return make


def test_a_step_that_overflows_changes_nothing(make_step, tiny_batch):
    step, student, optimizer = make_step(2.0**24)
    batch = {name: tf.constant(part) for name, part in tiny_batch([10, 7, 9, 4]).items()}
    state = [*student.variables, *optimizer.variables]
    scales, skipped = [], []
    for index in range(16):
        before = [variable.numpy() for variable in state]
        row = step(batch, index)
        scales.append(float(row["loss_scale"]))
        skipped.append(float(row["skipped"]))
        moved = [np.any(v.numpy() != old) for v, old in zip(state, before, strict=True)]
        assert any(moved) != bool(skipped[-1]) and np.isfinite(row["loss"])
        assert (float(row["gradient_norm"]) == 0.0) == bool(skipped[-1])
    assert skipped[0] and not skipped[-1] and sorted(skipped, reverse=True) == skipped
    overflows = int(sum(skipped))
    assert scales == [2.0 ** (24 - min(index, overflows)) for index in range(16)]
    assert int(optimizer.iterations) == 16 - overflows


def test_applied_gradients_are_unscaled(make_step, tiny_batch):
    batch = {name: tf.constant(part) for name, part in tiny_batch([10, 7, 9, 4]).items()}
    results = []
    for first_scale in (2.0**4, 2.0**8):
        step, student, _ = make_step(first_scale)
        norms = [float(step(batch, index)["gradient_norm"]) for index in range(5)]
        # A key's bias has no gradient: it adds the same to all scores of a query. Adam amplifies
        # its rounding error.
        moved = [each for each in student.variables if not each.path.endswith("key/bias")]
        results.append((norms, [variable.numpy() for variable in moved]))
    (norms, weights), (other_norms, other_weights) = results
    np.testing.assert_allclose(norms, other_norms, rtol=0.01)
    for weight, other in zip(weights, other_weights, strict=True):
        np.testing.assert_allclose(weight, other, atol=5e-3)


def test_overflows_at_scale_one_are_reported(make_step, tiny_batch):
    step, student, _ = make_step(1.0)
    student.head.bias.assign(np.full(student.head.bias.shape, np.nan, np.float32))
    batch = {name: tf.constant(part) for name, part in tiny_batch([10, 7]).items()}
    found = step(batch, 0)
    assert np.isnan(found["gradient_norm"]) and float(found["good"]) == 0.0
