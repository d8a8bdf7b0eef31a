"""Starts from counts, compared with a dense reference, and on a text of known structure."""

import dataclasses

import numpy as np
import pytest

from tfdistill.models.configs.config_files import named_config
from tfdistill.models.model import MaskedLanguageModel
from tfdistill.starts import from_text
from tfdistill.starts.from_text import cooccurrence_embeddings, start_from_text

VOCABULARY = 50


def reference_matrix(ids, vocabulary, special):
    """Positive pointwise mutual information from the formula, in a double loop."""
    counts = np.zeros((vocabulary, vocabulary))
    for i, token in enumerate(ids):
        for distance in range(1, 6):
            if i + distance < len(ids) and not {token, ids[i + distance]} & set(special):
                counts[token, ids[i + distance]] += (6 - distance) / 5
                counts[ids[i + distance], token] += (6 - distance) / 5
    totals = counts.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        one = np.log(counts * (totals**0.75).sum() / (totals[:, None] * totals[None] ** 0.75))
        found = np.maximum((one + one.T) / 2, 0)
    return np.nan_to_num(found, nan=0.0)


@pytest.fixture(scope="module")
def text():
    """Two alternating topics without common tokens, with a separator (2) after each part."""
    generator = np.random.default_rng(0)
    parts = []
    for stretch in range(60):
        low = 5 if stretch % 2 else 25
        parts += [*generator.integers(low, low + 15, 40), 2]
    return np.array(parts, np.uint16)


def test_all_factors_reproduce_the_positive_part_of_the_matrix(text):
    expected = reference_matrix(text.astype(int), VOCABULARY, [2])
    values, vectors = np.linalg.eigh(expected)
    positive = (vectors * np.maximum(values, 0)) @ vectors.T
    found = cooccurrence_embeddings(text, VOCABULARY, VOCABULARY, [2])
    np.testing.assert_allclose(found @ found.T, positive, atol=1e-4)


def test_the_largest_factors_are_kept(text):
    values = np.linalg.eigvalsh(reference_matrix(text.astype(int), VOCABULARY, [2]))
    found = cooccurrence_embeddings(text, VOCABULARY, 4, [2])
    np.testing.assert_allclose(np.sort((found**2).sum(axis=0)), values[-4:], rtol=1e-4)


def test_tokens_of_one_topic_are_similar(text):
    found = cooccurrence_embeddings(text, VOCABULARY, 2, [2])
    found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)
    cosines = found @ found.T
    assert cosines[5:20, 5:20].min() > 0.9 and cosines[5:20, 25:40].max() < 0.1


def test_tokens_that_do_not_occur_are_zero(text):
    found = cooccurrence_embeddings(text, VOCABULARY, 4, [2])
    assert not found[:5].any() and not found[40:].any()


@pytest.mark.parametrize("ids", [[], [7], [2, 2, 2], [7, 7, 7], [7, 8]])
def test_a_text_of_few_tokens(ids):
    found = cooccurrence_embeddings(np.array(ids, np.int64), VOCABULARY, 4, [2])
    assert found.shape == (VOCABULARY, 4) and np.isfinite(found).all()


@pytest.mark.parametrize("ids", [[], [7], [2, 2, 2], [7, 7, 7], [7, 8]])
def test_a_start_from_few_tokens_is_finite(ids, tiny_model):
    model = tiny_model(vocab_size=VOCABULARY)
    ids = np.array(ids, np.int64)
    start_from_text(model, ids, np.bincount(ids, minlength=VOCABULARY), [2], seed=0)
    assert all(np.isfinite(weight.numpy()).all() for weight in model.weights)
    assert model.decoder_kernel.numpy()[5:].std(axis=1).min() > 0


def test_samples_are_spread_over_a_long_text(text):
    sampled = from_text.sample_tokens(np.arange(100_000), most=1000)
    assert len(sampled) == 1000 and sampled[0] == 0 and sampled[-1] == 99_999


def test_a_model_knows_the_topic_before_it_is_trained(text):
    shape = named_config("L-2_H-16_A-2", vocab_size=VOCABULARY)
    model = MaskedLanguageModel(shape, seed=0)
    counts = np.bincount(text, minlength=VOCABULARY)
    start_from_text(model, text, counts, [0, 1, 2, 3], seed=0)
    assert not model.decoder_kernel.numpy()[model.config.pad_token_id].any()
    ids = np.full((1, 12), 3, np.int32)
    ids[0, 1:-1] = np.random.default_rng(1).integers(25, 40, 10)
    logits = model({"input_ids": ids, "attention_mask": np.ones_like(ids)})["logits"].numpy()[0, 5]
    assert logits[25:40].mean() > logits[5:20].mean() + 0.05


@pytest.mark.parametrize(
    ("width", "heads", "size"), [(32, 4, 8), (15, 3, 5), (8, 1, 8), (15, 2, 3)]
)
def test_heads_start_at_their_neighbors(width, heads, size):
    query = np.random.default_rng(0).standard_normal((width, heads * size))
    key = from_text.neighbor_keys(query, heads)
    places = from_text.sinusoids(np.arange(40), width)
    for head, distance in zip(range(heads), [-1, 1, -2, 2], strict=False):
        own = slice(head * size, (head + 1) * size)
        ours, theirs = places @ query[:, own], places @ key[:, own]
        np.testing.assert_allclose(theirs[10 + distance], ours[10], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("head_size", [None, 24])
def test_attention_is_highest_at_the_neighbors(head_size, text):
    config = named_config("L-1_H-64_A-2", vocab_size=VOCABULARY)
    model = MaskedLanguageModel(dataclasses.replace(config, attention_head_size=head_size), seed=0)
    start_from_text(model, text, np.bincount(text, minlength=VOCABULARY), [2], seed=0)
    ids = text[None, :30].astype(np.int32)
    inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    attention = model(inputs, taps={"attention_probs"})["attention_probs"][0].numpy()[0]
    for head, distance in ((0, -1), (1, 1)):
        by_distance = [np.diagonal(attention[head], offset).mean() for offset in range(-5, 6)]
        assert np.argmax(by_distance) - 5 == distance


def test_equal_seeds_give_equal_starts(tiny_model, text):
    counts = np.bincount(text, minlength=VOCABULARY)
    models = [tiny_model(vocab_size=VOCABULARY) for _ in range(3)]
    for model, seed in zip(models, (4, 4, 5), strict=True):
        start_from_text(model, text, counts, [2], seed)
    first, same, other = ([v.numpy() for v in model.weights] for model in models)
    for ours, theirs in zip(first, same, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert any(not np.array_equal(a, b) for a, b in zip(first, other, strict=True))
