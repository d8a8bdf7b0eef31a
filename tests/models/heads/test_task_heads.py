"""Heads of tasks with labels, beside NumPy, and their dropout."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tfdistill.models.configs.config_files import named_config
from tfdistill.models.dropout import DropoutKey
from tfdistill.models.encoder import Encoder
from tfdistill.models.heads.classification import ClassificationHead
from tfdistill.models.heads.embedding import EmbeddingHead
from tfdistill.models.heads.pooling import mean_of_tokens
from tfdistill.models.heads.spans import SpanHead
from tfdistill.models.heads.tokens import TokenHead
from tfdistill.models.model import Model
from tfdistill.system.errors import UserError

LABELS = ("bad", "good", "odd")
SHAPES = {
    "bert": "L-1_H-12_A-2_I-20",
    "distilbert": "L-1_H-12_A-2_I-20",
    "mobilebert": "L-1_H-8_B-12_A-2_F-2_I-10_E-6_OPT",
}


@pytest.fixture(params=list(SHAPES))
def config(request):
    config = named_config(SHAPES[request.param], request.param, vocab_size=40)
    return dataclasses.replace(config, initializer_range=0.3, hidden_dropout_prob=0.4)


@pytest.fixture
def batch():
    """Rows of 6, 3, 1 and no real tokens."""
    ids = np.random.default_rng(0).integers(5, 40, (4, 6)).astype("int32")
    mask = (np.arange(6) < np.array([[6], [3], [1], [0]])).astype("int32")
    return {"input_ids": ids * mask, "attention_mask": mask}


def model_of(config, head):
    model = Model(Encoder(config), head, seed=3)
    head.dense.bias.assign(np.linspace(-1, 1, head.dense.bias.shape[0]))
    return model


def classify(head, pooled):
    return pooled @ head.dense.kernel.numpy() + head.dense.bias.numpy()


@pytest.mark.parametrize("pooling", ["cls", "mean", "pooler"])
def test_classes_are_scored_as_numpy_does(config, batch, pooling):
    model = model_of(config, ClassificationHead(config, LABELS, pooling))
    out = {name: value.numpy() for name, value in model(batch).items()}
    hidden, mask = out["last_hidden_state"], batch["attention_mask"][..., None]
    pooled = {
        "cls": lambda: hidden[:, 0],
        "mean": lambda: (hidden * mask).sum(axis=1) / np.maximum(mask.sum(axis=1), 1),
        "pooler": lambda: _pooler(model, hidden[:, 0]),
    }[pooling]()
    np.testing.assert_allclose(out["logits"], classify(model.head, pooled), atol=1e-5)


def _pooler(model, first):
    pooler = model.head.pooler
    pooler.bias.assign(np.full(pooler.bias.shape, 0.0))
    rows = first @ pooler.kernel.numpy()
    relu = model.config.model_type == "distilbert"
    return np.maximum(rows, 0) if relu else np.tanh(rows)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_vectors_are_those_of_numpy(config, batch, pooling):
    model = Model(Encoder(config), EmbeddingHead(config, pooling), seed=3)
    hidden = model.encode(batch)["last_hidden_state"].numpy()
    mask = batch["attention_mask"][..., None]
    means = (hidden * mask).sum(axis=1) / np.maximum(mask.sum(axis=1), 1)
    pooled = hidden[:, 0] if pooling == "cls" else means
    lengths = np.linalg.norm(pooled, axis=1, keepdims=True)
    found = model(batch, taps=())["logits"].numpy()
    np.testing.assert_allclose(found, pooled / np.maximum(lengths, 1e-12), atol=1e-5)
    plain = Model(model.encoder, EmbeddingHead(config, pooling, normalize=False), seed=None)
    np.testing.assert_allclose(plain(batch, taps=())["logits"], pooled, atol=1e-5)
    with pytest.raises(UserError, match="pooling=pooler: a sentence encoder has mean or cls"):
        EmbeddingHead(config, "pooler")


def test_tags_and_spans_are_scored_at_every_token(config, batch):
    for head, outputs in ((TokenHead(config, LABELS), 3), (SpanHead(config), 2)):
        out = model_of(config, head)(batch)
        expected = classify(head, out["last_hidden_state"].numpy())
        assert out["logits"].shape == (4, 6, outputs)
        np.testing.assert_allclose(out["logits"], expected, atol=1e-5)


def test_padding_changes_no_class(config, batch):
    model = model_of(config, ClassificationHead(config, LABELS, "mean"))
    short = {name: rows[1:2, :3] for name, rows in batch.items()}
    np.testing.assert_allclose(model(short)["logits"], model(batch)["logits"][1:2], atol=1e-5)
    hidden = tf.constant(np.random.default_rng(1).normal(size=(2, 3, 4)), tf.bfloat16)
    assert mean_of_tokens(hidden, None).dtype == tf.bfloat16


def test_a_model_type_has_its_own_pooling(config):
    head = ClassificationHead(config, LABELS)
    assert head.pooling == ("cls" if config.model_type == "mobilebert" else "pooler")
    assert head.is_portable and not head.note
    assert "`pooling`=mean of a" in ClassificationHead(config, LABELS, "mean").note
    assert ClassificationHead(config, (), "mean").dense.units == 1
    with pytest.raises(UserError, match="pooling=max is not one of cls, mean, pooler"):
        ClassificationHead(config, LABELS, "max")


def test_dropout_is_that_of_the_row_and_the_step(config, batch):
    """A head's dropout has a site of its own, and does not depend on how a batch is split."""
    head = ClassificationHead(config, LABELS, "mean")
    assert head.dropout_rate == 0.4
    model = model_of(config, head)
    hidden = tf.ones((4, 6, config.hidden_size))

    def logits(step, rows=slice(None)):
        key = DropoutKey(tf.constant([1, step]), tf.constant(rows.start or 0))
        return model.logits(hidden[rows], {}, key).numpy()

    np.testing.assert_array_equal(logits(2), logits(2))
    np.testing.assert_allclose(logits(2)[2:], logits(2, slice(2, None)), atol=1e-6)
    assert np.abs(logits(2) - logits(3)).max() > 0.01
    assert np.abs(logits(2) - model.logits(hidden, {}).numpy()).max() > 0.01


def test_outputs_are_put_into_another_order(config, batch):
    model = model_of(config, TokenHead(config, LABELS))
    before = model(batch)["logits"].numpy()
    model.head.arrange(("odd", "bad", "good"))
    np.testing.assert_array_equal(model(batch)["logits"], before[..., [2, 0, 1]])
    assert model.head.labels == ("odd", "bad", "good")
