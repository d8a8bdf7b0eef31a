"""The loss in chunks against the plain loss and automatic differentiation."""

import numpy as np
import pytest
import tensorflow as tf

from tfdistill.distillation.losses.means import mean_over
from tfdistill.distillation.losses.projected_logits import TeacherLogits, largest_logit
from tfdistill.distillation.losses.vocabulary import (
    KL,
    SAFE_EXPONENT,
    SOFT_CROSS_ENTROPY,
    SQUARED_DISTANCE,
    chunk_for,
    cross_entropy,
    sums_by_product,
    sums_by_reduction,
    vocabulary_loss,
)
from tfdistill.distillation.losses.whole_logits import cross_entropy as label_cross_entropy
from tfdistill.distillation.losses.whole_logits import kl_divergence

TOKENS, VOCAB = 10, 41
WEIGHTS = np.array([1, 1, 0, 1, 0, 1, 1, 1, 0, 1], np.float32)


def plain_kl(temperature):
    def loss(**parts):
        return kl_divergence(temperature=temperature, **parts)

    return loss


def chunked_kl(temperature):
    def loss(**parts):
        options = {"loss": KL, "temperature": temperature}
        return temperature**2 * vocabulary_loss(**options, **parts)

    return loss


def chunked_soft_cross_entropy(**parts):
    return vocabulary_loss(loss=SOFT_CROSS_ENTROPY, temperature=2.0, **parts)


def plain_soft_cross_entropy(*, student_logits, teacher_logits, weights, normalizer=None):
    """Cross-entropy with the teacher's softened predictions (Jiao et al., 2020, equation 10)."""
    student = tf.nn.log_softmax(tf.cast(student_logits, tf.float32) / 2.0)
    teacher = tf.nn.softmax(tf.cast(teacher_logits, tf.float32) / 2.0)
    return mean_over(-tf.reduce_sum(teacher * student, axis=-1), weights, normalizer)


def plain_mse(*, student_logits, teacher_logits, weights, normalizer=None):
    """Squared distance of the logits, as in DistilBERT's training code (`alpha_mse`)."""
    difference = tf.cast(student_logits, tf.float32) - tf.cast(teacher_logits, tf.float32)
    return mean_over(tf.reduce_sum(difference**2, axis=-1), weights, normalizer)


def chunked_mse(**parts):
    return vocabulary_loss(loss=SQUARED_DISTANCE, **parts)


LOSSES = {
    "kl 1": (chunked_kl(1.0), plain_kl(1.0)),
    "kl 2": (chunked_kl(2.0), plain_kl(2.0)),
    "kl 4": (chunked_kl(4.0), plain_kl(4.0)),
    "soft cross-entropy": (chunked_soft_cross_entropy, plain_soft_cross_entropy),
    "mse": (chunked_mse, plain_mse),
}


@pytest.fixture(params=LOSSES)
def both(request):
    """(the loss in chunks, the plain loss) of one kind."""
    return LOSSES[request.param]


def projection(seed, width, scale=1.0):
    """(rows, kernel, bias) of a model of that width, whose logits have a spread of some nats."""
    generator = np.random.default_rng(seed)
    shapes = (TOKENS, width), (VOCAB, width), (VOCAB,)
    parts = [generator.normal(0, scale, shape) / width**0.25 for shape in shapes]
    return tuple(tf.constant(part, tf.float32) for part in parts)


STUDENT, TEACHER, NARROW = projection(0, 8), projection(1, 8), projection(2, 5)


def logits_of(parts):
    rows, kernel, bias = parts
    return tf.matmul(rows, kernel, transpose_b=True) + bias


def value_and_gradients(loss, student):
    with tf.GradientTape() as tape:
        tape.watch(student)
        value = loss(student)
    return value, tape.gradient(value, student)


def chunked(kind, teacher, weights=WEIGHTS, normalizer=None, chunk=4):
    def loss(student):
        return kind(
            student=student,
            target=TeacherLogits([teacher]),
            weights=tf.constant(weights),
            normalizer=normalizer,
            chunk=chunk,
        )

    return loss


