"""Steps compiled by XLA equal other steps, with dropout and LayerDrop."""

import numpy as np
import pytest
import tensorflow as tf

from tfdistill import recipes
from tfdistill.distillation.distiller import Distiller, StepOptions
from tfdistill.training.optimizer import OptimizerSettings, build_optimizer
from tfdistill.training.step import TrainStep

STEPS = 20


def trained(tiny_model, batches, jit_compile):
    """Trains 20 steps; returns (weights by name, losses)."""
    student = tiny_model(seed=2, dropout=0.1)
    phase = recipes.get("mlm").phases[0]
    distiller = Distiller(student, phase, options=StepOptions(seed=3, layerdrop=0.3))
    optimizer = build_optimizer(
        distiller.trained_variables,
        OptimizerSettings(
            learning_rate=1e-3,
            steps=STEPS,
            warmup_prop=0.1,
            betas=(0.9, 0.98),
            # Gradients of the keys' biases are rounding errors, which Adam turns into steps.
            epsilon=1e-4,
            weight_decay=0.01,
            max_grad_norm=5.0,
        ),
    )
    step = TrainStep(distiller, optimizer, jit_compile)
    losses = [float(step(batches[number % 2], number)["loss"]) for number in range(STEPS)]
    return {v.path: v.numpy() for v in distiller.state_variables}, losses


@pytest.fixture(scope="module")
def batches(tiny_batch):
    return [
        {name: tf.constant(part) for name, part in tiny_batch((10, 9, 8, 7), seed=seed).items()}
        for seed in (0, 1)
    ]


@pytest.mark.slow
def test_a_compiled_run_gives_the_weights_of_a_plain_one(tiny_model, batches):
    plain, plain_losses = trained(tiny_model, batches, jit_compile=False)
    compiled, losses = trained(tiny_model, batches, jit_compile=True)
    np.testing.assert_allclose(losses, plain_losses, rtol=1e-4)
    for name, weights in plain.items():
        apart = np.linalg.norm(compiled[name] - weights)
        assert apart <= 1e-4 * np.linalg.norm(weights), name
