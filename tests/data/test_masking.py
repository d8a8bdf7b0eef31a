"""The tokens that are chosen, and their replacements."""

import itertools

import numpy as np
import pytest

from tfdistill.data.masking import Masking, smoothed_weights
from tfdistill.data.tokenizer import TokenIds

PAD, UNK, CLS, SEP, MASK, UNUSED, FIRST = range(7)


def token_ids(vocabulary, pieces=0):
    """The ids of a vocabulary whose last `pieces` continue words."""
    predictable = np.arange(vocabulary) > MASK
    ordinary = np.arange(FIRST, vocabulary, dtype="i4")
    continues = np.arange(vocabulary) >= vocabulary - pieces
    return TokenIds(PAD, UNK, CLS, SEP, MASK, predictable, ordinary, continues)


def text_rows(batch, length, vocabulary, seed=0):
    rows = np.random.default_rng(seed).integers(FIRST, vocabulary, (batch, length), np.int32)
    rows[:, 0], rows[:, -1] = CLS, SEP
    return rows


def mask(rows, vocabulary, seed=1, probability=0.15, pieces=0, **options):
    masking = Masking(token_ids(vocabulary, pieces), probability, **options)
    return masking(rows, np.random.default_rng(seed))


def test_shapes_types_and_unchanged_tokens():
    rows = text_rows(5, 32, 100)
    before = rows.copy()
    batch = mask(rows, 100)
    np.testing.assert_array_equal(rows, before)
    assert Masking(token_ids(100), 0.15).masked_per_row(32) == 4
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
    """Probability that an item is among `draws` drawn one by one without replacement."""
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


def test_known_masks():
    rows = np.full((2, 14), PAD, np.int32)
    rows[0] = [CLS, *range(10, 22), SEP]
    rows[1, :8] = CLS, 30, 31, UNK, 32, 33, 34, SEP
    batch = mask(rows, 60, seed=5, probability=0.5, pieces=40)
    assert batch["masked_positions"].tolist() == [[7, 8, 4, 11, 3, 5], [5, 2, 0, 0, 0, 0]]
    assert batch["masked_weights"].sum(axis=1).tolist() == [6, 2]
    assert batch["input_ids"].tolist() == [
        [CLS, 10, 11, MASK, MASK, MASK, 15, MASK, 30, 18, 19, 49, 21, SEP],
        [CLS, 30, MASK, UNK, 32, MASK, 34, SEP, PAD, PAD, PAD, PAD, PAD, PAD],
    ]
    weights = 1 / np.arange(1, 61)
    batch = mask(rows, 60, seed=5, probability=0.5, pieces=40, token_weights=weights)
    assert batch["masked_positions"].tolist() == [[4, 7, 8, 3, 11, 5], [5, 2, 0, 0, 0, 0]]


# -- whole words: of 60 ids, the last 20 continue a word

VOCABULARY, PIECES = 60, 20
WORD, PIECE = FIRST, VOCABULARY - PIECES


def mask_words(rows, seed=1, **options):
    return mask(rows, VOCABULARY, seed, pieces=PIECES, whole_words=True, **options)


def rows_of_pieces(batch, length, pieces, seed):
    """Rows, a share `pieces` of whose tokens continue a word, some with [UNK], [SEP], padding."""
    generator = np.random.default_rng(seed)
    rows = generator.integers(WORD, PIECE, (batch, length), np.int32)
    inside = generator.random(rows.shape) < pieces
    rows[inside] = generator.integers(PIECE, VOCABULARY, inside.sum())
    strange = generator.random(rows.shape) < 0.05
    rows[strange] = generator.choice([UNK, SEP], strange.sum())
    rows[:, 0], rows[:, -1] = CLS, SEP
    end = np.where(generator.random(batch) < 0.3, generator.integers(1, length, batch), length)
    rows[np.arange(length) >= end[:, None]] = PAD
    return rows


