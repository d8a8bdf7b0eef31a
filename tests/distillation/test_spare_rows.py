"""Tables with more rows than the vocabulary has tokens: comparisons and starts of students."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tfdistill.data.spare_rows import alike, fits
from tfdistill.distillation.cached_signals import CacheableSignals
from tfdistill.distillation.distiller import Distiller
from tfdistill.distillation.phases import Phase, Term
from tfdistill.distillation.signals import MASKED_ROWS, TOKEN_ROWS, CachedTopK
from tfdistill.distillation.teachers import PREFIX, Teachers
from tfdistill.starts.from_teacher import initialize_student
from tfdistill.starts.unigram import set_unigram_bias, unigram_log_probabilities

WORDS = 50  # of the vocabulary; the longer tables have six rows more
TERMS = {
    "ce": Term("ce", 1.0, {"temperature": 2.0}),
    "soft_ce": Term("soft_ce", 1.0, {"temperature": 2.0, "restrict_to_mask": True}),
    "mse": Term("mse", 1.0),
}


@pytest.fixture
def batch(tiny_batch):
    return {name: tf.constant(array) for name, array in tiny_batch([10, 7, 4, 1]).items()}


def shifted(model):
    """The model with likely spare rows; in real checkpoints they are unlikely."""
    bias = model.head.bias.numpy()
    bias[WORDS:] += 3
    model.head.bias.assign(bias)
    return model


def log_softmax(logits):
    logits = logits.astype(np.float64)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def all_logits(model, batch):
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    return np.asarray(model(inputs)["logits"])[..., :WORDS]  # (batch, length, words)


def expected(name, student, teacher, batch):
    """The loss over the ids that both models have, by its formula."""
    ours, theirs = all_logits(student, batch), all_logits(teacher, batch)
    if name == "soft_ce":
        places = batch["masked_positions"].numpy()[..., None]
        ours, theirs = (np.take_along_axis(each, places, 1) for each in (ours, theirs))
        weights = batch["masked_weights"].numpy()
    else:
        weights = batch["attention_mask"].numpy().astype(float)
    if name == "mse":
        loss = ((ours - theirs) ** 2).sum(-1)
    else:
        target, own = log_softmax(theirs / 2), log_softmax(ours / 2)
        loss = -(np.exp(target) * own).sum(-1)
        if name == "ce":
            loss = 4 * (loss + (np.exp(target) * target).sum(-1))
    return (loss * weights).sum() / weights.sum()


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("rows", [(WORDS, WORDS + 6), (WORDS + 6, WORDS)])
def test_common_ids_are_compared(name, rows, tiny_model, batch):
    student, teacher = (shifted(tiny_model(i, vocab_size=n)) for i, n in enumerate(rows))
    distiller = Distiller(student, Phase("test", (TERMS[name],)), teacher)
    gradients, losses = distiller.gradients(batch, 0)
    wanted = expected(name, student, teacher, batch)
    assert float(losses[f"loss_{name}"]) == pytest.approx(wanted, rel=1e-4)
    of_bias = next(
        gradient
        for variable, gradient in zip(distiller.trained_variables, gradients, strict=True)
        if variable is student.head.bias
    )
    assert np.abs(of_bias[:WORDS]).min() > 0 and not np.any(of_bias[WORDS:])


def test_tables_of_one_length_are_compared_as_a_whole(tiny_model, batch):
    models = [shifted(tiny_model(i, vocab_size=WORDS + 6)) for i in range(2)]
    distiller = Distiller(models[0], Phase("test", (TERMS["ce"],)), models[1])
    loss = float(distiller.gradients(batch, 0)[1]["loss_ce"])
    assert abs(loss - expected("ce", *models, batch)) > 0.01


@pytest.mark.parametrize("name, signal", [("ce", TOKEN_ROWS), ("soft_ce", MASKED_ROWS)])
@pytest.mark.parametrize("rows", [(WORDS, WORDS + 6), (WORDS + 6, WORDS)])
def test_cached_probabilities_are_of_the_common_ids(name, signal, rows, tiny_model, batch):
    student, teacher = (shifted(tiny_model(i, vocab_size=n)) for i, n in enumerate(rows))
    distiller = Distiller(student, Phase("test", (TERMS[name],)), teacher)
    live = distiller.gradients(batch, 0)
    # All ids but one, whose probability is the sum of the others.
    top_k = CachedTopK(signal, 2.0)
    signals = CacheableSignals(Teachers([teacher]), [top_k], WORDS)
    arrays = signals({key: array.numpy() for key, array in batch.items()})
    assert arrays[top_k.array_names[0]].max() < WORDS
    found = distiller.gradients(batch | {PREFIX + key: a for key, a in arrays.items()}, 0)
    assert float(found[1]["loss"]) == pytest.approx(float(live[1]["loss"]), rel=1e-4)
    for ours, theirs in zip(found[0], live[0], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_the_mean_of_teachers_is_that_of_common_ids(tiny_model, batch):
    teachers = [tiny_model(i, vocab_size=n) for i, n in enumerate((WORDS, WORDS + 6))]
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    found = Teachers(teachers)(inputs)["logits"]
    parts = [np.exp(log_softmax(all_logits(teacher, batch))) for teacher in teachers]
    np.testing.assert_allclose(np.exp(found), np.mean(parts, axis=0), rtol=1e-4)


@pytest.mark.parametrize("init", ["every_other", "embeddings", "every_other:slice", "search"])
@pytest.mark.parametrize("rows", [WORDS, WORDS + 9])
def test_a_student_with_another_number_of_spare_rows(init, rows, tiny_model, batch):
    teacher = tiny_model(vocab_size=WORDS + 6, num_hidden_layers=3)
    width = 8 if ":" in init else 12
    config = dataclasses.replace(teacher.config, num_hidden_layers=1, hidden_size=width)
    options = dict(init=init, validation_loss=lambda layers: layers[0], seed=3)
    long, found = (
        initialize_student(teacher, dataclasses.replace(config, vocab_size=n), **options)
        for n in (WORDS + 6, rows)
    )
    assert found.decoder_kernel.shape[0] == found.head.bias.shape[0] == rows
    expected = all_logits(long, batch)
    np.testing.assert_allclose(all_logits(found, batch), expected, rtol=1e-5, atol=1e-5)


def test_spare_rows_are_the_rarest_words_of_a_fresh_head(tiny_model):
    model = tiny_model(vocab_size=WORDS + 6)
    counts = np.arange(WORDS)
    set_unigram_bias(model, counts)
    padded = unigram_log_probabilities(np.pad(counts, (0, 6)))
    np.testing.assert_allclose(model.head.bias, padded, rtol=1e-5)


@pytest.mark.parametrize(
    "rows, tokens, fit",
    [
        (30_522, 30_522, True),
        (30_528, 30_522, True),
        (30_720, 30_522, True),
        (30_521, 30_522, False),
        (30_522, 28_996, False),  # BERT's two English vocabularies
        (64, 50, True),
        (250, 50, False),
    ],
)
def test_spare_rows_are_few(rows, tokens, fit):
    assert fits(rows, tokens) == fit
    assert alike(rows, tokens) == alike(tokens, rows) == (fit or rows == 30_521)
