"""Encoded examples: labels, lengths, rows of padding, and batches."""

import functools
import itertools
import json
import types

import numpy as np
import pytest

from tfdistill.data.labelled.batches import (
    LabelledBatches,
    LabelledEvaluationBatches,
    rows_of_lengths,
)
from tfdistill.data.labelled.bucket_lengths import choose_lengths
from tfdistill.data.labelled.encoding import SECOND
from tfdistill.data.labelled.sources import (
    encode_classes,
    encode_numbers,
    encode_spans,
    encode_splits,
    encode_tags,
)
from tfdistill.system.errors import UserError


def text(text, label=None, pair=None):
    return types.SimpleNamespace(text=text, pair=pair, label=label, origin="a.csv:7")


def tagged(words, tags):
    return types.SimpleNamespace(words=tuple(words), tags=tags, origin="a.conll:7")


def question(context, *answers):
    return types.SimpleNamespace(question="what is it ?", context=context, answers=answers)


def examples(count=200, seed=0):
    generator = np.random.default_rng(seed)
    return [
        text("a " * generator.integers(1, 60), generator.choice(["no", "yes"]))
        for _ in range(count)
    ]


@pytest.fixture(scope="module")
def source(tokenizer):
    return encode_classes(examples(), tokenizer, 48, ("no", "yes"))


# -- lengths


