"""Losses of pairs of segments beside NumPy, and what padding changes: nothing."""

import numpy as np
import pytest
import tensorflow as tf

from tfdistill.data.sentence_pairs import LABELS, WEIGHTS
from tfdistill.distillation.bound_terms import bind_terms
from tfdistill.distillation.distiller import Distiller, StepOptions
from tfdistill.distillation.losses import LOSSES, Comparison
from tfdistill.distillation.phases import Phase, Term
from tfdistill.distillation.signals import (
    MASKED_ROWS,
    PAIR_LOGITS,
    TOKEN_ROWS,
    TeacherSignals,
    compute_signals,
)
from tfdistill.models.model import MaskedLanguageModel
from tfdistill.system.errors import UserError


@pytest.fixture(scope="module")
def pair_model(tiny_model):
    """A function of a seed to a tiny masked LM with a head of pairs."""

    def make(seed):
        model = MaskedLanguageModel(tiny_model().config, seed=seed, next_sentence="pooler")
        generator = np.random.default_rng(seed)
        for variable in model.variables:
            if len(variable.shape) == 1:
                variable.assign(variable.numpy() + generator.normal(0, 0.1, variable.shape))
        return model

    return make


@pytest.fixture(scope="module")
def pair_batch(tiny_batch):
    batch = tiny_batch([10, 6, 9, 5])
    places = np.arange(10)
    ends = batch["attention_mask"].sum(axis=1, keepdims=True)
    types = ((places >= ends // 2) & (places < ends)).astype(np.int32)
    labels, weights = np.array([0, 1, 1, 0], np.int32), np.ones(4, np.float32)
    return batch | {"token_type_ids": types, LABELS: labels, WEIGHTS: weights}


def log_softmax(logits):
    logits = logits.astype(np.float64)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def test_values_beside_numpy():
    generator = np.random.default_rng(0)
    student, one, two = (generator.normal(size=(5, 2)).astype(np.float32) for _ in range(3))
    labels, weights = np.array([0, 1, 1, 0, 1]), np.array([1, 1, 0, 1, 1], np.float32)
    batch = {LABELS: tf.constant(labels), WEIGHTS: tf.constant(weights)}
    teachers = TeacherSignals(({PAIR_LOGITS: one}, {PAIR_LOGITS: two}), (0.25, 0.75), 50)
    comparison = Comparison({PAIR_LOGITS: student}, teachers, batch, tf.constant(4.0))
    counted = weights > 0
    expected = -log_softmax(student)[np.arange(5), labels][counted].mean()
    assert float(LOSSES["nsp"].compute(comparison)) == pytest.approx(expected, abs=1e-6)
    assert float(LOSSES["nsp"].count(batch)) == 4
    for temperature in (1.0, 3.0):
        softened = [np.exp(log_softmax(each / temperature)) for each in (one, two)]
        teacher = 0.25 * softened[0] + 0.75 * softened[1]
        kl = (teacher * (np.log(teacher) - log_softmax(student / temperature))).sum(axis=1)
        found = LOSSES["nsp_kl"].compute(comparison, temperature=temperature)
        assert float(found) == pytest.approx(temperature**2 * kl[counted].mean(), abs=1e-6)


@pytest.mark.parametrize("others", [set(), {MASKED_ROWS}, {MASKED_ROWS, TOKEN_ROWS}])
def test_signals_are_those_of_the_head_alone(others, pair_model, pair_batch):
    """And the rows of masked LM stay the same beside the first token."""
    model = pair_model(1)
    found = compute_signals(model, pair_batch, {PAIR_LOGITS, *others})
    expected = model.next_sentence_logits(pair_batch)
    np.testing.assert_allclose(found[PAIR_LOGITS], expected, rtol=0, atol=1e-6)
    alone = compute_signals(model, pair_batch, others) if others else {}
    for name in others:
        np.testing.assert_allclose(found[name], alone[name], rtol=0, atol=1e-6)


def phase_of(*names):
    return Phase("distil", tuple(Term(name, 1.0) for name in names))


def test_gradients_are_means_over_the_whole_batch_without_padding(pair_model, pair_batch):
    """In micro-batches, and in rows that are longer by padding."""
    phase = phase_of("mlm", "nsp", "nsp_kl", "ce", "cos", "attention_scores")
    terms = [
        Term(t.loss, 1.0, layers="uniform" if "attention" in t.loss else ()) for t in phase.terms
    ]
    phase = Phase("distil", tuple(terms))

    def gradients(batch, parts):
        student, teacher = pair_model(1), pair_model(2)
        options = StepOptions(micro_batches=parts)
        distiller = Distiller(student, phase, teacher, options)
        batch = {name: tf.constant(array) for name, array in batch.items()}
        found, losses = distiller.gradients(batch, tf.constant(0))
        return {"losses": [losses[name] for name in sorted(losses)]} | {
            variable.path: gradient
            for variable, gradient in zip(distiller.trained_variables, found, strict=True)
        }

    whole, parts = gradients(pair_batch, 1), gradients(pair_batch, 2)
    assert any(path.startswith("next_sentence/") for path in whole)
    longer = dict(pair_batch)
    for name in ("input_ids", "attention_mask", "token_type_ids"):
        longer[name] = np.pad(pair_batch[name], ((0, 0), (0, 7)))
    padded = gradients(longer, 1)
    for name, value in whole.items():
        np.testing.assert_allclose(parts[name], value, rtol=0, atol=2e-5, err_msg=name)
        np.testing.assert_allclose(padded[name], value, rtol=0, atol=2e-5, err_msg=name)


def test_models_without_the_head_are_refused(tiny_model, pair_model):
    with pytest.raises(UserError, match="student_config: the model has no head for pairs"):
        bind_terms(phase_of("nsp"), tiny_model(), None, seed=0)
    with pytest.raises(UserError, match="teacher: the model has no head for pairs"):
        bind_terms(phase_of("nsp_kl"), pair_model(1), tiny_model(), seed=0)
