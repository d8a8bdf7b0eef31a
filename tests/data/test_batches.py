"""Rows of a shard, and batches as pure functions of their number."""

import dataclasses
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from tfdistill import recipes
from tfdistill.command_line.run_config import RunConfig
from tfdistill.data.batches import EvaluationBatches, TrainingBatches
from tfdistill.data.corpus import open_corpus
from tfdistill.data.masking import evaluation_masking, training_masking
from tfdistill.data.pipeline import as_dataset, taken_ahead
from tfdistill.data.rows import Rows
from tfdistill.data.shards import Shard, prepare
from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.run import plan
from tfdistill.system.errors import UserError


def shard_of(stream):
    stream = np.array(stream, np.uint16)
    return Shard(stream, np.zeros(1, np.int64), np.bincount(stream, minlength=30522))


def numbered_rows(tokenizer, count, length=8):
    """Rows whose tokens are all different: row i holds 1000 + i * (length - 2) and so on."""
    return Rows(shard_of(1000 + np.arange(count * (length - 2))), length, tokenizer)


def training(rows, batch_size, seed, draws_per_row=0, **options):
    """Masked training batches; the options are those of `training_masking`."""
    masking = training_masking(rows, **options)
    return TrainingBatches(rows, batch_size, seed, masking, draws_per_row)


def evaluation(rows, batch_size, **options):
    return EvaluationBatches(rows, batch_size, evaluation_masking(rows), **options)


def row_numbers(rows, batch):
    """Numbers of the rows in a batch of `numbered_rows`, from unmasked tokens and labels."""
    ids = batch["input_ids"].copy()
    np.put_along_axis(ids, batch["masked_positions"], batch["masked_labels"], axis=1)
    return (ids[:, 1] - 1000) // (rows.length - 2)


@pytest.fixture(scope="module")
def sample(tokenizer, tmp_path_factory):
    return prepare(open_corpus("sample"), tokenizer, tmp_path_factory.mktemp("shards"))