def whole(plain, teacher, weights=WEIGHTS, normalizer=None):
    def loss(student):
        return plain(
            student_logits=logits_of(student),
            teacher_logits=logits_of(teacher),
            weights=weights,
            normalizer=normalizer,
        )

    return loss


def assert_same(found, expected):
    (value, gradients), (true_value, true_gradients) = found, expected
    np.testing.assert_allclose(value, true_value, rtol=1e-5)
    assert true_value > 0.01
    for gradient, true_gradient in zip(gradients, true_gradients, strict=True):
        scale = np.abs(true_gradient).max()
        assert scale > 0 and gradient.shape == true_gradient.shape
        np.testing.assert_allclose(gradient, true_gradient, atol=1e-5 * scale)


@pytest.mark.parametrize("chunk", [1, 3, 4, 5, TOKENS, 1000])
def test_value_and_gradients_equal_those_of_the_plain_loss(both, chunk):
    kind, plain = both
    found = value_and_gradients(chunked(kind, TEACHER, chunk=chunk), STUDENT)
    assert_same(found, value_and_gradients(whole(plain, TEACHER), STUDENT))


def test_values_equal_the_formulas_in_float64():
    """The two losses whose plain form stands in this file alone."""
    student, teacher = (logits_of(parts).numpy().astype(np.float64) for parts in (STUDENT, TEACHER))
    exponentials = [np.exp(logits / 2.0) for logits in (student, teacher)]
    p, q = (each / each.sum(axis=-1, keepdims=True) for each in exponentials)
    values = {
        chunked_soft_cross_entropy: -(q * np.log(p)).sum(axis=-1),
        chunked_mse: ((student - teacher) ** 2).sum(axis=-1),
    }
    for kind, tokens in values.items():
        expected = (WEIGHTS * tokens).sum() / WEIGHTS.sum()
        np.testing.assert_allclose(chunked(kind, TEACHER)(STUDENT), expected, rtol=1e-5)


@pytest.mark.parametrize("normalizer", [None, 29.0])
def test_a_teacher_of_another_width(both, normalizer):
    kind, plain = both
    found = value_and_gradients(chunked(kind, NARROW, normalizer=normalizer), STUDENT)
    assert_same(found, value_and_gradients(whole(plain, NARROW, normalizer=normalizer), STUDENT))


@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
def test_compiled(jit_compile):
    @tf.function(autograph=False, jit_compile=jit_compile)
    def compiled(*student):
        return [value_and_gradients(chunked(kind, TEACHER), student) for kind, _ in LOSSES.values()]

    found = compiled(*STUDENT)
    for (_, plain), result in zip(LOSSES.values(), found, strict=True):
        assert_same(result, value_and_gradients(whole(plain, TEACHER), STUDENT))


def test_the_upstream_gradient_is_a_factor():
    loss = chunked(chunked_kl(2.0), TEACHER)
    _, once = value_and_gradients(loss, STUDENT)
    _, thrice = value_and_gradients(lambda student: 3.0 * loss(student), STUDENT)
    for single, triple in zip(once, thrice, strict=True):
        np.testing.assert_allclose(triple, 3.0 * single, rtol=1e-6)


def test_the_teacher_gets_no_gradient():
    with tf.GradientTape() as tape:
        tape.watch((STUDENT, TEACHER))
        value = chunked(chunked_kl(1.0), TEACHER)(STUDENT)
    gradients = tape.gradient(value, (STUDENT, TEACHER))
    assert all(gradient is not None for gradient in gradients[0])
    assert gradients[1] == (None, None, None)


