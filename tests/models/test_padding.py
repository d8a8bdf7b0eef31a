"""Padding has no effect, however large the attention scores are."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfdistill import recipes
from tfdistill.distillation.distiller import Distiller

LENGTH, TOKENS = 16, 7
# Factor of the query kernels: largest difference of logits, as a share of the largest logit.
TOLERANCES = {1: 1e-5, 30: 1e-4, 1000: 3e-3}


def make_batch(tokens):
    """Rows with the given numbers of real tokens, some of them masked."""
    ids = np.random.default_rng(8).integers(5, 50, (len(tokens), LENGTH))
    tokens = np.array(tokens)[:, None]
    mask, positions = np.arange(LENGTH) < tokens, np.array([[1, 4]] * len(tokens))
    arrays = {"input_ids": ids * mask, "attention_mask": mask, "masked_positions": positions}
    arrays["masked_labels"] = positions + 20
    batch = {name: tf.constant(array, tf.int32) for name, array in arrays.items()}
    return {**batch, "masked_weights": tf.constant(positions < tokens, tf.float32)}


def cut(batch):
    """The same rows without common padding."""
    return {
        name: array[:, :TOKENS] if name in ("input_ids", "attention_mask") else array
        for name, array in batch.items()
    }


@pytest.mark.parametrize("compiled", [False, True], ids=["graph", "XLA"])
def test_padding_does_not_change_logits(scored_model, compiled):
    model, scale = scored_model()
    call = functools.partial(model, taps={"attention_probs"})
    batch, compiled_call = make_batch([TOKENS] * 6), tf.function(call, jit_compile=compiled)
    for times, tolerance in TOLERANCES.items():
        scale(times)
        padded, expected = compiled_call(batch), call(cut(batch))["logits"].numpy()
        distance = np.abs(padded["logits"] - expected).max()
        assert distance <= tolerance * np.abs(expected).max(), times
        for probs in padded["attention_probs"]:
            assert not np.any(probs[..., TOKENS:])


def test_padding_does_not_change_gradients(scored_model):
    """In training, with another row that is only padding."""
    model, scale = scored_model()
    scale(1000)
    distiller = Distiller(model, recipes.get("mlm").phases[0])
    step = functools.partial(distiller.gradients, step=0)  # eagerly: nothing to trace
    padded, _ = step(make_batch([TOKENS] * 3 + [0]))
    plain, _ = step(cut(make_batch([TOKENS] * 3)))
    largest = max(np.abs(gradient).max() for gradient in plain)
    for variable, ours, theirs in zip(distiller.trained_variables, padded, plain, strict=True):
        assert np.abs(ours - theirs).max() <= 1e-4 * largest, variable.path


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_a_row_of_padding_alone_has_finite_outputs_and_gradients(tiny_model, policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = tiny_model()
    finally:
        keras.config.set_dtype_policy(before)
    with tf.GradientTape() as tape:
        logits = model(make_batch([0, 0]))["logits"]
        loss = tf.reduce_mean(logits**2)
    variables = [variable.value for variable in model.trainable_variables]
    for found in (logits, *tape.gradient(loss, variables, unconnected_gradients="zero")):
        assert np.isfinite(tf.cast(found, tf.float32)).all()
