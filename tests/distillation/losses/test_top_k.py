"""Losses against a teacher's likeliest tokens, compared with NumPy and autodiff."""

import numpy as np
import pytest
import tensorflow as tf

from tfdistill.distillation.losses.projected_logits import TeacherLogits
from tfdistill.distillation.losses.top_k import TOP_K_KL, TOP_K_SOFT_CROSS_ENTROPY, TopK, top_k_of
from tfdistill.distillation.losses.vocabulary import KL, SOFT_CROSS_ENTROPY, vocabulary_loss

TOKENS, VOCAB, TEMPERATURE = 9, 31, 2.0
WEIGHTS = np.array([1, 1, 0, 1, 0, 1, 1, 1, 1], np.float32)


def projection(seed, width, scale=1.0):
    generator = np.random.default_rng(seed)
    shapes = (TOKENS, width), (VOCAB, width), (VOCAB,)
    parts = [generator.normal(0, scale, shape) / width**0.25 for shape in shapes]
    return tuple(tf.constant(part, tf.float32) for part in parts)


STUDENT, TEACHER = projection(0, 6), projection(1, 8, 1.5)


def softmax(model):
    rows, kernel, bias = (part.numpy().astype(np.float64) for part in model)
    logits = (rows @ kernel.T + bias) / TEMPERATURE
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def merged(own, taught, k):
    """Both distributions over the teacher's k likeliest tokens and the sum of all others."""
    order = np.argsort(-taught, axis=-1)[:, :k]
    parts = []
    for shares in (own, taught):
        kept = np.take_along_axis(shares, order, axis=-1)
        parts.append(np.concatenate([kept, 1 - kept.sum(axis=-1, keepdims=True)], axis=-1))
    return parts


def value_and_gradients(loss, student, targets, chunk=4):
    with tf.GradientTape() as tape:
        tape.watch(student)
        value = vocabulary_loss(
            loss=loss,
            student=student,
            target=TopK(*targets),
            weights=tf.constant(WEIGHTS),
            temperature=TEMPERATURE,
            chunk=chunk,
        )
    return value, tape.gradient(value, student)


@pytest.mark.parametrize("k", [1, 5, VOCAB - 1])
@pytest.mark.parametrize("scale", [1.0, 6.0])  # and where exponentials are not safe
def test_value_equals_that_of_the_merged_distributions(k, scale):
    student = projection(0, 6, scale)
    targets = top_k_of([TEACHER], (1.0,), TEMPERATURE, k, chunk=4)
    own, taught = merged(softmax(student), softmax(TEACHER), k)
    own = np.maximum(own, np.where(np.arange(k + 1) == k, 1e-7, 1e-300))  # SMALLEST_REST
    cross = -(taught * np.log(own)).sum(axis=-1)
    entropy = -(taught * np.log(taught)).sum(axis=-1)
    value, _ = value_and_gradients(TOP_K_KL, student, targets)
    np.testing.assert_allclose(value, np.average(cross - entropy, weights=WEIGHTS), rtol=3e-4)
    value, _ = value_and_gradients(TOP_K_SOFT_CROSS_ENTROPY, student, targets)
    np.testing.assert_allclose(value, np.average(cross, weights=WEIGHTS), rtol=3e-4)


def test_gradient_equals_that_of_the_formula():
    """The formula in plain TensorFlow, with automatic differentiation."""
    k = 5
    ids, logs = top_k_of([TEACHER], (1.0,), TEMPERATURE, k, chunk=TOKENS)
    with tf.GradientTape() as tape:
        tape.watch(STUDENT)
        rows, kernel, bias = STUDENT
        shares = tf.nn.softmax((tf.matmul(rows, kernel, transpose_b=True) + bias) / TEMPERATURE)
        kept = tf.gather(shares, ids, batch_dims=1)
        own = tf.concat([kept, 1 - tf.reduce_sum(kept, axis=1, keepdims=True)], axis=1)
        loss = tf.reduce_sum(tf.exp(logs) * (logs - tf.math.log(own)), axis=1)
        expected = tf.reduce_sum(loss * WEIGHTS) / WEIGHTS.sum()
    value, gradients = value_and_gradients(TOP_K_KL, STUDENT, (ids, logs))
    np.testing.assert_allclose(value, expected, rtol=1e-4)
    for found, true in zip(gradients, tape.gradient(expected, STUDENT), strict=True):
        np.testing.assert_allclose(found, true, atol=1e-5 * np.abs(true).max())


