"""Trains a tiny student for some steps on logical CPUs, and saves its weights.

Usage: python train_on_devices.py DEVICES JIT REMAT PRECISION LOSSES OUTPUT.npz    (a process of its
own: TensorFlow takes the number of logical devices only before it starts)
"""

import sys

import numpy as np
import tensorflow as tf

from tfdistill import recipes
from tfdistill.distillation.cached_signals import CacheableSignals, signals_to_cache
from tfdistill.distillation.distiller import Distiller, StepOptions
from tfdistill.distillation.phases import Phase, Term
from tfdistill.distillation.teachers import PREFIX, Teachers
from tfdistill.models.configs.encoder_config import EncoderConfig
from tfdistill.models.model import MaskedLanguageModel
from tfdistill.system import devices
from tfdistill.training.loss_scale import loss_scale_for
from tfdistill.training.optimizer import OptimizerSettings, build_optimizer
from tfdistill.training.step import TrainStep

STEPS, TOGETHER = 20, 3  # one by one, then some in one call
ROWS, LENGTH, MASKED, VOCABULARY = 8, 10, 3, 60


RELATIONS = {"relations": ("queries", "values")}
INSIDES = (
    Term("hidden", 1.0, layers="uniform", projection="shared"),
    Term("attention_scores", 1.0, layers="uniform"),
    Term("patient", 10.0, layers="uniform"),
    Term("relations", 1.0, RELATIONS, layers=((-1, -1),)),
)
# LayerDrop leaves no layers to look into.
DISTILBERT = recipes.get("distilbert")
PHASES = {
    "logits": (DISTILBERT.phases[0], 0.3),
    "insides": (Phase("i", INSIDES), 0),
    "two teachers": (DISTILBERT.phases[0], 0.3),
    "cached": (DISTILBERT.phases[0], 0.3),
}


def make_model(layers, seed):
    config = EncoderConfig(
        vocab_size=VOCABULARY,
        hidden_size=12,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=20,
        max_position_embeddings=LENGTH,
        hidden_dropout_prob=0.1,
        attention_probs_dropout_prob=0.1,
    )
    return MaskedLanguageModel(config, seed=seed)


def make_batch(step):
    """A batch whose halves hold unequal numbers of tokens and of masked ones."""
    generator = np.random.default_rng(step)
    tokens = np.where(np.arange(ROWS) < ROWS // 2, LENGTH, generator.integers(2, LENGTH, ROWS))
    mask = np.arange(LENGTH) < tokens[:, None]
    masked = np.arange(MASKED) < np.minimum(tokens, 1 + np.arange(ROWS) % MASKED)[:, None]
    return {
        "input_ids": tf.constant(generator.integers(5, VOCABULARY, mask.shape) * mask, tf.int32),
        "attention_mask": tf.constant(mask, tf.int32),
        "masked_positions": tf.constant(np.arange(MASKED) * masked, tf.int32),
        "masked_labels": tf.constant(generator.integers(5, VOCABULARY, masked.shape), tf.int32),
        "masked_weights": tf.constant(masked, tf.float32),
    }


def main(count, jit_compile, remat, precision, losses_of, output):
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    choice = devices.Choice("cpu", precision, jit_compile, False, count, "a test")
    with devices.strategy(choice).scope(), devices.numerics(choice):
        phase, layerdrop = PHASES[losses_of]
        student, teacher = make_model(1 if layerdrop else 2, seed=1), make_model(2, seed=2)
        others = [make_model(1, seed=4)] * (losses_of == "two teachers")
        options = StepOptions(seed=3, layerdrop=layerdrop, remat=remat)
        teachers = Teachers([teacher, *others])
        distiller = Distiller(student, phase, teachers, options)
        optimizer = build_optimizer(
            distiller.trained_variables,
            OptimizerSettings(
                learning_rate=0.01,
                steps=STEPS + TOGETHER,
                warmup_prop=0.1,
                betas=(0.9, 0.98),
                epsilon=1e-6,
                weight_decay=0.01,
                max_grad_norm=1.0,
            ),
        )
        # So high that the first steps overflow.
        loss_scale = loss_scale_for(precision, 2.0**24)
        train_step = TrainStep(distiller, optimizer, jit_compile, loss_scale)
        losses = []
        if losses_of == "cached":
            (cached,) = signals_to_cache(DISTILBERT, student.config, teacher.config)
            signals = CacheableSignals(teachers, cached, VOCABULARY)

            def batch_of(step):
                batch = make_batch(step)
                return batch | {PREFIX + name: array for name, array in signals(batch).items()}

        else:
            batch_of = make_batch
        for step in range(STEPS):
            row = train_step(batch_of(step), step)
            losses.append([float(row["loss"]), float(row["gradient_norm"])])
        batches = [batch_of(STEPS + index) for index in range(TOGETHER)]
        stacked = {name: tf.stack([batch[name] for batch in batches]) for name in batches[0]}
        dataset = tf.data.Dataset.from_tensor_slices(stacked)
        sums = train_step.take(iter(dataset), STEPS, TOGETHER)
        losses.append([float(sums[name]) / TOGETHER for name in ("loss", "gradient_norm")])
    assert train_step.traces == 1
    weights = {variable.path: variable.numpy() for variable in distiller.state_variables}
    if loss_scale:
        weights["loss_scale"] = loss_scale.value.numpy()
    np.savez(output, losses=losses, **weights)


if __name__ == "__main__":
    count, jit_compile, remat = map(int, sys.argv[1:4])
    main(count, bool(jit_compile), bool(remat), *sys.argv[4:])
