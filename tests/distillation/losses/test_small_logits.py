"""Losses of small heads against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from tfdistill.distillation.losses import LOSSES, Comparison
from tfdistill.distillation.signals import TeacherSignals

LABELS = np.array([0, 2, 1, 1], np.int32)
WEIGHTS = np.array([1, 1, 0, 1], np.float32)


@pytest.fixture
def logits():
    """Logits of a student and of two teachers: float64 (3, batch, classes)."""
    return np.random.default_rng(0).normal(0, 2, (3, 4, 3))


def comparison(logits, shares, normalizer=3.0):
    student, *teachers = [{"logits": tf.constant(each, tf.float32)} for each in logits]
    batch = {"labels": tf.constant(LABELS), "label_weights": tf.constant(WEIGHTS)}
    return Comparison(
        student, TeacherSignals(tuple(teachers), shares, 0), batch, tf.constant(normalizer)
    )


def softmax(logits):
    exponentials = np.exp(logits)
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def test_cross_entropy(logits):
    loss = LOSSES["cross_entropy"]
    found = loss.compute(comparison(logits, (1.0,)))
    losses = -np.log(softmax(logits[0])[np.arange(4), LABELS])
    np.testing.assert_allclose(found, losses[WEIGHTS > 0].mean(), rtol=1e-5)
    assert loss.signals() == ("logits",)
    assert float(loss.count({"label_weights": tf.constant(WEIGHTS)})) == 3.0


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_kl_from_the_mean_of_teachers(logits, temperature):
    found = LOSSES["logits_kl"].compute(comparison(logits, (0.25, 0.75)), temperature)
    student, one, two = softmax(logits / temperature)
    teacher = 0.25 * one + 0.75 * two
    values = (teacher * np.log(teacher / student)).sum(axis=-1)
    expected = temperature**2 * values[WEIGHTS > 0].mean()
    np.testing.assert_allclose(found, expected, rtol=1e-4)
