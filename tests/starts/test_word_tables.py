"""Tables of word embeddings: principal components by NumPy's singular values."""

import numpy as np
import pytest

from tfdistill.starts.word_tables import SPREAD, components, word_table


def test_components_are_those_of_the_singular_values():
    rows = np.random.default_rng(0).normal(size=(30, 6)) * [5, 3, 2, 1, 0.5, 0.1] + 4
    left, sizes, _ = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    found = components(rows, 3)
    np.testing.assert_allclose(np.abs(found), np.abs(left * sizes)[:, :3], atol=1e-4)
    whole = components(rows, 6)
    distances = [np.linalg.norm(each[:, None] - each[None], axis=-1) for each in (rows, whole)]
    np.testing.assert_allclose(*distances, atol=1e-4)
    np.testing.assert_array_equal(components(rows, 9)[:, 6:], 0)


def test_a_table_has_the_vectors_of_its_tokens_and_random_numbers_for_others():
    generator = np.random.default_rng(1)
    tokens = [f"word{i}" for i in range(200)] + ["unknown", None]
    vectors = {token: generator.normal(0, 7, 5) for token in tokens[:200]}
    vectors["of another language"] = np.full(5, 1e6)
    table = word_table(vectors, tokens, 4, seed=3)
    expected = components(np.stack([vectors[token] for token in tokens[:200]]), 4)
    np.testing.assert_allclose(table[:200], expected * SPREAD / expected.std(), rtol=1e-5)
    assert table.shape == (202, 4) and table.dtype == np.float32
    fresh = word_table({}, tokens, 4, seed=3)
    np.testing.assert_array_equal(table[200:], fresh[200:])
    assert fresh.std() == pytest.approx(SPREAD, rel=0.1)
    assert not np.array_equal(fresh, word_table({}, tokens, 4, seed=4))
