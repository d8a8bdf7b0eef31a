"""Losses of small heads against NumPy: classes, tags and scores."""

import numpy as np
import pytest
import tensorflow as tf

from tfdistill.data.labelled.encoded import TAUGHT
from tfdistill.distillation.losses import LOSSES, Comparison
from tfdistill.distillation.signals import TeacherSignals

LABELS = {"classes": np.array([0, 2, 1, 1], np.int32)}
WEIGHTS = {"classes": np.array([1, 1, 0, 1], np.float32)}
# Two sentences: words at the tokens 1 and 3, and at token 1; the rest are pieces and padding.
LABELS["tags"] = np.array([[0, 2, 0, 1, 0], [0, 1, 0, 0, 0]], np.int32)
WEIGHTS["tags"] = np.array([[0, 1, 0, 1, 0], [0, 1, 0, 0, 0]], np.float32)
KINDS = sorted(LABELS)


def logits_of(kind, models=3, outputs=3, seed=0):
    """Logits of a student and of teachers: float64 (models, …, outputs)."""
    shape = (models, *LABELS[kind].shape, outputs)
    return np.random.default_rng(seed).normal(0, 2, shape)


def comparison(kind, logits, shares, normalizer=3.0, **batch):
    student, *teachers = [{"logits": tf.constant(each, tf.float32)} for each in logits]
    batch = {"labels": LABELS[kind], "label_weights": WEIGHTS[kind]} | batch
    batch = {name: tf.constant(array) for name, array in batch.items()}
    teachers = TeacherSignals(tuple(teachers), shares, 0)
    return Comparison(student, teachers, batch, tf.constant(normalizer))


def softmax(logits):
    exponentials = np.exp(logits)
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("kind", KINDS)
def test_cross_entropy(kind):
    loss, logits = LOSSES["cross_entropy"], logits_of(kind)
    found = loss.compute(comparison(kind, logits, (1.0,)))
    chosen = np.take_along_axis(softmax(logits[0]), LABELS[kind][..., None], axis=-1)[..., 0]
    np.testing.assert_allclose(found, -np.log(chosen)[WEIGHTS[kind] > 0].mean(), rtol=1e-5)
    assert loss.signals() == ("logits",)
    assert float(loss.count({"label_weights": tf.constant(WEIGHTS[kind])})) == 3.0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_kl_from_the_mean_of_teachers(kind, temperature):
    """T² KL(p_T || p_S) (Hinton et al., 2015, section 2)."""
    logits = logits_of(kind)
    found = LOSSES["logits_kl"].compute(comparison(kind, logits, (0.25, 0.75)), temperature)
    student, one, two = softmax(logits / temperature)
    teacher = 0.25 * one + 0.75 * two
    values = (teacher * np.log(teacher / student)).sum(axis=-1)
    expected = temperature**2 * values[WEIGHTS[kind] > 0].mean()
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def difficulties(how, student, teacher):
    """Wen et al., 2019, section 4.2: of logits of the student and of the teacher."""
    if how == "cwsm":
        return 1 / softmax(student).max(axis=-1)
    norms = np.linalg.norm(student, axis=-1) * np.linalg.norm(teacher, axis=-1)
    return 1 - (student * teacher).sum(axis=-1) / norms


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["flsw", "cwsm"])
def test_kl_with_a_temperature_for_each_example(kind, how):
    student, teacher = logits_of(kind, models=2)
    counts = WEIGHTS[kind] > 0
    hard = difficulties(how, student, teacher)
    each = (4.0 + 1.5 * (hard[counts].mean() - hard))[..., None]
    assert np.ptp(each[counts]) > 0.1 and each[counts].min() > 0.5
    p, q = softmax(teacher / each), softmax(student / each)
    values = each[..., 0] ** 2 * (p * np.log(p / q)).sum(axis=-1)
    found = LOSSES["logits_kl"].compute(
        comparison(kind, np.stack([student, teacher]), (1.0,)),
        temperature=4.0,
        temperature_by=how,
        temperature_spread=1.5,
    )
    np.testing.assert_allclose(found, values[counts].mean(), rtol=1e-4)


def test_no_temperature_falls_below_a_half():
    logits = np.array([[[9.0, 0.0, 0.0]] * 4, [[0.0, 9.0, 0.0], *[[9.0, 0.0, 0.0]] * 3]])
    loss = LOSSES["logits_kl"]
    options = {"temperature": 1.0, "temperature_by": "flsw", "temperature_spread": 100.0}
    assert np.isfinite(loss.compute(comparison("classes", logits, (1.0,)), **options))


