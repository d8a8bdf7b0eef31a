"""Starts of students without layers: each token through the teacher, and what is made of it."""

import numpy as np
import pytest

from tfdistill.data.text_tokenizer import load_text_tokenizer
from tfdistill.models.configs.encoder_config import EncoderConfig
from tfdistill.models.configs.static import StaticConfig
from tfdistill.models.encoder import Encoder
from tfdistill.models.heads.classification import ClassificationHead
from tfdistill.models.heads.embedding import EmbeddingHead
from tfdistill.models.model import Model
from tfdistill.starts.from_tokens import (
    fill,
    frequency_weights,
    principal_components,
    token_rows,
    token_vectors,
)

TEACHER = EncoderConfig(
    vocab_size=200,
    hidden_size=12,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=20,
    max_position_embeddings=32,
    initializer_range=0.3,
)


def test_tokens_stand_alone_between_the_special_ones(tiny_tokenizer):
    ids, mask = token_rows(tiny_tokenizer, tiny_tokenizer)
    assert ids.shape == mask.shape == (200, 3) and mask.all()
    np.testing.assert_array_equal(ids[:, 1], np.arange(200))
    assert set(ids[:, 0]) == {2} and set(ids[:, 2]) == {3}


def test_another_tokenizer_splits_the_text_of_a_token(tiny_tokenizer):
    bundled = load_text_tokenizer()
    ids, mask = token_rows(tiny_tokenizer, bundled)
    tokens = [tiny_tokenizer.id_to_token(i) for i in range(200)]
    for word in ("##s", "the", "a"):
        row = tokens.index(word)
        found = [bundled.id_to_token(i) for i in ids[row][mask[row] > 0]]
        assert found == ["[CLS]", word.removeprefix("##"), "[SEP]"]
    special = ids[tokens.index("[MASK]")]
    assert [bundled.id_to_token(i) for i in special[:4]] == ["[CLS]", "[", "mask", "]"]


@pytest.mark.parametrize("pooling", ["mean", "pooler"])
def test_vectors_are_what_the_head_reads(pooling):
    model = Model(Encoder(TEACHER), ClassificationHead(TEACHER, ("a", "b"), pooling), seed=1)
    ids = np.array([[2, each, 3] for each in range(5, 12)], np.int32)
    found = token_vectors(model, ids, np.ones_like(ids))
    states = np.asarray(model(ids, taps=("last_hidden_state",))["last_hidden_state"])
    if pooling == "mean":
        expected = states.mean(axis=1)
    else:
        pooler = model.head.pooler
        expected = np.tanh(states[:, 0] @ pooler.kernel.numpy() + pooler.bias.numpy())
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_vectors_of_encoders_are_not_normalised():
    model = Model(Encoder(TEACHER), EmbeddingHead(TEACHER), seed=1)
    ids = np.array([[2, each % 200, 3, 0] for each in range(300)], np.int32)
    mask = (np.arange(4) < 3).astype(np.int32)[None].repeat(300, axis=0)
    done = []
    found = token_vectors(model, ids, mask, lambda count, unit: done.append(count))
    assert done == [256, 300] and found.shape == (300, 12)
    headless = token_vectors(Model(model.encoder, seed=None), ids, mask)
    np.testing.assert_allclose(found, headless, atol=1e-5)
    assert np.linalg.norm(found, axis=1).std() > 0.01


def test_principal_components():
    """Beside the singular value decomposition; rows of weight 0 change nothing."""
    draws = np.random.default_rng(2)
    vectors = draws.normal(size=(40, 5)) * [5, 4, 3, 2, 1] + 3
    found = principal_components(vectors, 2, np.ones(40))
    centred = vectors - vectors.mean(axis=0)
    _, _, axes = np.linalg.svd(centred)
    np.testing.assert_allclose(np.abs(found), np.abs(centred @ axes[:2].T), atol=1e-4)
    more = np.concatenate([vectors, draws.normal(size=(9, 5)) * 100])
    weights = np.concatenate([np.ones(40), np.zeros(9)])
    part = principal_components(more, 2, weights)[:40]
    np.testing.assert_allclose(np.abs(part), np.abs(found), atol=1e-4)
    whole = principal_components(vectors, 5, np.ones(40))
    np.testing.assert_allclose(whole, centred, atol=1e-5)


def test_frequent_tokens_weigh_less():
    counts = np.array([0, 9, 989, 0])
    share = np.array([1, 10, 990, 1]) / 1002
    np.testing.assert_allclose(frequency_weights(counts), 1e-3 / (1e-3 + share), rtol=1e-6)


def test_special_tokens_have_no_vector():
    shape = StaticConfig(vocab_size=200, hidden_size=4, uncounted_ids=(0, 1, 2, 3), sep_token_id=3)
    student = Model(Encoder(shape), EmbeddingHead(shape), seed=1)
    vectors = np.random.default_rng(3).normal(size=(200, 12)).astype(np.float32)
    counts = np.arange(200)
    fill(student, vectors, counts)
    embeddings = student.encoder.embeddings
    table = embeddings.word_embeddings.numpy()
    assert not table[:4].any() and table[4:].any(axis=1).all()
    expected = principal_components(vectors[4:], 4, np.ones(196))
    np.testing.assert_allclose(np.abs(table[4:]), np.abs(expected), atol=1e-5)
    np.testing.assert_array_equal(embeddings.token_weights.numpy(), frequency_weights(counts))
