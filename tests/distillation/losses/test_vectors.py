"""Losses of sentence vectors against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from tfdistill.distillation.losses import LOSSES, Comparison
from tfdistill.distillation.losses.vectors import similarity_distance
from tfdistill.distillation.signals import TeacherSignals

WEIGHTS = np.array([1, 1, 0, 1, 1], np.float32)


def vectors_of(width, seed):
    return np.random.default_rng(seed).normal(size=(len(WEIGHTS), width))


def comparison(student, teacher, project=None):
    signals = [{"logits": tf.constant(each, tf.float32)} for each in (student, teacher)]
    batch = {"label_weights": tf.constant(WEIGHTS)}
    teachers = TeacherSignals((signals[1],), (1.0,), 0)
    return Comparison(signals[0], teachers, batch, tf.constant(4.0), (), project)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("width", [4, 6, 9])
def test_vectors_one_by_one(width):
    """Through a projection where the widths differ; the student's own length counts."""
    student, teacher = vectors_of(width, 1), vectors_of(6, 2)
    kernel = np.eye(width) if width == 6 else np.random.default_rng(3).normal(size=(width, 6))

    def project(number, vectors):
        return tf.matmul(vectors, tf.constant(kernel, tf.float32))

    made = comparison(student, teacher, None if width == 6 else project)
    projected, real = student @ kernel, WEIGHTS > 0
    lengths = np.linalg.norm(student, axis=1) * np.linalg.norm(teacher, axis=1)
    cosine = 1 - (projected * teacher).sum(axis=1) / lengths
    np.testing.assert_allclose(
        LOSSES["vector_cosine"].compute(made), cosine[real].mean(), rtol=1e-5
    )
    distance = ((projected - teacher) ** 2).sum(axis=1)
    np.testing.assert_allclose(LOSSES["vector_mse"].compute(made), distance[real].mean(), rtol=1e-5)


def test_similarities_of_all_pairs_of_a_batch():
    student, teacher = vectors_of(4, 1), vectors_of(6, 2)
    found = LOSSES["similarities"].compute(comparison(student, teacher))
    real = np.flatnonzero(WEIGHTS)
    squared = [
        (unit(student)[i] @ unit(student)[j] - unit(teacher)[i] @ unit(teacher)[j]) ** 2
        for i in real
        for j in real
        if i != j
    ]
    np.testing.assert_allclose(found, np.mean(squared), rtol=1e-5)
    assert float(LOSSES["similarities"].count({"label_weights": tf.constant(WEIGHTS)})) == 4.0


def test_parts_of_a_batch_and_single_texts():
    """The parts have weights by their texts; a text alone has nothing to be compared with."""
    student, teacher = (tf.constant(vectors_of(5, seed), tf.float32) for seed in (1, 2))
    parts = [slice(0, 2), slice(2, 5)]
    whole = sum(
        similarity_distance(
            student=student[part], teacher=teacher[part], weights=WEIGHTS[part], normalizer=4.0
        )
        for part in parts
    )
    means = [
        similarity_distance(student=student[part], teacher=teacher[part], weights=WEIGHTS[part])
        for part in parts
    ]
    np.testing.assert_allclose(whole, np.mean(means), rtol=1e-5)  # two texts in each
    alone = similarity_distance(student=student[:1], teacher=teacher[:1], weights=WEIGHTS[:1])
    assert float(alone) == 0.0


@pytest.mark.parametrize("name", ["vector_cosine", "vector_mse", "similarities"])
def test_rows_of_padding_have_finite_gradients(name):
    """Their vectors are zeros, at which a length has no derivative."""
    student = tf.constant(vectors_of(6, 1) * WEIGHTS[:, None], tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(student)
        made = comparison(student, vectors_of(6, 2) * WEIGHTS[:, None])
        loss = LOSSES[name].compute(made)
    gradient = tape.gradient(loss, student).numpy()
    assert np.isfinite(gradient).all() and not gradient[2].any() and gradient[0].any()
