"""Pairs of segments: the laws of their draws, counted exactly on tiny texts."""

import collections
import itertools
import types

import numpy as np
import pytest

from tfdistill.data.batches import TrainingBatches
from tfdistill.data.masking import Masking
from tfdistill.data.random_streams import RowStreams, open_stream
from tfdistill.data.sentence_pairs import (
    DRAWS,
    LABELS,
    NEXT,
    OTHER,
    SPECIAL,
    WEIGHTS,
    HeldOutPairs,
    PairedRows,
    PairTransform,
    SentencePairs,
    stretches,
)
from tfdistill.data.shards import Shard
from tfdistill.data.tokenizer import TokenIds
from tfdistill.system.errors import UserError

PAD, CLS, SEP, MASK, UNK, FIRST = 0, 1, 2, 3, 4, 10


class Given:
    """Draws that are given, in place of a generator's."""

    def __init__(self, draws):
        self._draws = np.asarray(draws, np.float64)

    def random(self, size):
        assert self._draws.shape == tuple(size)
        return self._draws


@pytest.fixture(scope="module")
def tokenizer():
    special = np.arange(2000) < FIRST
    ids = TokenIds(
        cls=CLS,
        sep=SEP,
        pad=PAD,
        mask=MASK,
        unk=UNK,
        predictable=~special,
        ordinary=np.flatnonzero(~special),
        continues=np.zeros(2000, bool),
    )
    return types.SimpleNamespace(ids=ids)


def shard_of(documents):
    """A shard of documents, lists of the sizes of their sentences; every token is another one."""
    ids, offsets, sentences, token = [], [], [], FIRST
    for document in documents:
        offsets.append(len(ids))
        for size in document:
            sentences.append(len(ids))
            ids += range(token, token + size)
            token += size
        ids.append(SEP)
    counts = np.bincount(ids, minlength=2000)
    arrays = (np.array(each, np.int64) for each in (offsets, sentences))
    offsets, sentences = arrays
    return Shard(np.array(ids, np.uint16), offsets, counts, sentences)


def pairs_of(documents, length, tokenizer):
    return PairedRows(shard_of(documents), length, tokenizer).pairs


def segments(batch, row):
    """The ids of A and B in a row, read by the token types and the attention mask alone."""
    ids, types_ = batch["input_ids"][row], batch["token_type_ids"][row]
    real = ids != PAD
    first, second = ids[real & (types_ == 0)], ids[real & (types_ == 1)]
    assert first[0] == CLS and first[-1] == SEP and second[-1] == SEP
    np.testing.assert_array_equal(ids[: real.sum()], [*first, *second])  # padding is at the end
    assert not types_[~real].any()
    return first[1:-1].tolist(), second[:-1].tolist()


def draws_on_a_grid(options):
    """All draws whose numbers lie in the middle of `options` equal parts of 0 to 1 each."""
    axes = [(np.arange(n) + 0.5) / n for n in options]
    return list(itertools.product(*axes))


def by_hand(document, most):
    """Sizes of the stretches of a document, a list of sizes of sentences, token by token."""
    ends = set(np.cumsum(document).tolist())
    total, begin, found = sum(document), 0, []
    while total - begin > 1:
        inside = [
            place for place in range(begin + 1, min(begin + most, total) + 1) if place in ends
        ]
        stop = min(begin + most, total)
        if stop < total and len(inside) > 1:
            stop = inside[-1]
        if total - stop == 1:
            stop -= 1
        found.append(stop - begin)
        begin = stop
    return found


@pytest.mark.parametrize("most", [5, 6, 9, 13])
def test_stretches_are_those_made_token_by_token(most):
    generator = np.random.default_rng(most)
    documents = [generator.integers(1, 9, generator.integers(1, 9)).tolist() for _ in range(200)]
    documents += [[1], [2], [3], [most], [most + 1], [most, 1], [1] * (most + 1), [3 * most + 1]]
    shard = shard_of(documents)
    ends = np.append(shard.offsets[1:], len(shard.ids)) - 1
    bounds = np.stack([shard.offsets, ends], axis=1)
    found = stretches(bounds, shard.sentences, most)
    for number, document in enumerate(documents):
        sizes = found[found[:, 0] == number]
        assert (sizes[:, 2] - sizes[:, 1]).tolist() == by_hand(document, most), document


