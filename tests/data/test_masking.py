"""Which tokens are chosen, and what they are replaced by."""

import itertools

import numpy as np
import pytest

from tfdistill.data.masking import mask_rows, masked_per_row, smoothed_weights
from tfdistill.data.tokenizer import TokenIds

PAD, UNK, CLS, SEP, MASK, UNUSED, FIRST = range(7)


def token_ids(vocabulary):
    predictable = np.arange(vocabulary) > MASK
    return TokenIds(PAD, UNK, CLS, SEP, MASK, predictable, np.arange(FIRST, vocabulary, dtype="i4"))


def text_rows(batch, length, vocabulary, seed=0):
    rows = np.random.default_rng(seed).integers(FIRST, vocabulary, (batch, length), np.int32)
    rows[:, 0], rows[:, -1] = CLS, SEP
    return rows


def mask(rows, vocabulary, seed=1, probability=0.15, **options):
    options = dict(probability=probability, ids=token_ids(vocabulary)) | options
    return mask_rows(rows, np.random.default_rng(seed), **options)


def test_shapes_types_and_what_is_not_touched():
    rows = text_rows(5, 32, 100)
    before = rows.copy()
    batch = mask(rows, 100)
    np.testing.assert_array_equal(rows, before)
    assert masked_per_row(32, 0.15) == 4
    expected = {
        "input_ids": ((5, 32), np.int32),
        "attention_mask": ((5, 32), np.int32),
        "masked_positions": ((5, 4), np.int32),
        "masked_labels": ((5, 4), np.int32),
        "masked_weights": ((5, 4), np.float32),
    }
    assert {name: (a.shape, a.dtype) for name, a in batch.items()} == expected
    assert batch["masked_weights"].all() and batch["attention_mask"].all()
    chosen = np.zeros(rows.shape, bool)
    np.put_along_axis(chosen, batch["masked_positions"], True, axis=1)
    np.testing.assert_array_equal(chosen.sum(axis=1), 4)  # all different
    np.testing.assert_array_equal(batch["input_ids"][~chosen], rows[~chosen])
    labels = np.take_along_axis(rows, batch["masked_positions"], axis=1)
    np.testing.assert_array_equal(batch["masked_labels"], labels)


def test_special_tokens_and_unknown_words_are_never_targets():
    rows = text_rows(200, 16, 50)
    strange = np.random.default_rng(3).random(rows.shape) < 0.5
    rows[strange] = np.random.default_rng(4).integers(UNK, MASK + 1, strange.sum())
    batch = mask(rows, 50, probability=0.5)
    valid = batch["masked_weights"] > 0
    assert (batch["masked_labels"][valid] > MASK).all()
    changed = batch["input_ids"] != rows
    assert (rows[changed] > MASK).all()
    # A row's number of targets follows its candidates.
    candidates = (rows > MASK).sum(axis=1)
    expected = np.minimum(np.maximum(np.rint(0.5 * candidates), 1), candidates)
    np.testing.assert_array_equal(valid.sum(axis=1), expected)


def test_padding_and_rows_without_candidates_weigh_nothing():
    rows = np.full((4, 20), PAD, np.int32)
    rows[1, :2] = CLS, SEP
    rows[2, :3] = CLS, UNK, SEP
    rows[3, :3] = CLS, FIRST, SEP
    batch = mask(rows, 30, keep=0.0, random=0.0)
    assert batch["masked_weights"].sum(axis=1).tolist() == [0, 0, 0, 1]
    np.testing.assert_array_equal(batch["input_ids"][:3], rows[:3])
    assert batch["input_ids"][3].tolist() == [CLS, MASK, SEP] + [PAD] * 17
    np.testing.assert_array_equal(batch["attention_mask"], rows != PAD)
    assert batch["masked_positions"][3].tolist() == [1, 0, 0]
    assert batch["masked_labels"][3].tolist() == [FIRST, CLS, CLS]
    assert (batch["masked_labels"] < 30).all() and (batch["masked_labels"] >= 0).all()