def same(a, b):
    return all(np.array_equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("tokens", [1, 5, 6, 7, 12, 100])
def test_rows_hold_the_stream_exactly_once(tokenizer, tokens):
    stream = 1000 + np.arange(tokens)
    rows = Rows(shard_of(stream), 8, tokenizer)
    assert len(rows) == -(-tokens // 6)
    gathered = rows.gather(np.arange(len(rows)))
    assert gathered.dtype == np.int32 and gathered.shape == (len(rows), 8)
    assert (gathered[:, 0] == tokenizer.cls_id).all()
    special = np.isin(gathered, tokenizer.special_ids)
    np.testing.assert_array_equal(gathered[~special], stream)
    assert ((gathered == tokenizer.sep_id).sum(axis=1) == 1).all()
    last = gathered[-1][gathered[-1] != tokenizer.pad_id]
    assert last[-1] == tokenizer.sep_id and len(last) == (tokens - 1) % 6 + 3
    np.testing.assert_array_equal(rows.gather(np.array([0, 0])), gathered[[0, 0]])
    assert (rows.gather(np.array([0, -1]))[1] == tokenizer.pad_id).all()


def test_rows_of_the_sample_are_its_text(sample, tokenizer):
    shard = sample.shard("validation")
    rows = Rows(shard, 128, tokenizer)
    gathered = rows.gather(np.arange(len(rows)))
    body = gathered[:, 1:-1].ravel()[: len(shard.ids)]
    np.testing.assert_array_equal(body, shard.ids)
    assert (gathered[:-1, -1] == tokenizer.sep_id).all()


@pytest.mark.parametrize("count, batch_size", [(10, 4), (7, 7), (3, 8), (64, 16)])
def test_every_row_once_an_epoch(tokenizer, count, batch_size):
    rows = numbered_rows(tokenizer, count)
    batches = training(rows, batch_size, seed=3)
    assert batches.steps_per_epoch == -(-count // batch_size)
    numbers = np.concatenate([row_numbers(rows, batches.at(step)) for step in range(3 * count)])
    epochs = numbers[: len(numbers) // count * count].reshape(-1, count)
    np.testing.assert_array_equal(np.sort(epochs), np.tile(np.arange(count), (len(epochs), 1)))
    if count > 3:
        assert len({tuple(epoch) for epoch in epochs[:5]}) == 5  # a new order each time


@pytest.mark.parametrize("whole_words", [False, True])
def test_a_batch_depends_on_seed_and_step_alone(sample, tokenizer, whole_words):
    rows = Rows(sample.shard("train"), 32, tokenizer)
    options = dict(smoothing=0.7, whole_words=whole_words)
    batches = training(rows, 8, seed=3, **options)
    far = 5 * batches.steps_per_epoch + 1
    forward = {step: batches.at(step) for step in (0, 1, 2, far)}
    fresh = training(rows, 8, seed=3, **options)
    for step in (far, 2, 0, 1):
        assert same(fresh.at(step), forward[step])
    assert not same(forward[0], forward[1])
    other = training(rows, 8, seed=4, **options)
    assert not same(other.at(0), forward[0])


def test_masks_are_drawn_anew_each_epoch(tokenizer):
    rows = numbered_rows(tokenizer, 1, length=64)
    batches = training(rows, 1, seed=0)
    chosen = {tuple(sorted(batches.at(step)["masked_positions"][0])) for step in range(20)}
    assert len(chosen) == 20


def test_masks_and_orders_do_not_share_their_randomness(tokenizer):
    rows = numbered_rows(tokenizer, 1000)
    a, b = (training(rows, 1000, seed=seed).at(0) for seed in (0, 1))
    assert (row_numbers(rows, a) == row_numbers(rows, b)).mean() < 0.01


def test_smoothing_reaches_the_batches(sample, tokenizer):
    rows = Rows(sample.shard("train"), 128, tokenizer)
    counts = sample.shard("train").counts
    frequencies = []
    for smoothing in (0.0, 0.7):
        batches = training(rows, 64, seed=0, smoothing=smoothing)
        labels = np.concatenate([batches.at(step)["masked_labels"].ravel() for step in range(10)])
        frequencies.append(np.median(counts[labels]))
    assert frequencies[1] < 0.5 * frequencies[0]


@pytest.mark.parametrize("smoothing", [0.0, 0.7])
def test_whole_words_of_the_sample(sample, tokenizer, smoothing):
    rows = Rows(sample.shard("train"), 128, tokenizer)
    options = dict(seed=0, smoothing=smoothing)
    single = training(rows, 64, **options)
    whole = training(rows, 64, whole_words=True, **options)
    tokens = masked = several = 0
    for step in range(5):
        batch = whole.at(step)
        chosen = np.zeros(batch["input_ids"].shape, bool)
        np.put_along_axis(chosen, batch["masked_positions"], batch["masked_weights"] > 0, axis=1)
        restored = batch["input_ids"].copy()
        np.put_along_axis(restored, batch["masked_positions"], batch["masked_labels"], axis=1)
        alone = single.at(step)
        before = alone["input_ids"].copy()
        np.put_along_axis(before, alone["masked_positions"], alone["masked_labels"], axis=1)
        np.testing.assert_array_equal(restored, before)  # the same rows in the same order
        inside = tokenizer.ids.continues[restored[:, 2:]] & (restored[:, 1:-1] > 103)
        np.testing.assert_array_equal(chosen[:, 2:][inside], chosen[:, 1:-1][inside])
        assert (batch["masked_weights"].sum(axis=1) <= alone["masked_weights"].sum(axis=1)).all()
        tokens += tokenizer.ids.predictable[restored].sum()
        masked += chosen.sum()
        several += chosen[:, 2:][inside].sum()
    assert abs(masked / tokens - 0.15) < 0.002
    assert several > 100


def test_whole_words_need_pieces(tmp_path):
    tokens = [*"[PAD] [UNK] [CLS] [SEP] [MASK]".split(), *"abc"]
    (tmp_path / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens))
    config = RunConfig(length=16, whole_word_masking=True)
    recipe = recipes.get(config.recipe, **dataclasses.asdict(config))
    with pytest.raises(UserError, match="^whole_word_masking .*leave it out$"):
        plan.make_plan(config, recipe, [], load_tokenizer(str(tmp_path)))


def test_evaluation_masks_every_chosen_position_and_pads_the_last_batch(sample, tokenizer):
    rows = Rows(sample.shard("test"), 64, tokenizer)
    batches = evaluation(rows, 50)
    everything = list(batches)
    assert len(batches) == len(everything) == -(-len(rows) // 50)
    seen = []
    for batch in everything:
        shown = np.take_along_axis(batch["input_ids"], batch["masked_positions"], axis=1)
        valid = batch["masked_weights"] > 0
        assert (shown[valid] == tokenizer.mask_id).all()
        restored = batch["input_ids"].copy()
        np.put_along_axis(restored, batch["masked_positions"], batch["masked_labels"], axis=1)
        seen.append(restored)
    seen = np.concatenate(seen)
    np.testing.assert_array_equal(seen[: len(rows)], rows.gather(np.arange(len(rows))))
    assert len(rows) % 50 and (seen[len(rows) :] == tokenizer.pad_id).all()
    filled = len(rows) % 50
    last = everything[-1]
    assert not last["attention_mask"][filled:].any() and not last["masked_weights"][filled:].any()
    assert last["masked_weights"][: filled - 1].any(axis=1).all()


@pytest.mark.parametrize("length", [16, 30, 63])
def test_evaluation_masks_do_not_depend_on_the_batch_size(sample, tokenizer, length):
    rows = Rows(sample.shard("test"), length, tokenizer)
    parts = []
    for batch_size in (7, 32):
        batches = evaluation(rows, batch_size)
        first = [batches.at(number) for number in range(-(-64 // batch_size))]
        parts.append({name: np.concatenate([b[name] for b in first])[:64] for name in first[0]})
    assert same(*parts)
    assert not same(evaluation(rows, 7).at(0), evaluation(rows, 7, seed=1).at(0))


def test_a_corpus_of_one_token(tokenizer):
    rows = Rows(shard_of([1996, tokenizer.sep_id]), 16, tokenizer)
    batch = training(rows, 4, seed=0).at(2)
    assert (batch["masked_labels"][batch["masked_weights"] > 0] == 1996).all()
    assert batch["masked_weights"].sum(axis=1).tolist() == [1, 1, 1, 1]
    assert batch["attention_mask"].sum(axis=1).tolist() == [4, 4, 4, 4]


@pytest.mark.parametrize("kind", [TrainingBatches, EvaluationBatches])
def test_a_dataset_gives_the_same_batches(sample, tokenizer, kind):
    rows = Rows(sample.shard("validation"), 32, tokenizer)
    batches = kind(rows, 8, seed=5, transform=training_masking(rows))
    dataset = as_dataset(batches, 3, 9)
    for name, spec in dataset.element_spec.items():
        assert spec.shape.is_fully_defined() and spec.dtype == batches.at(0)[name].dtype
        assert spec.shape == batches.at(0)[name].shape
    found = list(dataset.as_numpy_iterator())
    assert len(found) == 6
    for number, batch in zip(range(3, 9), found, strict=True):
        assert same(batch, batches.at(number))


def test_the_next_batch_is_made_meanwhile_and_no_batch_twice(tokenizer):
    batches = training(numbered_rows(tokenizer, 10), 4, seed=0)
    made, make = [], batches.at
    second = threading.Event()

    def at(number):
        made.append(number)
        if number == 1:
            second.set()
        return make(number)

    batches.at = at
    iterator = as_dataset(batches, 0, 4).as_numpy_iterator()
    next(iterator)
    assert second.wait(30)  # it has not been requested
    assert len(list(iterator)) == 3 and made == [0, 1, 2, 3]


def test_batches_taken_ahead_are_those_of_the_iterator():
    taken = threading.Event()

    def numbers():
        for number in range(5):
            if number == 1:
                taken.set()
            yield number

    batches = taken_ahead(numbers())
    assert next(batches) == 0
    assert taken.wait(30)  # it has not been requested
    assert list(batches) == [1, 2, 3, 4] and list(taken_ahead(iter([]))) == []


def test_an_error_ahead_is_raised_when_its_batch_is_requested():
    batches = taken_ahead(iter([10, 5, 0][i] // (2 - i) for i in range(3)))
    assert [next(batches), next(batches)] == [5, 5]
    with pytest.raises(ZeroDivisionError):
        next(batches)


ABANDONED = """
import numpy as np
from tfdistill.data.batches import TrainingBatches
from tfdistill.data.masking import evaluation_masking, training_masking
from tfdistill.data.pipeline import as_dataset, taken_ahead
from tfdistill.data.rows import Rows
from tfdistill.data.shards import Shard
from tfdistill.data.tokenizer import load_tokenizer

stream = np.random.default_rng(0).integers(1000, 30000, 600_000).astype(np.uint16)
rows = Rows(Shard(stream, None, None), 128, load_tokenizer())
# Large batches: when the process ends the next one is still being made.
batches = TrainingBatches(rows, 8192, 0, training_masking(rows))
iterator = WAY(iter(as_dataset(batches, 0, 1000)))
print(len(next(iterator)), flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("way", ["iter", "taken_ahead"])
def test_a_process_ends_with_datasets_half_read(way):
    process = subprocess.run(
        [sys.executable, "-c", ABANDONED.replace("WAY", way)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert process.returncode == 0 and process.stdout == "5\n"
    assert "RuntimeError" not in process.stderr


# -- draws that depend on the row, for cached outputs of teachers


def by_row(rows, batch):
    """dict of (row, its ids) to its labels."""
    return {
        (int(number), tuple(ids)): tuple(labels)
        for number, ids, labels in zip(
            row_numbers(rows, batch), batch["input_ids"], batch["masked_labels"], strict=True
        )
    }


@pytest.mark.parametrize("whole_words, smoothing", [(False, 0.0), (True, 0.7)])
def test_a_rows_mask_depends_on_its_number_and_epoch_alone(tokenizer, whole_words, smoothing):
    rows = numbered_rows(tokenizer, 12, length=16)
    options = dict(draws_per_row=2, whole_words=whole_words, smoothing=smoothing)
    one, other = (training(rows, s, seed, **options) for s, seed in ((4, 0), (6, 9)))

    def epoch(batches, number):
        count = 12 // batches.batch_size
        found = {}
        for step in range(number * count, (number + 1) * count):
            found |= by_row(rows, batches.at(step))
        return found

    first, second = epoch(one, 0), epoch(one, 1)
    assert len(first) == 12 and epoch(other, 0) == first == epoch(one, 2)
    assert epoch(other, 1) == second and len(set(first) & set(second)) < 3
    assert list(row_numbers(rows, one.at(0))) != list(row_numbers(rows, one.at(6)))


def test_masks_of_rows_are_those_of_any_mask(tokenizer):
    """15 % of the tokens, 80 % of these [MASK]; the same alone and in a batch."""
    rows = numbered_rows(tokenizer, 200, length=128)
    batches = training(rows, 200, 0, draws_per_row=3)
    whole = batches.with_row_draws(np.arange(200), np.full(200, 2))
    chosen = whole["masked_weights"].sum()
    assert chosen == 200 * 19
    shown = np.take_along_axis(whole["input_ids"], whole["masked_positions"], axis=1)
    assert 0.77 < (shown == tokenizer.mask_id).mean() < 0.83
    alone = batches.with_row_draws(np.array([17]), np.array([2]))
    assert all(np.array_equal(alone[name][0], whole[name][17]) for name in whole)