def test_padding_rows_weigh_nothing(both):
    kind, _ = both
    value, gradients = value_and_gradients(chunked(kind, TEACHER), STUDENT)
    junk = tf.where(WEIGHTS[:, None] > 0, 0.0, 7.0)
    student = (STUDENT[0] + junk, *STUDENT[1:])
    teacher = (TEACHER[0] - junk, *TEACHER[1:])
    junk_value, junk_gradients = value_and_gradients(chunked(kind, teacher), student)
    # Not to the last bit: with large values the largest logit is subtracted from the exponents.
    np.testing.assert_allclose(value, junk_value, rtol=1e-6)
    for gradient, junk_gradient in zip(gradients, junk_gradients, strict=True):
        np.testing.assert_allclose(gradient, junk_gradient, atol=1e-7)
    assert not gradients[0].numpy()[WEIGHTS == 0].any()


def test_the_loss_is_zero_without_valid_tokens(both):
    loss = chunked(both[0], TEACHER, weights=np.zeros(TOKENS, np.float32))
    value, gradients = value_and_gradients(loss, STUDENT)
    assert value == 0.0
    assert not any(gradient.numpy().any() for gradient in gradients)


def test_equal_models_have_no_loss(both):
    value, gradients = value_and_gradients(chunked(both[0], STUDENT), STUDENT)
    if both[0] is not chunked_soft_cross_entropy:  # whose least value is the teacher's entropy
        assert abs(float(value)) < 1e-6
    assert max(np.abs(gradient).max() for gradient in gradients) < 1e-6


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_large_logits(temperature):
    """Logits of hundreds: the probabilities of most words are 0 in float32."""
    student, teacher = projection(3, 8, scale=12.0), projection(4, 8, scale=12.0)
    assert np.ptp(logits_of(teacher)) > 300
    kind, plain = chunked_kl(temperature), plain_kl(temperature)
    found = value_and_gradients(chunked(kind, teacher), student)
    assert_same(found, value_and_gradients(whole(plain, teacher), student))


@pytest.mark.parametrize("size", [0.99, 1.01])
def test_logits_on_both_sides_of_the_safe_exponent(size):
    """The largest exponents that are used without a shift, and the smallest with one."""

    def grown(parts):
        rows, kernel, bias = parts
        factor = size * SAFE_EXPONENT / largest_logit(*parts)
        return rows, kernel * factor, bias * factor

    student, teacher = grown(STUDENT), grown(TEACHER)
    assert 15 < tf.reduce_max(tf.abs(logits_of(teacher))) < 41
    found = value_and_gradients(chunked(chunked_kl(1.0), teacher), student)
    assert_same(found, value_and_gradients(whole(plain_kl(1.0), teacher), student))


@pytest.mark.parametrize("offset", [0.99, 1.01])
def test_logits_that_are_far_apart(offset):
    """One model's logits all large, the other's all small: the same probabilities, no overflow."""
    offset *= SAFE_EXPONENT
    zeros = tf.zeros((TOKENS, 1)), tf.zeros((VOCAB, 1))
    student, teacher = ((*zeros, tf.fill((VOCAB,), sign * offset)) for sign in (1.0, -1.0))
    value, gradients = value_and_gradients(chunked(chunked_kl(1.0), teacher), student)
    assert abs(float(value)) < 1e-4
    assert all(np.abs(gradient).max() < 1e-6 for gradient in gradients)


def test_the_bound_holds_and_is_small_for_log_frequencies():
    """A head as it is in training: rows of length 16, short word vectors, biases down to -14."""
    generator = np.random.default_rng(8)
    rows = generator.normal(size=(20, 256))
    rows *= 16 / np.linalg.norm(rows, axis=1, keepdims=True)
    kernel = generator.normal(0, 0.05, (500, 256))
    parts = [tf.constant(p, tf.float32) for p in (rows, kernel, -14 * generator.random(500))]
    bound = float(largest_logit(*parts))
    assert np.abs(logits_of(parts)).max() < bound < SAFE_EXPONENT


LABELS = np.random.default_rng(6).integers(0, VOCAB, TOKENS).astype(np.int32)


def chunked_cross_entropy(weights=WEIGHTS, normalizer=None, chunk=4):
    options = dict(labels=tf.constant(LABELS), weights=weights, normalizer=normalizer, chunk=chunk)
    return lambda student: cross_entropy(student=student, **options)