def best_by_trying(tokens, count):
    """The least number of computed tokens with so many lengths."""
    candidates = range(8, -(-max(tokens) // 8) * 8 + 1, 8)
    costs = []
    for lengths in itertools.combinations(candidates, count):
        if lengths[-1] >= max(tokens):
            placed = np.searchsorted(lengths, tokens)
            costs.append(sum(n * ((placed == i).sum() + 16) for i, n in enumerate(lengths)))
    return min(costs)


def test_lengths_leave_the_least_padding():
    tokens = np.random.default_rng(0).lognormal(3, 0.6, 500).astype(int) % 90 + 3
    lengths = choose_lengths(tokens, 128)
    assert 2 <= len(lengths) <= 4 and all(length % 8 == 0 for length in lengths)
    assert lengths[-1] >= tokens.max() > lengths[-1] - 8
    placed = np.searchsorted(lengths, tokens)
    cost = sum(n * ((placed == i).sum() + 16) for i, n in enumerate(lengths))
    assert cost == best_by_trying(tokens, len(lengths))


@pytest.mark.parametrize(
    "tokens, longest, expected",
    [([20] * 100, 128, (24,)), ([5, 50], 50, (50,)), ([], 64, (64,)), ([3], 5, (5,))],
)
def test_one_length(tokens, longest, expected):
    assert choose_lengths(tokens, longest) == expected


def test_short_and_long_examples_have_lengths_of_their_own():
    assert choose_lengths([8] * 1000 + [64] * 200, 64) == (8, 64)


def test_splits_have_the_same_lengths(tokenizer):
    encode = functools.partial(encode_classes, tokenizer=tokenizer, length=48, labels=("no", "yes"))
    splits = {"train": examples(), "test": examples(5, seed=1), "validation": []}
    found = encode_splits(encode, splits)
    assert {each.lengths for each in found.values()} == {found["train"].lengths}
    assert len(found["validation"]) == 0 and found["test"].facts["examples"] == 5


# -- labels


def test_classes(source):
    batch = source.gather(np.array([3, -1, 0]))
    labels = [("no", "yes").index(examples()[i].label) for i in (3, 0)]
    assert batch["labels"].tolist() == [labels[0], 0, labels[1]]
    assert batch["label_weights"].tolist() == [1, 0, 1]
    assert batch["labels"].dtype == batch["input_ids"].dtype == np.int32
    assert batch["label_weights"].dtype == np.float32 and "token_type_ids" not in batch
    assert source.facts["cut"] == sum(len(each.text) > 2 * 46 for each in examples())


def test_a_row_is_padded_to_the_smallest_length(source, tokenizer):
    assert len(source.lengths) > 1
    for row in range(len(source)):
        batch = source.gather(np.array([row]))
        (length,) = {array.shape[1] for array in batch.values() if array.ndim == 2}
        assert length == source.lengths[source.buckets[row]] >= source.tokens[row]
        real = batch["attention_mask"][0] > 0
        assert real.sum() == source.tokens[row] and (np.diff(real.astype(int)) <= 0).all()
        assert (batch["input_ids"][0][~real] == tokenizer.pad_id).all()
        assert batch["input_ids"][0][real][-1] == tokenizer.sep_id
    nothing = source.gather(np.array([-1, -1]))
    assert nothing["attention_mask"].shape == (2, source.lengths[0])
    assert not nothing["attention_mask"].any()


def test_pairs_numbers_and_unknown_labels(tokenizer):
    found = encode_numbers([text("a", 2.5, "b c"), text("d", None, "e")], tokenizer, 16)
    batch = found.gather(np.arange(2))
    assert batch["token_type_ids"].tolist() == [[0, 0, 0, 1, 1, 1, 0, 0], [0, 0, 0, 1, 1, 0, 0, 0]]
    assert batch["labels"].tolist() == [2.5, 0.0] and batch["labels"].dtype == np.float32
    assert batch["label_weights"].tolist() == [1, 0]
    with pytest.raises(UserError, match="a.csv:7: the label 'maybe' is none of .*: no, yes"):
        encode_classes([text("a", "maybe")], tokenizer, 16, ("no", "yes"))


def test_tags_stand_at_first_pieces(tokenizer):
    long = ["unquestionably"] * 2
    sentences = [
        tagged(["Off", "unquestionably", "Nantucket"], ("O", "O", "B-X")),
        tagged(long * 3, ("B-X",) * 6),
        tagged(["a"], None),
    ]
    found = encode_tags(sentences, tokenizer, 9, ("B-X", "O"))
    batch = found.gather(np.arange(3))
    tokens = [[tokenizer.id_to_token(i) for i in row] for row in batch["input_ids"]]
    for row, weights in zip(tokens, batch["label_weights"], strict=True):
        first = [not each.startswith(("##", "[")) for each in row]
        assert weights.tolist() == (first if row is not tokens[2] else [0.0] * len(row))
    assert batch["labels"][0][batch["label_weights"][0] > 0].tolist() == [1, 1, 0]
    kept = sum(not each.startswith(("##", "[")) for each in tokens[1])
    assert found.facts["words"] == 10 and found.facts["words_cut"] == 6 - kept > 0
    assert batch["labels"].dtype == np.int32 and batch["label_weights"].dtype == np.float32


def answer_text(source, row, labels, contexts):
    tokens = slice(source.texts.bounds[row], source.texts.bounds[row + 1])
    places = source.texts.characters[tokens]
    assert (source.texts.sides[tokens][labels] == SECOND).all()
    return contexts[source.texts.examples[row]][places[labels[0], 0] : places[labels[1], 1]]


def test_spans(tokenizer):
    context = "It sank . " + "the sea is wide " * 12 + "Captain Ahab , he said , was gone ."
    contexts = [context, "a b c", "Ahab's ship"]
    where = context.index(" Ahab")
    rows = [
        question(context, ("sank", 3), (" Ahab ", where)),
        question("a b c"),  # without an answer
        question("Ahab's ship", ("Ahab", 0)),
    ]
    found = encode_spans(rows, tokenizer, 24, 4)
    batch = found.gather(np.arange(len(found)))
    windows = found.texts.examples
    answers = [set(), set(), set()]
    for row, labels in enumerate(batch["labels"]):
        if labels.any():
            answers[windows[row]].add(answer_text(found, row, labels, contexts))
    assert answers == [{"sank", "Ahab"}, set(), {"Ahab"}]
    assert (batch["label_weights"] == 1).all() and found.facts["answers_lost"] == 0
    assert found.facts["windows"] == len(found) > 5 and found.facts["examples"] == 3


@pytest.mark.parametrize("length, stride", [(384, 128), (64, 20)])
def test_answers_of_published_questions(tokenizer, shared_data, length, stride):
    """Of SQuAD's English questions in XQuAD: the tokens of each answer hold its text."""
    articles = json.loads((shared_data / "xquad" / "xquad.en.json").read_text("utf-8"))["data"]
    rows = [
        types.SimpleNamespace(
            question=qa["question"],
            context=paragraph["context"],
            answers=tuple((each["text"], each["answer_start"]) for each in qa["answers"]),
        )
        for paragraph in articles[0]["paragraphs"] + articles[-1]["paragraphs"]
        for qa in paragraph["qas"]
    ]
    found = encode_spans(rows, tokenizer, length, stride)
    contexts, held = [row.context for row in rows], set()
    labels = found.row_array("labels")
    for row in np.flatnonzero(labels.any(axis=1)):
        example = found.texts.examples[row]
        text = answer_text(found, row, labels[row], contexts)
        answer = rows[example].answers[0][0]
        assert answer.strip() in text and len(text) < len(answer) + 12  # whole pieces
        held.add(example)
    assert len(held) + found.facts["answers_lost"] == len(rows) > 40
    assert found.facts["answers_lost"] <= 0.05 * len(rows)
    assert length < 384 or found.facts["answers_lost"] == 0


def test_answers_that_no_window_holds(tokenizer):
    context = "the sea is wide " * 12
    found = encode_spans(
        [question(context, (context.strip(), 0)), question("a b", ("a", 0))], tokenizer, 24, 4
    )
    batch = found.gather(np.arange(len(found)))
    lost = found.texts.examples == 0
    assert found.facts["answers_lost"] == 1
    assert not batch["label_weights"][lost].any() and not batch["labels"][lost].any()
    assert batch["label_weights"][~lost].all()


# -- batches


def test_training_batches(source):
    rows = rows_of_lengths(source.lengths, 6)
    batches = LabelledBatches(source, rows, seed=3)
    signature = batches.signature()
    shapes = set()
    for step in range(batches.steps_per_epoch):
        batch = batches.at(step)
        shapes.add(batch["input_ids"].shape)
        assert batch.keys() == signature.keys()
        for name, array in batch.items():
            shape, dtype = signature[name]
            assert array.dtype == dtype and len(shape) == array.ndim
            assert all(a in (None, b) for a, b in zip(shape, array.shape, strict=True))
    assert shapes == {(6, length) for length in source.lengths}
    assert signature["input_ids"][0] == (6, None) and signature["labels"][0] == (6,)
    again = LabelledBatches(source, rows, seed=3).at(4)
    assert all(np.array_equal(again[name], array) for name, array in batches.at(4).items())


@pytest.mark.parametrize(
    "options, expected",
    [
        ({}, (32, 32)),
        ({"tokens_per_batch": 640}, (40, 10)),
        ({"tokens_per_batch": 640, "multiple": 4}, (40, 8)),
        ({"tokens_per_batch": 40}, (2, 1)),
        ({"tokens_per_batch": 40, "multiple": 4}, (4, 4)),
    ],
)
def test_rows_of_a_batch(options, expected):
    assert rows_of_lengths((16, 64), 32, **options) == expected


def test_evaluation_batches_name_their_examples(source):
    for tokens in (None, 100):
        batches = LabelledEvaluationBatches(source, tokens)
        seen = []
        for batch in batches:
            real = batch["example"] >= 0
            expected = source.gather(batch["example"], batch["input_ids"].shape[1])
            assert all(np.array_equal(batch[name], expected[name]) for name in expected)
            assert (batch["label_weights"] > 0).tolist() == real.tolist()
            seen += batch["example"][real].tolist()
        assert sorted(seen) == list(range(len(source))) and len(batches) == len(list(batches))
    lengths = [batch["input_ids"].shape[1] for batch in batches]
    assert lengths == sorted(lengths) and set(lengths) == set(source.lengths)


def test_the_digest_depends_on_texts_and_labels(source, tokenizer):
    def digest(rows, length=48):
        return encode_classes(rows, tokenizer, length, ("no", "yes")).digest()

    rows = examples()
    assert digest(rows) == source.digest() == source.with_lengths((48,)).digest()
    rows[0].label = {"no": "yes", "yes": "no"}[rows[0].label]
    assert digest(rows) != source.digest() and digest(examples(), 40) != source.digest()
