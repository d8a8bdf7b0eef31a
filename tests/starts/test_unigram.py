"""Token frequencies, computed by hand and in a head."""

import numpy as np

from tfdistill.starts.unigram import set_unigram_bias, unigram_log_probabilities


def test_frequencies_with_one_added():
    found = unigram_log_probabilities(np.array([6, 0, 1], np.int64))
    np.testing.assert_allclose(np.exp(found), [0.7, 0.1, 0.2], rtol=1e-12)
    assert found.dtype == np.float64


def test_counts_beyond_float32_add_up_to_one():
    counts = np.random.default_rng(0).integers(0, 2**31, 1000) * 1000
    np.testing.assert_allclose(np.exp(unigram_log_probabilities(counts)).sum(), 1.0, rtol=1e-12)


def test_zero_counts_give_a_uniform_distribution():
    np.testing.assert_allclose(unigram_log_probabilities(np.zeros(8)), -np.log(8), rtol=1e-12)


def test_a_fresh_model_predicts_the_frequencies(tiny_model, tiny_batch):
    model = tiny_model()
    model.decoder_kernel.assign(np.zeros(model.decoder_kernel.shape, np.float32))
    counts = np.random.default_rng(0).integers(0, 1000, 50)
    set_unigram_bias(model, counts)
    logits = model(tiny_batch([10, 4]))["logits"].numpy().astype(np.float64)
    found = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    expected = np.broadcast_to(unigram_log_probabilities(counts), found.shape)
    np.testing.assert_allclose(found, expected, atol=1e-5)