@pytest.mark.parametrize(
    "small, full", [(TOP_K_KL, KL), (TOP_K_SOFT_CROSS_ENTROPY, SOFT_CROSS_ENTROPY)]
)
def test_at_most_the_loss_of_the_whole_vocabulary(small, full):
    options = dict(student=STUDENT, weights=tf.constant(WEIGHTS), temperature=TEMPERATURE)
    whole = vocabulary_loss(loss=full, target=TeacherLogits([TEACHER]), **options)
    values = [
        value_and_gradients(small, STUDENT, top_k_of([TEACHER], (1.0,), TEMPERATURE, k, 4))[0]
        for k in (1, 3, 10, VOCAB - 1)
    ]
    assert np.all(np.diff(values) > -1e-6)  # merging tokens loses information
    assert max(values) <= whole + 1e-5
    np.testing.assert_allclose(values[-1], whole, rtol=1e-4)  # all others are one token


def test_a_confident_student_and_an_unsure_teacher():
    """The student's rest is far below the rounding error of 1 minus the other probabilities."""
    ids = np.tile(np.arange(3, dtype=np.int32), (TOKENS, 1))
    logs = np.log(np.tile([0.2, 0.2, 0.1, 0.5], (TOKENS, 1))).astype(np.float32)
    bias = np.where(np.arange(VOCAB) < 3, 14.0, -14.0 + 0.1 * np.arange(VOCAB))
    student = (*STUDENT[:2], tf.constant(TEMPERATURE * bias, tf.float32))
    student = (0.0 * student[0], *student[1:])
    own = np.exp(bias - bias.max()) / np.exp(bias - bias.max()).sum()
    taught = np.concatenate([[0.2, 0.2, 0.1], 0.5 * own[3:] / own[3:].sum()])
    _, gradients = value_and_gradients(TOP_K_KL, student, (tf.constant(ids), tf.constant(logs)))
    slope = (own - taught) / TEMPERATURE
    slope[3:] *= own[3:].sum() / 1e-7 if own[3:].sum() < 1e-7 else 1.0
    np.testing.assert_allclose(gradients[2][:3], slope[:3], rtol=1e-5)
    np.testing.assert_allclose(gradients[2][3:], slope[3:], rtol=1e-3)


def test_equal_models_have_no_distance_and_no_gradient():
    targets = top_k_of([STUDENT], (1.0,), TEMPERATURE, 4, chunk=4)
    value, gradients = value_and_gradients(TOP_K_KL, STUDENT, targets)
    assert abs(value) < 1e-6
    assert max(np.abs(gradient).max() for gradient in gradients) < 1e-6


def test_float16_probabilities_change_little():
    ids, logs = top_k_of([TEACHER], (1.0,), TEMPERATURE, 6, chunk=4)
    exact, slopes = value_and_gradients(TOP_K_KL, STUDENT, (ids, logs))
    rounded = tf.cast(tf.cast(logs, tf.float16), tf.float32)
    value, gradients = value_and_gradients(TOP_K_KL, STUDENT, (ids, rounded))
    np.testing.assert_allclose(value, exact, rtol=2e-3)
    for gradient, slope in zip(gradients, slopes, strict=True):
        np.testing.assert_allclose(gradient, slope, atol=2e-3 * np.abs(slope).max())


def test_xla_gives_the_same():
    targets = top_k_of([TEACHER], (1.0,), TEMPERATURE, 4, chunk=4)
    compiled = tf.function(
        lambda: value_and_gradients(TOP_K_KL, STUDENT, targets), autograph=False, jit_compile=True
    )
    for found, true in zip(
        tf.nest.flatten(compiled()),
        tf.nest.flatten(value_and_gradients(TOP_K_KL, STUDENT, targets)),
        strict=True,
    ):
        np.testing.assert_allclose(found, true, atol=1e-6)


def test_the_likeliest_tokens_of_a_mean_of_teachers():
    other = projection(5, 4)
    ids, logs = top_k_of([TEACHER, other], (0.75, 0.25), TEMPERATURE, 4, chunk=4)
    mean = 0.75 * softmax(TEACHER) + 0.25 * softmax(other)
    order = np.argsort(-mean, axis=-1)[:, :4]
    np.testing.assert_array_equal(ids, order)
    kept = np.take_along_axis(mean, order, axis=-1)
    np.testing.assert_allclose(np.exp(logs[:, :4]), kept, rtol=1e-4)
    np.testing.assert_allclose(np.exp(logs[:, 4]), 1 - kept.sum(axis=-1), rtol=1e-4)