def words_of(row):
    """The words of a row, as lists of places."""
    words = []
    for place, token in enumerate(row):
        if token >= PIECE and words and words[-1][-1] == place - 1:
            words[-1].append(place)
        elif token > MASK:
            words.append([place])
    return words


def fill_one_by_one(row, times, probability, token_weights=None):
    """The places chosen in a row, in order: words as drawn, if they fit."""
    words, tokens = words_of(row), sum(map(len, words_of(row)))
    budget = min(max(round(probability * tokens), 1), tokens)

    def rings(word):
        if token_weights is None:
            return times[word[0]]
        return -np.log(1 - times[word[0]]) / np.mean(token_weights[row[word]])

    words.sort(key=rings)
    chosen = []
    for word in words:
        if len(chosen) + len(word) <= budget:
            chosen += word
    return chosen or sum(words[:1], [])[:budget]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("length", [3, 8, 31, 128])
@pytest.mark.parametrize("pieces", [0.1, 0.5, 0.9])
def test_words_are_filled_in_as_one_by_one(length, pieces, weighted):
    token_weights = np.random.default_rng(9).random(VOCABULARY) + 0.01 if weighted else None
    for seed, probability in enumerate([0.15, 0.4, 0.9]):
        rows = rows_of_pieces(100, length, pieces, seed)
        batch = mask_words(rows, seed, probability=probability, token_weights=token_weights)
        times = np.random.default_rng(seed).random(rows.shape)
        for row, time, places, weights in zip(
            rows, times, batch["masked_positions"], batch["masked_weights"], strict=True
        ):
            expected = fill_one_by_one(row, time, probability, token_weights)
            assert places[weights > 0].tolist() == expected
            assert not weights[len(expected) :].any() and not places[len(expected) :].any()


def test_words_are_masked_whole_or_not_at_all():
    rows = rows_of_pieces(500, 64, 0.4, seed=0)
    before = rows.copy()
    batch = mask_words(rows, keep=0.0, random=0.0)
    np.testing.assert_array_equal(rows, before)
    hidden = batch["input_ids"] == MASK
    available = (rows > MASK).sum(axis=1)
    budget = np.minimum(np.maximum(np.rint(0.15 * available), 1), available)
    np.testing.assert_array_equal(hidden.sum(axis=1), batch["masked_weights"].sum(axis=1))
    assert (hidden.sum(axis=1) <= budget).all()
    np.testing.assert_array_equal(hidden.any(axis=1), available > 0)
    assert hidden.sum() > 0.98 * budget.sum()
    assert (rows[hidden] > MASK).all()
    whole = 0
    for row, hides, most in zip(rows, hidden, budget, strict=True):
        words = words_of(row)
        if min(map(len, words), default=0) <= most:
            assert all(len(set(hides[word])) == 1 for word in words)
            whole += 1
    assert whole > 480


def test_words_of_one_piece_are_masked_as_tokens():
    rows = rows_of_pieces(300, 64, 0.0, seed=0)
    for token_weights in (None, np.random.default_rng(2).random(VOCABULARY) + 0.01):
        whole = mask_words(rows, token_weights=token_weights)
        single = mask(rows, VOCABULARY, token_weights=token_weights)
        for name in single:
            np.testing.assert_array_equal(whole[name], single[name])


def always(row, **options):
    """The sets of places of a row that are masked in 200 draws."""
    batch = mask_words(np.tile(np.array([row], np.int32), (200, 1)), **options)
    found = zip(batch["masked_positions"], batch["masked_weights"] > 0, strict=True)
    return {tuple(sorted(places[valid].tolist())) for places, valid in found}


def test_a_row_may_begin_within_a_word():
    row = [CLS, PIECE, PIECE + 1, WORD, PIECE, SEP]
    assert always(row, probability=0.5) == {(1, 2), (3, 4)}


