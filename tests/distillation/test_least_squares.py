import math

import numpy as np
import pytest

from tfdistill.distillation.least_squares import Regression, fit_norm
from tfdistill.models.normalization import LayerNormalization
from tfdistill.starts.width.heads import score_maps, value_maps


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def regression(inputs, targets, parts=3):
    found = Regression()
    split = np.array_split(inputs, parts), np.array_split(targets, parts)
    for some_inputs, some_targets in zip(*split, strict=True):
        found.add(some_inputs, some_targets)
    return found


def test_without_shrinkage_it_is_least_squares():
    inputs, targets = random(50, 4) + 2, random(50, 3, seed=1)
    kernel, bias = regression(inputs, targets).solve(np.zeros((4, 3)), 0.0)
    expected = np.linalg.lstsq(np.c_[inputs, np.ones(50)], targets, rcond=None)[0]
    np.testing.assert_allclose(np.vstack([kernel, bias]), expected, atol=1e-5)


def test_shrinkage_pulls_towards_the_prior():
    """The minimum of the mean squared error plus a penalty, written as rows of least squares."""
    inputs, targets, prior = random(50, 4), random(50, 3, seed=1), random(4, 3, seed=2)
    found = regression(inputs, targets)
    kernel, bias = found.solve(prior, 0.5)
    centred, wanted = inputs - inputs.mean(axis=0), targets - targets.mean(axis=0)
    strength = 0.5 * np.mean(centred.var(axis=0))
    rows = np.vstack([centred / math.sqrt(50), math.sqrt(strength) * np.eye(4)])
    aims = np.vstack([wanted / math.sqrt(50), math.sqrt(strength) * prior])
    expected = np.linalg.lstsq(rows, aims, rcond=None)[0]
    np.testing.assert_allclose(kernel, expected, atol=1e-5)
    np.testing.assert_allclose(bias, targets.mean(axis=0) - inputs.mean(axis=0) @ kernel, atol=1e-5)
    np.testing.assert_array_equal(found.solve(prior, math.inf)[0], prior.astype(np.float64))


def test_constant_inputs_keep_the_prior():
    inputs = random(50, 4)
    inputs[:, 2] = 3
    kernel, _ = regression(inputs, random(50, 1, seed=1)).solve(np.full((4, 1), 0.7), 0.0)
    np.testing.assert_allclose(kernel[2], 0.7, atol=1e-4)


def test_a_norm_finds_its_scale_and_shift():
    norm, wide = LayerNormalization(1e-12), LayerNormalization(1e-12)
    rows = random(40, 6) * 3 + 1
    for layer in (norm, wide):
        layer.build((None, 6))
    wide.gamma.assign(random(6, seed=1))
    wide.beta.assign(random(6, seed=2))
    targets = np.asarray(wide(rows))
    fit_norm(norm, np.array_split(rows, 3), np.array_split(targets, 3))
    np.testing.assert_allclose(norm.gamma, wide.gamma, atol=1e-5)
    np.testing.assert_allclose(norm.beta, wide.beta, atol=1e-5)


def test_score_maps_are_optimal():
    queries, keys = random(500, 6) @ random(6, 6, seed=1), random(400, 6, seed=2)
    keys = keys @ random(6, 6, seed=3)
    keys -= keys.mean(axis=0)
    to_query, to_key = score_maps(queries.T @ queries / 500, keys.T @ keys / 400, 3)
    scores = queries @ keys.T
    singular = np.linalg.svd(scores, compute_uv=False)
    error = np.sum((scores - queries @ to_query @ to_key.T @ keys.T) ** 2)
    np.testing.assert_allclose(error, np.sum(singular[3:] ** 2), rtol=1e-3)


def test_value_maps_are_optimal():
    contexts, output = random(300, 6) @ random(6, 6, seed=1), random(6, 9, seed=2)
    to_value, behind = value_maps(contexts.T @ contexts / 300, output, 2)
    written = contexts @ output
    singular = np.linalg.svd(written, compute_uv=False)
    error = np.sum((written - contexts @ to_value @ behind) ** 2)
    np.testing.assert_allclose(error, np.sum(singular[2:] ** 2), rtol=1e-3)


def test_narrow_heads_have_the_relations_of_wide_ones():
    """If half of the dimensions carry most of the variance, x x^T of all three is nearly equal."""
    few = random(8, 4, seed=4)
    spread = np.concatenate([few, 0.01 * random(8, 4, seed=5)], axis=1) @ random(8, 8, seed=6)
    queries, keys = random(500, 8, seed=1) @ spread.T, random(400, 8, seed=2) @ spread.T
    keys -= keys.mean(axis=0)
    to_query, to_key = score_maps(queries.T @ queries / 500, keys.T @ keys / 400, 4)
    to_value = value_maps(queries.T @ queries / 500, random(8, 9, seed=3), 4)[0]
    for rows, kept in ((queries, to_query), (keys, to_key), (queries, to_value)):
        wide, narrow = rows @ rows.T, rows @ kept @ kept.T @ rows.T
        assert np.linalg.norm(wide - narrow) < 0.1 * np.linalg.norm(wide)


def test_heads_without_variance_become_zeros():
    some, none = np.eye(6), np.zeros((6, 6))
    for moments in ((none, some), (some, none), (none, none)):
        assert all(not each.any() and each.shape == (6, 3) for each in score_maps(*moments, 3))


@pytest.mark.parametrize("rank", [1, 2])
def test_heads_of_low_rank(rank):
    """More dimensions are kept than have variance, as in a pruned head."""
    queries, keys = random(200, rank) @ random(rank, 6, seed=2), random(200, 6, seed=1)
    for rows, others in ((queries, keys), (keys, queries), (queries, queries)):
        maps = score_maps(rows.T @ rows / 200, others.T @ others / 200, 3)
        assert all(np.isfinite(each).all() for each in maps)
        wide, narrow = rows @ others.T, rows @ maps[0] @ maps[1].T @ others.T
        np.testing.assert_allclose(narrow, wide, atol=3e-3 * np.abs(wide).max(initial=1e-9))


def test_directions_without_variance():
    queries, keys = random(200, 6), random(200, 6, seed=1)
    queries[:, 3:] = keys[:, 3:] = 0
    to_query, to_key = score_maps(queries.T @ queries / 200, keys.T @ keys / 200, 3)
    np.testing.assert_allclose(queries @ to_query @ to_key.T @ keys.T, queries @ keys.T, atol=1e-4)
