"""Every loss against its formula in float64."""

import numpy as np
import pytest
import tensorflow as tf

from tfdistill.distillation.losses.hidden import cosine_distance
from tfdistill.distillation.losses.means import mean_over
from tfdistill.distillation.losses.whole_logits import cross_entropy as label_cross_entropy
from tfdistill.distillation.losses.whole_logits import kl_divergence

WEIGHTS = np.array([[1, 1, 0, 1, 0], [1, 0, 0, 0, 0]], np.float32)


def log_softmax(logits):
    logits = np.asarray(logits, np.float64)
    top = logits.max(axis=-1, keepdims=True)
    return logits - top - np.log(np.exp(logits - top).sum(axis=-1, keepdims=True))


def average(values, weights, normalizer=None):
    counts = weights > 0
    total = np.sum(values[counts] * weights[counts].astype(np.float64))
    return total / (normalizer or weights.sum())


def cross_entropy(logits, labels):
    return -np.take_along_axis(log_softmax(logits), labels[..., None], axis=-1)[..., 0]


def kl(student, teacher, temperature):
    """sum_v p_t (log p_t - log p_s) of Hinton et al., times T^2."""
    log_p, log_q = log_softmax(teacher / temperature), log_softmax(student / temperature)
    return temperature**2 * np.sum(np.exp(log_p) * (log_p - log_q), axis=-1)


def angle(student, teacher):
    products = np.sum(student * teacher, axis=-1)
    return 1 - products / np.linalg.norm(student, axis=-1) / np.linalg.norm(teacher, axis=-1)


@pytest.fixture
def pair():
    """Two tensors (2, 5, 40) that differ as much as a student and its teacher do."""
    generator = np.random.default_rng(0)
    teacher = generator.normal(0, 4, (2, 5, 40))
    return (teacher + generator.normal(0, 2, teacher.shape)).astype(np.float32), teacher.astype(
        np.float32
    )


def between(student, teacher, **options):
    """Loss names to (value by TensorFlow, values per token by NumPy)."""
    logits = dict(student_logits=student, teacher_logits=teacher, **options)
    hidden = dict(student_hidden=student, teacher_hidden=teacher, **options)
    s, t = np.asarray(student, np.float64), np.asarray(teacher, np.float64)
    return {
        **{
            f"kl {temperature}": (
                kl_divergence(temperature=temperature, **logits),
                kl(s, t, temperature),
            )
            for temperature in (1.0, 2.0, 4.0)
        },
        "cos": (cosine_distance(**hidden), angle(s, t)),
    }


@pytest.mark.parametrize("normalizer", [None, 11.0])
def test_losses_between_two_models(pair, normalizer):
    found = between(*pair, weights=WEIGHTS, normalizer=normalizer)
    for name, (value, tokens) in found.items():
        expected = average(tokens, WEIGHTS, normalizer)
        assert expected > 0.01, name
        np.testing.assert_allclose(value, expected, rtol=2e-6, err_msg=name)
        assert value.dtype == tf.float32 and value.shape == ()


def test_gradients(pair):
    """Against the central difference of the formula in float64, along a random direction."""
    student, teacher = pair
    direction = np.random.default_rng(2).normal(size=student.shape)
    with tf.GradientTape(persistent=True) as tape:
        variable = tf.constant(student)
        tape.watch(variable)
        found = between(variable, teacher, weights=WEIGHTS)
    ahead, behind = (
        between(student + step * direction, teacher, weights=WEIGHTS) for step in (1e-4, -1e-4)
    )
    for name, (value, _) in found.items():
        slope = np.sum(tape.gradient(value, variable).numpy() * direction)
        two = [average(each[name][1], WEIGHTS) for each in (ahead, behind)]
        np.testing.assert_allclose(slope, (two[0] - two[1]) / 2e-4, rtol=1e-4, err_msg=name)


@pytest.mark.parametrize("normalizer", [None, 7.0])
def test_cross_entropy_with_labels(pair, normalizer):
    logits = pair[0]
    labels = np.random.default_rng(1).integers(0, 40, WEIGHTS.shape)
    value = label_cross_entropy(
        logits=logits, labels=labels, weights=WEIGHTS, normalizer=normalizer
    )
    expected = average(cross_entropy(logits, labels), WEIGHTS, normalizer)
    np.testing.assert_allclose(value, expected, rtol=2e-6)


def test_weights_may_be_integers_as_attention_masks_are(pair):
    whole, real = (between(*pair, weights=WEIGHTS.astype(kind)) for kind in (np.int32, np.float32))
    for name in whole:
        assert whole[name][0] == real[name][0]


def test_weights_are_factors(pair):
    weights = WEIGHTS * np.array([[0.5, 2, 1, 1, 1]], np.float32)
    for name, (value, tokens) in between(*pair, weights=weights).items():
        np.testing.assert_allclose(value, average(tokens, weights), rtol=2e-6, err_msg=name)


def test_the_loss_is_zero_without_valid_elements(pair):
    nothing = np.zeros_like(WEIGHTS)
    for value, _ in between(*pair, weights=nothing).values():
        assert value == 0.0
    labels = np.zeros(nothing.shape, np.int32)
    assert label_cross_entropy(logits=pair[0], labels=labels, weights=nothing) == 0.0
    assert mean_over(pair[0], np.zeros_like(pair[0]), normalizer=0.0) == 0.0


@pytest.mark.parametrize("wrong", [np.inf, -np.inf, np.nan])
def test_elements_of_weight_zero_may_be_infinite(pair, wrong):
    expected = between(*pair, weights=WEIGHTS)
    broken = [np.where(WEIGHTS[..., None] > 0, part, np.float32(wrong)) for part in pair]
    with np.errstate(all="ignore"):
        found = between(*broken, weights=WEIGHTS)
    for name in expected:
        assert found[name][0] == expected[name][0], name
    labels = np.zeros(WEIGHTS.shape, np.int32)
    options = dict(labels=labels, weights=WEIGHTS)
    assert label_cross_entropy(logits=broken[0], **options) == label_cross_entropy(
        logits=pair[0], **options
    )


def test_equal_models_have_no_loss(pair):
    for name, (value, _) in between(pair[1], pair[1], weights=WEIGHTS).items():
        assert abs(float(value)) < 1e-6, name


def test_large_logits_stay_finite(pair):
    student, teacher = (part * 50 for part in pair)
    value, tokens = between(student, teacher, weights=WEIGHTS)["kl 1.0"]
    np.testing.assert_allclose(value, average(tokens, WEIGHTS), rtol=1e-5)


def test_low_precision_is_computed_in_float32(pair):
    half = [part.astype(np.float16) for part in pair]
    for name, (value, tokens) in between(*half, weights=WEIGHTS).items():
        np.testing.assert_allclose(value, average(tokens, WEIGHTS), rtol=2e-6, err_msg=name)


def test_cosine_of_opposite_and_of_zero_vectors():
    hidden = np.array([[3.0, -4.0], [0.0, 0.0]], np.float32)
    for row, expected in enumerate((2.0, 1.0)):
        value = cosine_distance(
            student_hidden=hidden[row : row + 1],
            teacher_hidden=-hidden[:1],
            weights=np.ones(1, np.float32),
        )
        np.testing.assert_allclose(value, expected, atol=1e-6)