@pytest.mark.parametrize("length", [8, 12, 21])
def test_every_token_is_in_one_pair_of_neighbours(length, tokenizer):
    """No token is lost at the ends of stretches, segments or documents."""
    generator = np.random.default_rng(length)
    documents = [generator.integers(1, 12, generator.integers(1, 7)).tolist() for _ in range(40)]
    documents[3] = [1]  # of one token: no two segments can be made of it
    pairs = pairs_of(documents, length, tokenizer)
    draws = np.column_stack([np.zeros(len(pairs)), generator.random((len(pairs), DRAWS - 1))])
    batch = pairs.draw(np.arange(len(pairs)), Given(draws))
    assert (batch[LABELS] == NEXT).all()
    found = []
    for row in range(len(pairs)):
        first, second = segments(batch, row)
        assert first and second and len(first) + len(second) <= length - SPECIAL
        found += first + second
    shard = shard_of(documents)
    alone = shard.ids[shard.offsets[3]]
    assert found == [token for token in shard.ids.tolist() if token not in (SEP, alone)]


def test_laws_of_the_pairs_by_counting_all_draws(tokenizer):
    """Labels half and half, every sentence end, other document and beginning equally often."""
    documents = [[2, 3, 1, 2], [3, 3], [4], [1, 1, 2]]
    pairs = pairs_of(documents, 16, tokenizer)  # 13 tokens: every document is one stretch
    shard = shard_of(documents)
    text = [range(a, b) for a, b in itertools.pairwise([*shard.offsets, len(shard.ids)])]
    tokens = [shard.ids[part][:-1].tolist() for part in text]
    assert pairs.bounds.tolist() == [[part[0], part[-1]] for part in text]
    starts = [np.cumsum([0, *sizes[:-1]]).tolist() for sizes in documents]
    grid = draws_on_a_grid((2, 6, 3, 12))  # multiples of all numbers of choices
    for number, own in enumerate(tokens):
        batch = pairs.draw(np.full(len(grid), number), Given(grid))
        assert np.bincount(batch[LABELS]).tolist() == [len(grid) / 2] * 2
        ends, beginnings = collections.Counter(), collections.Counter()
        for row in range(len(grid)):
            first, second = segments(batch, row)
            assert first == own[: len(first)] and second
            ends[len(first)] += 1
            if batch[LABELS][row] == NEXT:
                assert first + second == own
                continue
            assert not set(second) & set(own)
            (other,) = (n for n, found in enumerate(tokens) if second[0] in found)
            place = tokens[other].index(second[0])
            assert second == tokens[other][place : place + len(second)]
            beginnings[other, place] += 1
        inside = starts[number][1:] or [len(own) // 2]
        assert ends == dict.fromkeys(inside, len(grid) / len(inside))
        expected = {
            (other, place): len(grid) / 2 / 3 / len(starts[other])
            for other in range(4)
            if other != number
            for place in starts[other]
        }
        assert beginnings == expected


def test_other_segments_end_at_a_sentence_or_fill_the_row(tokenizer):
    documents = [[2, 2], [3, 4, 9, 2]]
    pairs = pairs_of(documents, 13, tokenizer)  # 10 tokens, of which A has 2
    shard = shard_of(documents)
    other = shard.ids[shard.offsets[1] : -1].tolist()
    draws = [(0.9, 0.0, 0.0, (place + 0.5) / 4) for place in range(4)]
    batch = pairs.draw(np.zeros(4, np.int64), Given(draws))
    found = [segments(batch, row)[1] for row in range(4)]
    # Two sentences fit in 8 tokens; of the second and the third, the second; a part; the last.
    assert found == [other[:7], other[3:7], other[7:15], other[16:]]


def test_draws_depend_on_seed_and_step_alone(tokenizer):
    documents = np.random.default_rng(0).integers(1, 9, (30, 6)).tolist()
    pairs = pairs_of(documents, 20, tokenizer)
    masking = PairTransform(pairs, Masking(tokenizer.ids))
    batches, again = (TrainingBatches(pairs, 8, 5, masking) for _ in range(2))
    for step in (7, 0, 3):
        first, second = batches.at(step), again.at(step)
        assert first.keys() == second.keys()
        for name, array in first.items():
            np.testing.assert_array_equal(array, second[name])
    other = TrainingBatches(pairs, 8, 6, masking).at(7)
    assert (other["input_ids"] != batches.at(7)["input_ids"]).any()
    labels = np.concatenate([batches.at(step)[LABELS] for step in range(200)])
    assert abs(labels.mean() - 0.5) < 3 * 0.5 / np.sqrt(len(labels))

    # With a stream for each row, as a teacher cache has them, the other rows do not matter.
    def row_streams(rows):
        return RowStreams([open_stream(3, 1, 0, row=row) for row in rows])

    whole = masking(np.arange(6), row_streams(range(6)))
    part = masking(np.array([4, 2]), row_streams([4, 2]))
    for name, array in part.items():
        np.testing.assert_array_equal(array, whole[name][[4, 2]])


def test_padding_and_special_tokens_are_never_predicted(tokenizer):
    documents = [[2, 2], [3, 1, 1], [1, 1], [9, 9, 9]]
    pairs = pairs_of(documents, 24, tokenizer)
    batch = PairTransform(pairs, Masking(tokenizer.ids, keep=0.0, random=0.0))(
        np.tile(np.arange(len(pairs)), 50), np.random.default_rng(1)
    )
    mask, weights = batch["attention_mask"], batch["masked_weights"]
    np.testing.assert_array_equal(mask, batch["input_ids"] != PAD)
    assert mask.sum(axis=1).min() < 10  # there is padding
    valid = weights > 0
    assert (batch["masked_labels"][valid] >= FIRST).all()
    rows, _ = np.nonzero(valid)
    places = batch["masked_positions"][valid]
    assert (batch["input_ids"][rows, places] == MASK).all()
    # 15 % of the tokens of the two segments, rounded, at least one.
    tokens = mask.sum(axis=1) - SPECIAL
    np.testing.assert_array_equal(weights.sum(axis=1), np.maximum(np.rint(0.15 * tokens), 1))
    assert weights.dtype == np.float32 and batch[WEIGHTS].tolist() == [1.0] * len(mask)


def test_held_out_pairs_are_the_same_in_batches_of_every_size(tokenizer):
    documents = np.random.default_rng(2).integers(1, 9, (9, 5)).tolist()
    pairs = pairs_of(documents, 16, tokenizer)

    def all_of(size):
        batches = HeldOutPairs(pairs, size, seed=3)
        found = [batches.at(number) for number in range(len(batches))]
        assert all(each["input_ids"].shape == (size, 16) for each in found)
        joined = {name: np.concatenate([each[name] for each in found]) for name in found[0]}
        assert joined[WEIGHTS].tolist() == [1.0] * len(pairs) + [0.0] * (-len(pairs) % size)
        assert not joined["attention_mask"][len(pairs) :].any()
        return {name: array[: len(pairs)] for name, array in joined.items()}

    whole = all_of(len(pairs))
    assert set(whole[LABELS].tolist()) == {NEXT, OTHER}
    for size in (1, 4):
        for name, array in all_of(size).items():
            np.testing.assert_array_equal(array, whole[name])


def test_digest_tells_texts_and_boundaries_apart(tokenizer):
    texts = [[[2, 3], [4]], [[3, 2], [4]], [[2, 3, 4], [1]]]
    digests = {pairs_of(text, length, tokenizer).digest() for text in texts for length in (8, 9)}
    assert len(digests) == 6
    assert pairs_of(texts[0], 8, tokenizer).digest() in digests


@pytest.mark.parametrize(
    "documents, length, words",
    [
        ([[5, 5]], 16, "fewer than two: give more documents"),
        ([[5, 5], [5]], 7, "`length`=7: `nsp` needs rows of at least 8"),
    ],
)
def test_text_without_pairs_is_refused(documents, length, words, tokenizer):
    with pytest.raises(UserError) as error:
        SentencePairs(shard_of(documents), length, types.SimpleNamespace(ids=None, counts=None))
    assert words in error.value.message and "\n" not in error.value.message