def plain_cross_entropy(weights=WEIGHTS, normalizer=None):
    options = dict(labels=LABELS, weights=weights, normalizer=normalizer)
    return lambda student: label_cross_entropy(logits=logits_of(student), **options)


@pytest.mark.parametrize("normalizer", [None, 29.0])
@pytest.mark.parametrize("chunk", [1, 4, 1000])
@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
def test_cross_entropy(jit_compile, chunk, normalizer):
    @tf.function(autograph=False, jit_compile=jit_compile)
    def compiled(*student):
        return value_and_gradients(
            chunked_cross_entropy(chunk=chunk, normalizer=normalizer), student
        )

    expected = value_and_gradients(plain_cross_entropy(normalizer=normalizer), STUDENT)
    assert_same(compiled(*STUDENT), expected)


@pytest.mark.parametrize("scale", [0.99, 1.01, 20.0])
def test_cross_entropy_of_large_logits(scale):
    """On both sides of the safe exponent, and far beyond it."""
    rows, kernel, bias = STUDENT
    factor = scale * SAFE_EXPONENT / largest_logit(*STUDENT)
    student = rows, kernel * factor, bias * factor
    found = value_and_gradients(chunked_cross_entropy(), student)
    assert_same(found, value_and_gradients(plain_cross_entropy(), student))


def test_cross_entropy_is_zero_without_valid_tokens():
    loss = chunked_cross_entropy(weights=np.zeros(TOKENS, np.float32))
    value, gradients = value_and_gradients(loss, STUDENT)
    assert value == 0.0 and not any(np.any(tf.convert_to_tensor(g)) for g in gradients)


def test_cross_entropy_in_bfloat16_is_not_negative():
    """A certain label: its logit is rounded as in the sum over the vocabulary."""
    rows, kernel, bias = STUDENT
    kernel = tf.tensor_scatter_nd_update(kernel, [[3]], 9.0 * rows[:1])
    one = np.eye(TOKENS, dtype=np.float32)[0]
    options = dict(labels=tf.constant([3] * TOKENS), weights=one)
    student = tf.cast(rows, tf.bfloat16), kernel, bias
    assert -1e-3 < cross_entropy(student=student, **options) < 0.1


@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("safe", [True, False], ids=["as they are", "less the largest"])
@pytest.mark.parametrize("sums", [sums_by_reduction, sums_by_product])
def test_a_real_vocabulary_is_as_exact(sums, safe, jit_compile):
    generator = np.random.default_rng(5)
    logits = generator.normal(0, 1.5, (2, 4, 30522)).astype(np.float32)
    logits[1] = logits[0] + generator.normal(0, 0.025, (4, 30522))  # a student that has learnt
    compute = tf.function(lambda s, t: KL.compute(s, t, safe, sums), jit_compile=jit_compile)
    loss, gradient, factor = compute(tf.constant(logits[1].T), tf.constant(logits[0].T))
    wide = logits.astype(np.float64)
    log_p, log_q = wide - np.log(np.exp(wide).sum(axis=-1, keepdims=True))
    expected = np.sum(np.exp(log_p) * (log_p - log_q), axis=-1)
    assert 0 < expected.max() < 0.0025
    # Sums of 30,522 float32 terms, each exact to a few millionths.
    np.testing.assert_allclose(loss, expected, atol=1e-5)
    slopes, most = np.exp(log_q) - np.exp(log_p), np.exp(log_p).max()
    np.testing.assert_allclose((gradient * factor).numpy().T, slopes, atol=1e-5 * most)
    assert np.abs(slopes).max() > 1e-3 * most


@pytest.mark.parametrize(
    "vocabulary, tokens", [(70, 320), (30_522, 320), (119_547, 81), (10**6, 64)]
)
def test_a_larger_vocabulary_has_smaller_chunks(vocabulary, tokens):
    assert chunk_for(vocabulary) == tokens
