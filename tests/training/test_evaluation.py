"""Held-out quality against NumPy."""

import math

import numpy as np
import pytest
import tensorflow as tf

from tfdistill.data.batches import EvaluationBatches
from tfdistill.data.masking import evaluation_masking
from tfdistill.starts.unigram import set_unigram_bias
from tfdistill.tasks.masked_lm import MaskedLM
from tfdistill.training.evaluation import agreement

pytestmark = pytest.mark.tf218

VOCABULARY = 200  # of the tiny text
TASK = MaskedLM()


@pytest.fixture(scope="module")
def batches(make_rows):
    """Held-out rows; the last batch has one row of text, which is short, and seven of padding."""
    rows = make_rows(3000, 14 * 16 + 5, length=16)
    made = list(EvaluationBatches(rows, 8, evaluation_masking(rows)))
    assert len(made) == 3 and (made[-1]["attention_mask"].sum(axis=1) > 0).sum() == 1
    assert made[-1]["masked_weights"].sum() < 2
    return made


@pytest.fixture(scope="module")
def source(make_rows):
    return make_rows(0, 3000)


@pytest.fixture(scope="module")
def counts(source):
    return source.counts


@pytest.fixture(scope="module")
def model(tiny_model, counts):
    """A model that knows the frequencies of the text, and so is right at times."""
    model = tiny_model(vocab_size=VOCABULARY, dropout=0.1, initializer_range=0.1)
    set_unigram_bias(model, counts)
    return model


@pytest.fixture(scope="module")
def scored(model, batches):
    """(score function, metrics, predictions) of the model."""
    score = TASK.scorer(model)
    found = TASK.evaluate(score, batches)
    return score, found.metrics, found.predictions


def answers(model, batches):
    """(log-probabilities (predictions, vocab) in float64, labels) at every predicted position."""
    logits, labels = [], []
    for batch in batches:
        valid = batch["masked_weights"] > 0
        inputs = {name: tf.constant(batch[name]) for name in ("input_ids", "attention_mask")}
        everything = model(inputs)["logits"].numpy().astype(np.float64)
        rows = np.arange(len(everything))[:, None]
        logits.append(everything[rows, batch["masked_positions"]][valid])
        labels.append(batch["masked_labels"][valid])
    logits, labels = np.concatenate(logits), np.concatenate(labels)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True)), labels


def expected_metrics(log_probabilities, labels):
    order = np.argsort(-log_probabilities, axis=-1, kind="stable")
    loss = -np.mean(log_probabilities[np.arange(len(labels)), labels])
    return {
        "loss": loss,
        "pseudo_perplexity": math.exp(loss),
        "top1": np.mean(order[:, 0] == labels),
        "top5": np.mean((order[:, :5] == labels[:, None]).any(axis=1)),
        "predictions": len(labels),
    }


def test_a_model(scored, model, batches):
    _, metrics, predictions = scored
    log_probabilities, labels = answers(model, batches)
    expected = expected_metrics(log_probabilities, labels)
    assert set(metrics) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(metrics[name], value, rtol=1e-5, err_msg=name)
    assert 0 < metrics["top1"] < metrics["top5"] < 1
    assert metrics["predictions"] == sum(batch["masked_weights"].sum() for batch in batches)
    np.testing.assert_array_equal(predictions, log_probabilities.argmax(axis=-1))


def test_padding_rows_and_positions_do_not_count(scored, batches):
    score, metrics, predictions = scored
    junk = []
    for batch in batches:
        batch = {name: array.copy() for name, array in batch.items()}
        batch["input_ids"][batch["attention_mask"] == 0] = 9
        batch["masked_labels"][batch["masked_weights"] == 0] = 9
        junk.append(batch)
    found, junk_predictions, _ = TASK.evaluate(score, junk)
    np.testing.assert_array_equal(junk_predictions, predictions)
    for name in metrics:
        np.testing.assert_allclose(found[name], metrics[name], rtol=1e-6)


def test_a_model_has_no_dropout_here(scored, batches):
    score, metrics, predictions = scored
    again, same, _ = TASK.evaluate(score, batches)
    assert again == metrics
    np.testing.assert_array_equal(same, predictions)