def corrected(kind, teacher):
    """The teacher's logits; where a label counts, the label's and the largest are exchanged."""
    moved, best = teacher.copy(), teacher.argmax(axis=-1)
    for place in zip(*np.nonzero(WEIGHTS[kind]), strict=True):
        label = LABELS[kind][place]
        moved[place][[label, best[place]]] = teacher[place][[best[place], label]]
    return moved


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_teacher_is_corrected(kind):
    """The probabilities of the label and of the wrong answer are exchanged."""
    student, teacher = logits_of(kind, models=2)
    moved, counts = corrected(kind, teacher), WEIGHTS[kind] > 0
    assert np.any(moved != teacher)
    p, q = softmax(moved / 2), softmax(student / 2)
    values = 4 * (p * np.log(p / q)).sum(axis=-1)
    found = LOSSES["logits_kl"].compute(
        comparison(kind, np.stack([student, teacher]), (1.0,)),
        temperature=2.0,
        probability_shift=True,
    )
    np.testing.assert_allclose(found, values[counts].mean(), rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_a_variant_without_a_label_keeps_the_teachers_answer(kind):
    """It is taught, but its label has weight 0, and so is not exchanged with a likelier class."""
    student, teacher = logits_of(kind, models=2)
    taught, variants = np.ones_like(WEIGHTS[kind]), WEIGHTS[kind] == 0
    teacher[variants, 2] = 9.0
    assert not np.any(LABELS[kind][variants] == 2)
    p, q = softmax(corrected(kind, teacher)), softmax(student)
    found = LOSSES["logits_kl"].compute(
        comparison(kind, np.stack([student, teacher]), (1.0,), taught.sum(), **{TAUGHT: taught}),
        probability_shift=True,
    )
    np.testing.assert_allclose(found, (p * np.log(p / q)).sum(axis=-1).mean(), rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_squared_distance_of_logits(kind):
    logits = logits_of(kind)
    found = LOSSES["logits_mse"].compute(comparison(kind, logits, (0.25, 0.75)))
    student, one, two = logits
    values = ((student - 0.25 * one - 0.75 * two) ** 2).sum(axis=-1)
    np.testing.assert_allclose(found, values[WEIGHTS[kind] > 0].mean(), rtol=1e-5)


def test_scores():
    """Of one output: the distance from the label, and from the teacher's score."""
    logits = logits_of("classes", models=2, outputs=1)
    labels = np.array([0.5, 2.5, 9.0, 4.0], np.float32)
    given = comparison("classes", logits, (1.0,), labels=labels)
    weights = WEIGHTS["classes"] > 0
    from_labels = ((logits[0, :, 0] - labels) ** 2)[weights].mean()
    np.testing.assert_allclose(LOSSES["squared_error"].compute(given), from_labels, rtol=1e-5)
    from_teacher = ((logits[0] - logits[1]) ** 2)[weights].mean()
    np.testing.assert_allclose(LOSSES["logits_mse"].compute(given), from_teacher, rtol=1e-5)


@pytest.mark.parametrize("name", ["logits_kl", "logits_mse"])
def test_words_without_an_answer_do_not_count(name):
    """A teacher may have cut a sentence before the student; the labels count all the same."""
    loss, logits = LOSSES[name], logits_of("tags", models=2)
    answered = np.array([[0, 1, 0, 0, 0], [0, 1, 0, 0, 0]], np.float32)
    batch = {"label_weights": WEIGHTS["tags"], "cached/answered": answered}
    batch = {key: tf.constant(array) for key, array in batch.items()}
    assert float(loss.count(batch)) == 2.0
    assert float(LOSSES["cross_entropy"].count(batch)) == 3.0
    given = comparison("tags", logits, (1.0,), 2.0, **{"cached/answered": answered})
    logits[1, 0, 3] = 100.0
    other = comparison("tags", logits, (1.0,), 2.0, **{"cached/answered": answered})
    assert float(loss.compute(given)) == float(loss.compute(other)) > 0


@pytest.mark.parametrize("name", ["cross_entropy", "logits_kl", "logits_mse"])
def test_padding_changes_nothing(name):
    """Neither rows of padding nor longer rows."""
    logits = logits_of("tags", models=2)
    found = LOSSES[name].compute(comparison("tags", logits, (1.0,)))
    wide = np.full((2, 3, 8, 3), np.inf)
    wide[:, :2, :5] = logits
    wide[:, :, 5:] = 7.0
    arrays = {}
    for key, array in {"labels": LABELS["tags"], "label_weights": WEIGHTS["tags"]}.items():
        arrays[key] = np.zeros((3, 8), array.dtype)
        arrays[key][:2, :5] = array
    again = LOSSES[name].compute(comparison("tags", wide, (1.0,), **arrays))
    np.testing.assert_allclose(again, found, rtol=1e-6)
