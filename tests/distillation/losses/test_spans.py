"""Losses of spans against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from tfdistill.distillation.losses import LOSSES, Comparison
from tfdistill.distillation.signals import TeacherSignals

MASK = np.array([[1, 1, 1, 1, 1, 0], [1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 1]], np.int32)
LABELS = np.array([[2, 4], [0, 0], [1, 1]], np.int32)
WEIGHTS = np.array([1, 1, 0], np.float32)  # the last window's answer is unknown
SPAN_LOSSES = ("span_cross_entropy", "span_kl", "span_mse")


@pytest.fixture
def logits():
    """Logits of a student and of two teachers: float64 (3, batch, length, 2)."""
    return np.random.default_rng(0).normal(0, 2, (3, 3, 6, 2))


def compute(name, logits, shares=(1.0,), batch=None, **options):
    student, *teachers = [{"logits": tf.constant(each, tf.float32)} for each in logits]
    given = {"attention_mask": MASK, "labels": LABELS, "label_weights": WEIGHTS} | (batch or {})
    given = {key: tf.constant(array) for key, array in given.items()}
    teachers = TeacherSignals(tuple(teachers), shares, 0)
    count = LOSSES[name].count(given, **options)
    return float(LOSSES[name].compute(Comparison(student, teachers, given, count), **options))


def softmax(logits, mask=MASK):
    """Over the tokens of each row, without padding."""
    exponentials = np.exp(logits) * mask[..., None]
    return exponentials / exponentials.sum(axis=-2, keepdims=True)


def test_cross_entropy_of_start_and_end(logits):
    """The mean of both, over the windows with a known answer."""
    shares, losses = softmax(logits[0]), []
    for row in (0, 1):
        losses += [-np.log(shares[row, LABELS[row, side], side]) for side in (0, 1)]
    np.testing.assert_allclose(
        compute("span_cross_entropy", logits[:1]), np.mean(losses), rtol=1e-5
    )


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_kl_of_start_and_end(logits, temperature):
    found = compute("span_kl", logits, (0.25, 0.75), temperature=temperature)
    student, one, two = softmax(logits / temperature)
    teacher = 0.25 * one + 0.75 * two
    ratio = np.where(MASK[..., None] > 0, teacher, 1) / np.where(MASK[..., None] > 0, student, 1)
    values = (teacher * np.log(ratio)).sum(axis=1)  # (batch, 2)
    np.testing.assert_allclose(found, temperature**2 * values[:2].mean(), rtol=1e-4)


def test_squared_distance_of_start_and_end(logits):
    found = compute("span_mse", logits, (0.25, 0.75))
    student, one, two = logits
    squares = (student - 0.25 * one - 0.75 * two) ** 2
    np.testing.assert_allclose(found, squares[:2][MASK[:2] > 0].mean(), rtol=1e-5)


@pytest.mark.parametrize("name", SPAN_LOSSES)
def test_padding_changes_nothing(name, logits):
    """Neither the logits at padding, nor longer rows, nor rows of padding."""
    found = compute(name, logits[:2])
    wide = np.full((2, 4, 9, 2), 50.0)
    wide[:, :3, :6][:, MASK > 0] = logits[:2][:, MASK > 0]
    mask, labels, weights = (
        np.zeros((4, *s), d) for s, d in (((9,), "i4"), ((2,), "i4"), ((), "f4"))
    )
    mask[:3, :6], labels[:3], weights[:3] = MASK, LABELS, WEIGHTS
    batch = {"attention_mask": mask, "labels": labels, "label_weights": weights}
    np.testing.assert_allclose(compute(name, wide, batch=batch), found, rtol=1e-6)
    nothing = {key: np.zeros_like(array) for key, array in batch.items()}
    assert compute(name, wide, batch=nothing) == 0.0


@pytest.mark.parametrize("name", SPAN_LOSSES[1:])
def test_tokens_without_an_answer_are_left_out(name, logits):
    answered = MASK.astype(np.float32)
    assert compute(name, logits[:2], batch={"cached/answered": answered}) == compute(
        name, logits[:2]
    )
    answered[0, 3] = 0
    found = compute(name, logits[:2], batch={"cached/answered": answered})
    logits[:, 0, 3] = 9.0
    assert compute(name, logits[:2], batch={"cached/answered": answered}) == found


@pytest.mark.parametrize("name", SPAN_LOSSES)
def test_gradients_at_padding_are_zero(name, logits):
    student = tf.Variable(logits[0].astype(np.float32))
    batch = {"attention_mask": MASK, "labels": LABELS, "label_weights": WEIGHTS}
    batch = {key: tf.constant(array) for key, array in batch.items()}
    teacher = TeacherSignals(({"logits": tf.constant(logits[1], tf.float32)},), (1.0,), 0)
    with tf.GradientTape() as tape:
        count = LOSSES[name].count(batch)
        loss = LOSSES[name].compute(Comparison({"logits": student}, teacher, batch, count))
    gradient = tape.gradient(loss, student).numpy()
    assert not gradient[MASK == 0].any() and not gradient[2].any()
    assert np.isfinite(gradient).all() and gradient[0].any()
