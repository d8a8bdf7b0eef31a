"""Losses of attention, hidden states and relations against NumPy, written from the formulas."""

import numpy as np
import pytest
import tensorflow as tf

from tfdistill.distillation.losses.attention import attention_kl, attention_scores_mse
from tfdistill.distillation.losses.grams import flow_mse, token_products_mse
from tfdistill.distillation.losses.hidden import (
    feature_map_mse,
    feature_mean_mse,
    feature_variance_distance,
    hidden_mse,
    patient_distance,
)
from tfdistill.distillation.losses.relations import relation_heads_for, relation_kl

BATCH, HEADS, LENGTH, SIZE, WIDTH = 3, 4, 6, 5, 20
TOKENS = (6, 4, 1)  # a full row, a padded one, a text of one token


def arrays(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.fixture(scope="module")
def mask():
    return (np.arange(LENGTH) < np.array(TOKENS)[:, None]).astype(np.int32)


SCORES = (BATCH, HEADS, LENGTH, LENGTH)
HIDDEN = (BATCH, LENGTH, WIDTH)
VECTORS = (BATCH, HEADS, LENGTH, SIZE)


def softmax(values):
    exponentials = np.exp(values - values.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def numpy_scores_mse(student, teacher):
    """TinyBERT, equation 7, over pairs of real tokens."""
    squares = []
    for row, tokens in enumerate(TOKENS):
        difference = student[row, :, :tokens, :tokens] - teacher[row, :, :tokens, :tokens]
        squares.append(difference.reshape(-1) ** 2)
    return np.concatenate(squares).mean()


def numpy_attention_kl(student, teacher):
    """MiniLM, equation 3: every row cut to its tokens, so padding does not exist."""
    values = []
    for row, tokens in enumerate(TOKENS):
        p = softmax(teacher[row, :, :tokens, :tokens].astype(np.float64))
        q = softmax(student[row, :, :tokens, :tokens].astype(np.float64))
        values.append((p * np.log(p / q)).sum(axis=-1).reshape(-1))
    return np.concatenate(values).mean()


def numpy_hidden_mse(student, teacher):
    """TinyBERT, equation 8, over real tokens."""
    squares = [
        ((student[row, :tokens] - teacher[row, :tokens]) ** 2).reshape(-1)
        for row, tokens in enumerate(TOKENS)
    ]
    return np.concatenate(squares).mean()


def numpy_features(part):
    """MobileBERT, section 3.4, over real tokens."""

    def loss(student, teacher):
        values = []
        for row, tokens in enumerate(TOKENS):
            s, t = (side[row, :tokens].astype(np.float64) for side in (student, teacher))
            values.append(part(s, t).reshape(-1))
        return np.concatenate(values).mean()

    return loss


def standard(rows):
    return (rows - rows.mean(axis=1, keepdims=True)) / rows.std(axis=1, keepdims=True)


def numpy_patient(student, teacher, over_width):
    """PKD, equation 7, of one layer."""
    normal = [h[:, 0] / np.linalg.norm(h[:, 0], axis=-1, keepdims=True) for h in (student, teacher)]
    squares = (normal[0] - normal[1]) ** 2
    return squares.sum(axis=-1).mean() if over_width == "sum" else squares.mean()


def numpy_token_products(student, teacher):
    """NST with a linear kernel, over pairs of real tokens."""
    squares = []
    for row, tokens in enumerate(TOKENS):
        s, t = (side[row, :tokens].astype(np.float64) for side in (student, teacher))
        squares.append(((s @ s.T / s.shape[1] - t @ t.T / t.shape[1]) ** 2).reshape(-1))
    return np.concatenate(squares).mean()


def second(hidden):
    """Another layer, made from the first."""
    return hidden[..., ::-1] * 0.5


def flow_to_second(student_hidden, teacher_hidden, **options):
    both = [(hidden, second(hidden)) for hidden in (student_hidden, teacher_hidden)]
    return flow_mse(student_hidden=both[0], teacher_hidden=both[1], **options)


def numpy_flow(student, teacher):
    """FSP, equations 1 and 2, with tokens in place of places in an image."""
    squares = []
    for row, tokens in enumerate(TOKENS):
        sides = (side[row, :tokens].astype(np.float64) for side in (student, teacher))
        s, t = (side.T @ second(side) / tokens for side in sides)
        squares.append((s - t) ** 2)
    return np.mean(squares)


def numpy_relations(student, teacher, heads):
    """MiniLMv2, equations 4 to 6: one kind of relation."""

    def relation(vectors, row, tokens):
        joined = vectors[row].transpose(1, 0, 2).reshape(LENGTH, -1)[:tokens].astype(np.float64)
        parts = np.split(joined, heads, axis=1)
        return np.stack([softmax(x @ x.T / np.sqrt(x.shape[1])) for x in parts])

    values = []
    for row, tokens in enumerate(TOKENS):
        p, q = relation(teacher, row, tokens), relation(student, row, tokens)
        values.append((p * np.log(p / q)).sum(axis=-1).reshape(-1))
    return np.concatenate(values).mean()


CASES = {
    "scores": (
        attention_scores_mse,
        ("student_scores", "teacher_scores"),
        SCORES,
        {},
        numpy_scores_mse,
    ),
    "maps": (
        attention_kl,
        ("student_scores", "teacher_scores"),
        SCORES,
        {},
        numpy_attention_kl,
    ),
    "hidden": (
        hidden_mse,
        ("student_hidden", "teacher_hidden"),
        HIDDEN,
        {},
        numpy_hidden_mse,
    ),
    "feature map": (
        feature_map_mse,
        ("student_hidden", "teacher_hidden"),
        HIDDEN,
        {},
        numpy_features(lambda s, t: (standard(s) - standard(t)) ** 2),
    ),
    "feature mean": (
        feature_mean_mse,
        ("student_hidden", "teacher_hidden"),
        HIDDEN,
        {},
        numpy_features(lambda s, t: (s.mean(axis=1) - t.mean(axis=1)) ** 2),
    ),
    "feature variance": (
        feature_variance_distance,
        ("student_hidden", "teacher_hidden"),
        HIDDEN,
        {},
        numpy_features(lambda s, t: np.abs(s.var(axis=1) - t.var(axis=1))),
    ),
    "patient, mean": (
        patient_distance,
        ("student_hidden", "teacher_hidden"),
        HIDDEN,
        {},
        lambda s, t: numpy_patient(s, t, "mean"),
    ),
    "patient, sum": (
        patient_distance,
        ("student_hidden", "teacher_hidden"),
        HIDDEN,
        {"over_width": "sum"},
        lambda s, t: numpy_patient(s, t, "sum"),
    ),
    "token products": (
        token_products_mse,
        ("student_hidden", "teacher_hidden"),
        HIDDEN,
        {},
        numpy_token_products,
    ),
    "flow": (
        flow_to_second,
        ("student_hidden", "teacher_hidden"),
        HIDDEN,
        {},
        numpy_flow,
    ),
    "relations": (
        relation_kl,
        ("student_vectors", "teacher_vectors"),
        VECTORS,
        {"relation_heads": 10},
        lambda s, t: numpy_relations(s, t, 10),
    ),
    "relations, own heads": (
        relation_kl,
        ("student_vectors", "teacher_vectors"),
        VECTORS,
        {"relation_heads": HEADS},
        lambda s, t: numpy_relations(s, t, HEADS),
    ),
}


@pytest.fixture(params=CASES)
def case(request, mask):
    """(the loss as a function of both models' tensors, a student's, a teacher's, NumPy's value)."""
    loss, names, shape, options, reference = CASES[request.param]

    def call(student, teacher, mask=mask, **more):
        tensors = dict(zip(names, (student, teacher), strict=True))
        return loss(**tensors, mask=tf.constant(mask), **options, **more)

    student, teacher = arrays(1, *shape), arrays(2, *shape)
    return call, student, teacher, reference(student, teacher)


def test_value(case):
    call, student, teacher, expected = case
    np.testing.assert_allclose(call(student, teacher), expected, rtol=1e-5)


def padding_of(array, mask):
    """True where a tensor belongs to padding."""
    padding = mask == 0
    if array.ndim == 3:
        return np.broadcast_to(padding[:, :, None], array.shape)
    if array.shape[-1] == LENGTH:
        pairs = padding[:, :, None] | padding[:, None, :]
        return np.broadcast_to(pairs[:, None], array.shape)
    return np.broadcast_to(padding[:, None, :, None], array.shape)


@pytest.mark.parametrize("size", [50.0, 1e12])
def test_values_of_padding_do_not_count(case, mask, size):
    call, student, teacher, expected = case
    padding = padding_of(student, mask)
    student, teacher = np.where(padding, size, student), np.where(padding, -size, teacher)
    student, teacher = student.astype(np.float32), teacher.astype(np.float32)
    np.testing.assert_allclose(call(student, teacher), expected, rtol=1e-5)


def test_padding_gets_no_gradient(case, mask):
    call, student, teacher, _ = case
    variable = tf.constant(student)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        loss = call(variable, teacher)
    gradient = tape.gradient(loss, variable).numpy()
    assert np.all(gradient[padding_of(student, mask)] == 0)
    assert np.any(gradient != 0)


def test_gradient(case):
    """Against the central difference along a random direction."""
    call, student, teacher, _ = case
    variable, direction = tf.constant(student), arrays(3, *student.shape)
    direction /= np.linalg.norm(direction)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        loss = call(variable, teacher)
    slope = np.sum(tape.gradient(loss, variable).numpy() * direction)
    size = 3e-2
    ahead, behind = (float(call(student + s * direction, teacher)) for s in (size, -size))
    np.testing.assert_allclose(slope, (ahead - behind) / (2 * size), rtol=2e-2, atol=2e-5)


def test_zero_when_the_student_is_the_teacher(case):
    call, student, _, _ = case
    np.testing.assert_allclose(call(student, student), 0.0, atol=1e-6)


def test_the_loss_is_zero_without_valid_elements(case):
    call, student, teacher, _ = case
    assert float(call(student, teacher, mask=np.zeros((BATCH, LENGTH), np.int32))) == 0.0


def test_a_row_of_padding_changes_nothing(case):
    call, student, teacher, expected = case
    more = [np.concatenate([array, array[:1]]) for array in (student, teacher)]
    mask = (np.arange(LENGTH) < np.array([*TOKENS, 0])[:, None]).astype(np.int32)
    np.testing.assert_allclose(call(*more, mask=mask), expected, rtol=1e-5)


def test_the_normalizer_replaces_the_count(case):
    call, student, teacher, _ = case
    one, half = (call(student, teacher, normalizer=tf.constant(n)) for n in (1.0, 2.0))
    np.testing.assert_allclose(one, 2 * half, rtol=1e-6)


def test_low_precision_is_computed_in_float32(case):
    call, student, teacher, _ = case
    low = [tf.cast(tf.constant(array), tf.bfloat16) for array in (student, teacher)]
    assert call(*low).dtype == tf.float32
    np.testing.assert_allclose(call(*low), call(*(tf.cast(x, tf.float32) for x in low)), rtol=1e-6)


def test_token_products_compare_models_of_any_width(mask):
    student, teacher = arrays(1, BATCH, LENGTH, 7), arrays(2, *HIDDEN)
    value = token_products_mse(
        student_hidden=student, teacher_hidden=teacher, mask=tf.constant(mask)
    )
    np.testing.assert_allclose(value, numpy_token_products(student, teacher), rtol=1e-5)


def test_relations_compare_models_of_any_shape(mask):
    """Both re-split into two heads: 4 heads of 5 on one side, 3 heads of 2 on the other."""
    student, teacher = arrays(1, BATCH, 3, LENGTH, 2), arrays(2, *VECTORS)
    value = relation_kl(
        student_vectors=student, teacher_vectors=teacher, mask=tf.constant(mask), relation_heads=2
    )
    np.testing.assert_allclose(value, numpy_relations(student, teacher, 2), rtol=1e-5)


@pytest.mark.parametrize(
    ("student", "teacher", "heads"),
    [(384, 768, 48), (312, 384, 24), (192, 384, 48), (312, 768, 24), (7, 11, 1), (100, 100, 25)],
)
def test_relation_heads_divide_both_widths(student, teacher, heads):
    assert relation_heads_for(student, teacher) == heads
    assert student % heads == teacher % heads == 0