def test_some_layers_only(model, batches):
    _, first, _ = TASK.evaluate(TASK.scorer(model, layers=(0,)), batches[:1])
    logits = model(batches[0], layers=(0,))["logits"].numpy()[batches[0]["masked_weights"] > 0]
    np.testing.assert_array_equal(first, logits.argmax(axis=-1))


def test_unigram(source, counts, batches):
    metrics, predictions, _ = TASK.floor(source, batches)
    log_probabilities = np.log((counts + 1) / (counts + 1).sum())
    labels = np.concatenate([b["masked_labels"][b["masked_weights"] > 0] for b in batches])
    everywhere = np.broadcast_to(log_probabilities, (len(labels), VOCABULARY))
    expected = expected_metrics(everywhere, labels)
    for name, value in expected.items():
        np.testing.assert_allclose(metrics[name], value, rtol=1e-12, err_msg=name)
    assert set(predictions) == {np.argmax(counts)} and len(predictions) == len(labels)
    # The commonest tokens are guessed better than by chance.
    assert metrics["loss"] < math.log(VOCABULARY)
    assert 2 / VOCABULARY < metrics["top1"] < metrics["top5"] < 1


def test_metrics_of_a_hopeless_model_are_finite():
    metrics = TASK.summarise({"loss": np.array([2000.0, 1.0]), "rank": np.array([56, 0])})
    assert metrics["loss"] == 1000.5 and metrics["pseudo_perplexity"] == math.exp(700)
    assert metrics["top1"] == 0.5 and metrics["top5"] == 0.5


def test_ranks():
    metrics = TASK.summarise({"loss": np.zeros(6), "rank": np.array([0, 1, 4, 5, 0, 56])})
    assert metrics["top1"] == 2 / 6 and metrics["top5"] == 4 / 6 and metrics["predictions"] == 6


def test_a_model_that_returns_nan_is_not_right(model, batches):
    def broken(batch):
        shape = batch["masked_labels"].shape
        return {"logits": tf.fill((*shape, VOCABULARY), float("nan"))}

    metrics, _, _ = TASK.evaluate(TASK.scorer(lambda batch, **_: broken(batch)), batches[:1])
    assert math.isnan(metrics["loss"]) and metrics["top1"] == 0.0 and metrics["top5"] == 0.0


def test_a_model_with_equal_scores_for_all_tokens_is_not_right(batches):
    def level(batch, **_):
        return {"logits": tf.zeros((*batch["masked_labels"].shape, VOCABULARY))}

    metrics, _, _ = TASK.evaluate(TASK.scorer(level), batches[:1])
    np.testing.assert_allclose(metrics["loss"], math.log(VOCABULARY), rtol=1e-6)
    assert metrics["top1"] == 0.0 and metrics["top5"] == 0.0


def test_row_sums(scored, source, model, batches):
    """Rows without predictions, such as padding, are left out."""
    score = scored[0]
    texts = sum(int((batch["masked_weights"].sum(axis=1) > 0).sum()) for batch in batches)
    for found in (TASK.evaluate(score, batches), TASK.floor(source, batches)):
        sums, metrics = found.sums, found.metrics
        assert list(sums.values) == ["top1", "loss"]
        assert {len(each) for each in (*sums.values.values(), sums.predictions)} == {texts}
        assert sums.predictions.min() > 0 and sums.predictions.sum() == metrics["predictions"]
        for name in ("loss", "top1"):
            mean = sums.values[name].sum() / sums.predictions.sum()
            np.testing.assert_allclose(mean, metrics[name], rtol=1e-6)
    log_probabilities, labels = answers(model, batches[:1])
    sums = TASK.evaluate(score, batches[:1]).sums
    first = sums.predictions[0]
    losses = -log_probabilities[np.arange(first), labels[:first]]
    np.testing.assert_allclose(sums.values["loss"][0], losses.sum(), rtol=1e-5)


def test_agreement():
    assert agreement(np.array([1, 2, 3, 4]), np.array([1, 9, 3, 4])) == 0.75
    assert agreement(np.array([1, 2]), np.array([1, 2])) == 1.0
