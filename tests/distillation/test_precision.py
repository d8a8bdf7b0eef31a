"""Training in sixteen bits: which tensors are rounded, and by how much."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfdistill import recipes
from tfdistill.distillation.distiller import Distiller, StepOptions
from tfdistill.system import devices

pytestmark = pytest.mark.tf218

ROWS = [10, 6, 9, 3]
# Error of the whole gradient, relative to its norm: each product rounds to a few thousandths, and
# some dozens follow each other. Processors round differently: bfloat16 stays below 0.05 on those
# with units for it, and reaches 0.054 on one with AVX2 alone.
TOLERANCES = {"bfloat16": 0.07, "float16": 0.01}
RECIPES = {
    "distilbert": {"alpha_mse": 0.01},
    "distilbert at masked tokens": {"restrict_ce_to_mask": True},
    "mlm": {},
}


def choice(precision):
    return devices.Choice("cpu", precision, False, False, 1, "a test")


def gradients(precision, tiny_model, batch, recipe, micro_batches=1, loss_scale=1.0):
    with devices.numerics(choice(precision)):
        student, teacher = tiny_model(seed=2), tiny_model(seed=1)
        (phase,) = recipes.get(recipe.split()[0], **RECIPES[recipe]).phases
        distiller = Distiller(
            student, phase, teacher, options=StepOptions(micro_batches=micro_batches)
        )
        tensors = {name: tf.constant(part) for name, part in batch.items()}
        found, losses = distiller.gradients(tensors, 0, loss_scale=loss_scale)
    assert {gradient.dtype for gradient in found} == {tf.float32}
    assert {loss.dtype for loss in losses.values()} == {tf.float32}
    return np.concatenate([np.ravel(gradient) for gradient in found]), losses


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("recipe", RECIPES)
def test_gradients_equal_those_of_float32_within_rounding(
    precision, recipe, tiny_model, tiny_batch
):
    batch = tiny_batch(ROWS)
    expected, losses = gradients("float32", tiny_model, batch, recipe)
    found, rounded = gradients(precision, tiny_model, batch, recipe)
    error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    assert 0 < error < TOLERANCES[precision]
    for name, loss in losses.items():
        np.testing.assert_allclose(rounded[name], loss, rtol=TOLERANCES[precision])


def test_gradients_are_scaled_and_losses_are_not(tiny_model, tiny_batch):
    batch = tiny_batch(ROWS)
    plain, losses = gradients("float32", tiny_model, batch, "distilbert")
    for micro_batches in (1, 2):
        scaled, same = gradients(
            "float32", tiny_model, batch, "distilbert", micro_batches, tf.constant(64.0)
        )
        np.testing.assert_allclose(scaled, 64.0 * plain, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(same["loss"], losses["loss"], rtol=1e-5)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_tensors_that_stay_float32(precision, tiny_model, tiny_batch):
    batch = tiny_batch(ROWS)
    with devices.numerics(choice(precision)):
        model = tiny_model()
    assert keras.config.dtype_policy().name == "float32"  # outside nothing has changed
    assert {variable.dtype for variable in model.variables} == {"float32"}
    outputs = model(batch, taps={"hidden_states", "attention_probs", "embeddings"})
    assert outputs["logits"].dtype == tf.float32
    insides = [*outputs["hidden_states"], *outputs["attention_probs"], outputs["embeddings"]]
    assert {inside.dtype.name for inside in insides} == {precision}


@pytest.mark.slow
def test_layerdrop_and_dropout_in_bfloat16(tiny_model, tiny_batch):
    batch = {name: tf.constant(part) for name, part in tiny_batch(ROWS).items()}
    (phase,) = recipes.get("mlm").phases
    for on_metal in (False, True):
        with devices.numerics(choice("bfloat16")):
            model = tiny_model(dropout=0.1)
            distiller = Distiller(
                model, phase, options=StepOptions(layerdrop=0.5, on_metal=on_metal)
            )
            step = tf.function(distiller.gradients, autograph=False)
        losses = [float(step(batch, tf.constant(index))[1]["loss"]) for index in range(4)]
        assert np.all(np.isfinite(losses)) and len(set(losses)) == 4


def test_keras_fit_scales_by_keras_own_loss_scale(tiny_model, tiny_batch):
    """`fit` under mixed_float16 wraps the optimizer, which divides the gradients by the scale."""
    seen = []
    with devices.numerics(choice("float16")):
        student = tiny_model(seed=2)
        (phase,) = recipes.get("mlm").phases
        distiller = Distiller(student, phase)
        distiller.compile(optimizer=keras.optimizers.SGD(0.1), jit_compile=False)
        assert isinstance(distiller.optimizer, keras.optimizers.LossScaleOptimizer)
        collect = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda _, logs: seen.append(logs)
        )
        batch = tiny_batch(ROWS)
        before = student.head.bias.numpy()
        gradient = distiller.gradients({n: tf.constant(p) for n, p in batch.items()}, 0)[0]
        dataset = tf.data.Dataset.from_tensors(batch)
        distiller.fit(dataset, shuffle=False, verbose=0, callbacks=[collect])
    index = [v.path for v in student.trainable_variables].index(student.head.bias.path)
    expected = before - 0.1 * gradient[index].numpy()
    np.testing.assert_allclose(student.head.bias.numpy(), expected, atol=1e-4)
    assert len(seen) == 1 and np.isfinite(seen[0]["loss"])