@pytest.mark.parametrize("wall", [UNK, SEP, CLS, MASK])
def test_words_end_at_special_tokens(wall):
    row = [CLS, WORD, PIECE, wall, PIECE, PIECE, SEP, PAD]
    assert always(row, probability=0.5) == {(1, 2), (4, 5)}
    assert always([CLS, wall, PIECE, wall, wall, SEP]) == {(2,)}


def test_rows_do_not_run_into_each_other():
    rows = np.array([[CLS, *[WORD] * 4, PIECE], [CLS, *[PIECE] * 5]] * 200, np.int32)
    batch = mask_words(rows, probability=0.4)
    assert batch["masked_weights"].all()
    places = np.sort(batch["masked_positions"], axis=1)
    assert {*map(tuple, places[::2].tolist())} == {(1, 2), (1, 3), (2, 3), (4, 5)}
    assert {*map(tuple, places[1::2].tolist())} == {(1, 2)}


def test_a_row_without_a_word_that_fits_has_one_cut():
    assert always([CLS, WORD, PIECE, PIECE, SEP, PAD, PAD]) == {(1,)}
    row = [CLS, WORD, PIECE, PIECE, UNK, PIECE, PIECE, PIECE, SEP]
    assert always(row, probability=0.3) == {(1, 2), (5, 6)}


def test_shorter_words_fill_what_is_left():
    row = [CLS, WORD, PIECE, PIECE, WORD, WORD, PIECE, SEP]
    assert always(row, probability=0.5) == {(1, 2, 3), (4, 5, 6)}


def test_rows_without_words_weigh_nothing():
    rows = np.full((3, 20), PAD, np.int32)
    rows[1, :3] = CLS, UNK, SEP
    rows[2, :3] = CLS, PIECE, SEP
    batch = mask_words(rows, keep=0.0, random=0.0)
    assert batch["masked_weights"].sum(axis=1).tolist() == [0, 0, 1]
    np.testing.assert_array_equal(batch["input_ids"][:2], rows[:2])
    assert batch["input_ids"][2].tolist() == [CLS, MASK, SEP] + [PAD] * 17
    assert batch["masked_labels"].tolist() == [[PAD] * 3, [CLS] * 3, [PIECE, CLS, CLS]]


def test_a_words_weight_is_the_mean_of_its_pieces():
    row = [CLS, WORD, PIECE, WORD + 1, PIECE + 1, WORD + 2, SEP]
    token_weights = np.ones(VOCABULARY)
    token_weights[[WORD, PIECE, WORD + 1, PIECE + 1, WORD + 2]] = 0.2, 0.6, 3.0, 1.0, 0.6
    rows = np.tile(np.array([row], np.int32), (60_000, 1))
    batch = mask_words(rows, probability=0.4, token_weights=token_weights)
    first = np.bincount(batch["masked_positions"][:, 0], minlength=7) / 60_000
    # The last word leaves one token, which no other word fits.
    expected = np.array([0, 0.4, 0, 2.0, 0, 0.6, 0]) / 3.0
    np.testing.assert_allclose(first, expected, atol=0.01)
    np.testing.assert_array_equal(
        batch["masked_weights"].sum(axis=1), np.where(batch["masked_positions"][:, 0] == 5, 1, 2)
    )


def test_the_pieces_of_a_word_are_replaced_one_by_one():
    row = [CLS, *[WORD, PIECE] * 10, SEP]
    batch = mask_words(np.tile(np.array([row], np.int32), (5000, 1)), probability=0.5)
    shown = np.take_along_axis(batch["input_ids"], batch["masked_positions"], axis=1)
    masked = (shown == MASK).reshape(-1, 2)  # the two pieces of a word
    n = len(masked)
    assert n == 25_000
    for both, expected in {0: 0.04, 1: 0.32, 2: 0.64}.items():
        deviation = np.sqrt(expected * (1 - expected) / n)
        assert abs((masked.sum(axis=1) == both).mean() - expected) < 5 * deviation
