"""Several teachers of one student, against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from tfdistill import recipes
from tfdistill.distillation.distiller import Distiller
from tfdistill.distillation.losses.projected_logits import TeacherLogits, log_mixture
from tfdistill.distillation.losses.vocabulary import KL, vocabulary_loss
from tfdistill.distillation.teachers import Teachers, shares_of
from tfdistill.system.errors import UserError

TOKENS, VOCAB = 7, 23


def projection(seed, width, scale=1.0):
    generator = np.random.default_rng(seed)
    shapes = (TOKENS, width), (VOCAB, width), (VOCAB,)
    parts = [generator.normal(0, scale, shape) / width**0.25 for shape in shapes]
    return tuple(tf.constant(part, tf.float32) for part in parts)


def softmax(model, temperature):
    rows, kernel, bias = (part.numpy().astype(np.float64) for part in model)
    logits = (rows @ kernel.T + bias) / temperature
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.maximum(exponentials / exponentials.sum(axis=-1, keepdims=True), 1e-300)


@pytest.mark.parametrize("scale", [1.0, 6.0])  # and where exponentials are not safe
@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_kl_to_the_mean_of_softened_probabilities(temperature, scale):
    student, *teachers = (projection(seed, 8 - seed, scale) for seed in range(4))
    shares, weights = (0.5, 0.3, 0.2), np.array([1, 1, 0, 1, 0, 1, 1], np.float32)
    mean = sum(w * softmax(t, temperature) for w, t in zip(shares, teachers, strict=True))
    own = softmax(student, temperature)
    divergence = (mean * (np.log(mean) - np.log(own))).sum(axis=-1)

    with tf.GradientTape() as tape:
        tape.watch(student)
        target = TeacherLogits(teachers, shares)
        options = dict(student=student, target=target, temperature=temperature)
        found = vocabulary_loss(loss=KL, weights=tf.constant(weights), chunk=3, **options)
    expected = np.average(divergence, weights=weights)
    np.testing.assert_allclose(found, expected, rtol=2e-5)
    assert expected > 0.05
    # d KL / d bias = mean of (softmax(z_s) - p) / T
    slope = np.average(own - mean, axis=0, weights=weights) / temperature
    np.testing.assert_allclose(tape.gradient(found, student)[2], slope, atol=1e-6)


def test_equal_teachers_count_as_one():
    student, teacher = projection(0, 5), projection(1, 6)
    options = dict(loss=KL, student=student, weights=tf.ones(TOKENS), temperature=2.0)
    one = vocabulary_loss(target=TeacherLogits([teacher]), **options)
    target = TeacherLogits([teacher] * 3, shares=(0.6, 0.3, 0.1))
    three = vocabulary_loss(target=target, **options)
    np.testing.assert_allclose(one, three, rtol=1e-5)


def test_the_mean_of_probabilities_is_exact_for_unlikely_tokens():
    logits = [tf.constant([[200.0], [0.0]]), tf.constant([[0.0], [200.0]])]
    mixed = log_mixture(logits, (0.25, 0.75))
    np.testing.assert_allclose(mixed, np.log([[0.25], [0.75]]), rtol=1e-6)
    alike = log_mixture([logits[0], logits[0]], (0.5, 0.5))
    np.testing.assert_allclose(alike, [[0.0], [-200.0]], atol=1e-6)


def test_shares():
    assert shares_of(1) == (1.0,) and shares_of(4) == (0.25,) * 4
    assert shares_of(2, (3, 1)) == (0.75, 0.25)
    for weights in ((1.0,), (1.0, 0.0), (1.0, -1.0), (1.0, float("nan")), (1.0, 1.0, 1.0)):
        with pytest.raises(UserError, match="teacher_weights="):
            shares_of(2, weights)


def distil(student, teachers, batch, weights=(), **options):
    (phase,) = recipes.get("distilbert", **options).phases
    return Distiller(student, phase, Teachers(teachers, weights)).gradients(batch, 0)[1]


def test_a_distiller_of_two_teachers(tiny_model, tiny_batch):
    """Their widths and depths differ; layers are compared with the first only."""
    batch = tiny_batch([10, 7, 1])
    student, first = tiny_model(0), tiny_model(1)
    second = tiny_model(2, hidden_size=16, num_hidden_layers=3)
    one = distil(student, [first], batch)
    both = distil(student, [first, second], batch, (3.0, 1.0))
    np.testing.assert_allclose(both["loss_cos"], one["loss_cos"], rtol=1e-6)
    assert abs(both["loss_ce"] - one["loss_ce"]) > 1e-3
    # The second has almost no weight.
    almost = distil(student, [first, second], batch, (1.0, 1e-7))
    np.testing.assert_allclose(almost["loss_ce"], one["loss_ce"], rtol=1e-4)


def test_scores_of_several_teachers(tiny_model, tiny_batch):
    teachers, batch = [tiny_model(1), tiny_model(2)], tiny_batch([10, 7])
    found = Teachers(teachers, (1.0, 3.0))(batch)["logits"]
    parts = [tf.nn.softmax(teacher(batch)["logits"]).numpy() for teacher in teachers]
    np.testing.assert_allclose(np.exp(found), 0.25 * parts[0] + 0.75 * parts[1], rtol=1e-4)


@pytest.mark.parametrize(
    "change, options, match",
    [
        (dict(vocab_size=250), {}, "vocabulary of teacher 2"),
        (dict(with_head=False), {}, "no masked-LM head"),
        ({}, dict(alpha_mse=1.0), "'mse'"),
    ],
)
def test_refused_teachers(tiny_model, tiny_batch, change, options, match):
    with pytest.raises(UserError, match=match):
        distil(tiny_model(0), [tiny_model(1), tiny_model(2, **change)], tiny_batch([4]), **options)