def test_80_10_10():
    vocabulary = 5000
    rows = text_rows(2000, 128, vocabulary)
    batch = mask(rows, vocabulary)
    shown = np.take_along_axis(batch["input_ids"], batch["masked_positions"], axis=1)
    labels = batch["masked_labels"]
    n = labels.size
    assert n == 2000 * 19
    shares = {"mask": shown == MASK, "keep": shown == labels}
    shares["random"] = ~shares["mask"] & ~shares["keep"]
    for name, expected in {"mask": 0.8, "keep": 0.1, "random": 0.1}.items():
        deviation = np.sqrt(expected * (1 - expected) / n)
        assert abs(shares[name].mean() - expected) < 5 * deviation, name
    strangers = shown[shares["random"]]
    assert strangers.min() >= FIRST  # neither special nor unused
    assert len(np.unique(strangers)) > 0.4 * vocabulary
    assert abs(strangers.mean() - (FIRST + vocabulary) / 2) < 5 * vocabulary / np.sqrt(12 * n / 10)
    # Every place of a row is chosen alike.
    places = np.bincount(batch["masked_positions"].ravel(), minlength=128)[1:-1]
    expected = n / 126
    assert abs(places - expected).max() < 5 * np.sqrt(expected)


@pytest.mark.parametrize("share", ["keep", "random"])
def test_shares_can_be_extreme(share):
    rows = text_rows(50, 32, 1000)
    batch = mask(rows, 1000, **{"keep": 0.0, "random": 0.0, share: 1.0})
    shown = np.take_along_axis(batch["input_ids"], batch["masked_positions"], axis=1)
    assert (shown != MASK).all()
    assert ((shown == batch["masked_labels"]).mean() > 0.9) == (share == "keep")


def exact_inclusion(weights, draws):
    """Chance of each item to be among `draws` drawn one by one without replacement."""
    chances = np.zeros(len(weights))
    for drawn in itertools.permutations(range(len(weights)), draws):
        left, chance = sum(weights), 1.0
        for item in drawn:
            chance *= weights[item] / left
            left -= weights[item]
        chances[list(drawn)] += chance
    return chances


def test_weighted_draws_follow_the_exact_law():
    weights = [1.0, 0.1, 3.0, 0.5, 2.0]
    rows = np.tile(np.array([[CLS, *range(FIRST, FIRST + 5), SEP]], np.int32), (60_000, 1))
    token_weights = np.ones(20)
    token_weights[FIRST : FIRST + 5] = weights
    batch = mask(rows, 20, probability=0.4, token_weights=token_weights)
    assert batch["masked_positions"].shape == (60_000, 2) and batch["masked_weights"].all()
    counts = np.bincount(batch["masked_labels"].ravel(), minlength=20)[FIRST : FIRST + 5]
    expected = exact_inclusion(weights, 2)
    deviation = np.sqrt(expected * (1 - expected) / 60_000)
    assert (abs(counts / 60_000 - expected) < 5 * deviation).all()
    first = np.bincount(batch["masked_labels"][:, 0], minlength=20)[FIRST : FIRST + 5] / 60_000
    np.testing.assert_allclose(first, np.array(weights) / sum(weights), atol=0.01)


def test_smoothing_makes_rare_tokens_more_frequent_targets():
    generator = np.random.default_rng(0)
    vocabulary = 200
    frequency = 1 / np.arange(1, vocabulary - FIRST + 1)  # Zipf
    rows = text_rows(3000, 64, vocabulary)
    rows[:, 1:-1] = generator.choice(
        np.arange(FIRST, vocabulary), (3000, 62), p=frequency / frequency.sum()
    )
    counts = np.bincount(rows[:, 1:-1].ravel(), minlength=vocabulary)
    rare = np.arange(vocabulary) > vocabulary // 2
    shares = []
    for smoothing in (0.0, 0.7, 1.0):
        batch = mask(rows, vocabulary, token_weights=smoothed_weights(counts, smoothing))
        shares.append(rare[batch["masked_labels"]].mean())
    natural = rare[rows[:, 1:-1]].mean()
    assert abs(shares[0] - natural) < 0.01
    assert shares[0] < 0.7 * shares[1] and shares[1] < shares[2]


def test_smoothed_weights():
    weights = smoothed_weights(np.array([0, 1, 16, 10**9]), 0.5)
    np.testing.assert_allclose(weights, [1, 1, 0.25, 10**-4.5], rtol=1e-12)
    np.testing.assert_array_equal(smoothed_weights(np.array([0, 5, 7]), 0), 1)


@pytest.mark.parametrize("length", [3, 4, 8])
def test_short_rows_have_one_target(length):
    batch = mask(text_rows(10, length, 50), 50)
    assert batch["masked_positions"].shape == (10, 1) and batch["masked_weights"].all()
