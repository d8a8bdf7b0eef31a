"""Answers of a teacher by example: order, storage, and tokenizers that differ."""

import os
import signal
import types

import numpy as np
import pytest

from tfdistill.data.labelled.answers import (
    ARRAY,
    AnswerParts,
    collect_logits,
    kept_answers,
    with_answers,
)
from tfdistill.data.labelled.batches import LabelledEvaluationBatches
from tfdistill.data.labelled.encoding import SECOND, SPECIAL
from tfdistill.data.labelled.sources import encode_classes, encode_spans, encode_tags
from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.system.errors import UserError
from tfdistill.system.stopping import Stopped

LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = "the whale sank a ship unquestionably off nantucket".split()


@pytest.fixture(scope="module")
def spelling(tmp_path_factory):
    """A tokenizer that cuts words into letters."""
    folder = tmp_path_factory.mktemp("letters")
    tokens = [
        *"[PAD] [UNK] [CLS] [SEP] [MASK]".split(),
        *LETTERS,
        *(f"##{letter}" for letter in LETTERS),
    ]
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens), "utf-8")
    return load_tokenizer(str(folder))


def classes(count=30):
    generator = np.random.default_rng(0)
    return [
        types.SimpleNamespace(
            text=" ".join(generator.choice(WORDS, generator.integers(1, 9))),
            pair=None,
            label="x",
            origin="",
        )
        for _ in range(count)
    ]


def sums(batch):
    """Logits that tell what a model saw: the sum of the ids of each row, and their number."""
    return np.stack([batch["input_ids"].sum(axis=1), batch["attention_mask"].sum(axis=1)], axis=1)


def ids_and_places(batch):
    """Logits that tell what a model saw at each token."""
    places = np.broadcast_to(np.arange(batch["input_ids"].shape[1]), batch["input_ids"].shape)
    return np.stack([batch["input_ids"], places], axis=-1)


@pytest.fixture
def no_parts(tmp_path):
    return AnswerParts(tmp_path / "none")


def test_answers_of_rows_are_in_order_whatever_the_tokenizer(tokenizer, spelling, no_parts):
    student = encode_classes(classes(), tokenizer, 32, ("x",))
    teacher = encode_classes(classes(), spelling, 64, ("x",)).with_lengths((16, 32, 64))
    logits = collect_logits(sums, teacher, no_parts)
    assert logits[:, 1].tolist() == teacher.tokens.tolist() and logits.dtype == np.float32
    found = with_answers(student, teacher, logits)
    batch = found.gather(np.array([7, -1, 2]))
    assert batch["cached/logits"].tolist() == [logits[7].tolist(), [0, 0], logits[2].tolist()]
    assert "cached/answered" not in batch and "cached/logits" not in student.gather([0])


def test_answers_of_tags_go_from_first_piece_to_first_piece(tokenizer, spelling, no_parts):
    rows = [WORDS, ["the", "\u200b", "whale"], ["unquestionably"] * 3]
    rows = [types.SimpleNamespace(words=tuple(w), tags=("O",) * len(w), origin="") for w in rows]
    student = encode_tags(rows, tokenizer, 32, ("O",))
    teacher = encode_tags(rows, spelling, 32, ("O",))
    logits = collect_logits(ids_and_places, teacher, no_parts)
    batch = with_answers(student, teacher, logits).gather(np.arange(3))
    words = [np.full(batch["input_ids"].shape[1], -1) for _ in rows]
    for row in range(3):
        tokens = slice(student.texts.bounds[row], student.texts.bounds[row + 1])
        words[row][: student.tokens[row]] = student.texts.words[tokens]
    for row, example in enumerate(rows):
        for place in np.flatnonzero(batch["label_weights"][row]):
            word = example.words[words[row][place]]
            letter, at = batch["cached/logits"][row, place]
            if batch["cached/answered"][row, place]:
                assert spelling.id_to_token(int(letter)) == word[0]
                of_teacher = teacher.texts.words[teacher.texts.bounds[row] + int(at)]
                assert of_teacher == words[row][place]
    # 14 letters are a word: the teacher's row of 30 tokens holds the beginnings of three.
    assert batch["cached/answered"][2].sum() == 3
    assert batch["cached/answered"][0].sum() < batch["label_weights"][0].sum()
    assert not batch["cached/answered"][batch["label_weights"] == 0].any()


CONTEXT = "the whale sank a ship . unquestionably , off nantucket it was . " * 3


@pytest.fixture(scope="module")
def spans(tokenizer, spelling):
    """The same questions with whole words and with letters, in other windows."""
    rows = [
        types.SimpleNamespace(question="what sank ?", context=CONTEXT, answers=(("whale", 4),)),
        types.SimpleNamespace(question="who ?", context="a whale", answers=()),
    ]
    return encode_spans(rows, tokenizer, 24, 6), encode_spans(rows, spelling, 64, 20)


def characters_of(source):
    """Logits that tell the characters of each token: its beginning and its end."""
    flat = source.texts.characters.astype(np.float32)
    flat[source.texts.sides == SPECIAL] = -1
    return flat


@pytest.mark.parametrize("student_is_finer", [False, True])
def test_answers_of_spans_go_by_characters(spans, student_is_finer):
    student, teacher = spans[::-1] if student_is_finer else spans
    found = with_answers(student, teacher, characters_of(teacher))
    batch = found.gather(np.arange(len(found)))
    answered, compared = batch["cached/answered"] > 0, 0
    for row in range(len(found)):
        texts = slice(student.texts.bounds[row], student.texts.bounds[row + 1])
        sides, own = student.texts.sides[texts], student.texts.characters[texts]
        for place in range(len(own)):
            start, end = batch["cached/logits"][row, place]
            if sides[place] == SPECIAL:
                assert answered[row, place] and start == end == -1
            elif answered[row, place] and sides[place] == SECOND:
                compared += 1
                first, last = own[place]
                if student_is_finer:  # the word that holds the letter
                    assert start <= first and last <= end and CONTEXT[int(start)] != " "
                else:  # the word's first letter, and its last
                    assert (start, end) == (first, last)
        assert not answered[row, len(own) :].any()
    assert compared > 100 or not student_is_finer
    share = answered.sum() / batch["attention_mask"].sum()
    assert 0.5 < share <= 1.0


def test_equal_tokenizers_have_equal_answers(spans, tokenizer):
    for source in spans:
        logits = np.random.default_rng(0).normal(size=(len(source.texts.ids), 2))
        batch = with_answers(source, source, logits.astype(np.float32)).gather(np.arange(3))
        assert batch["cached/answered"].tolist() == batch["attention_mask"].tolist()
        flat = batch["cached/logits"][batch["attention_mask"] > 0]
        np.testing.assert_array_equal(flat, logits[: len(flat)].astype(np.float32))


def test_answers_by_token_are_in_order(spans, no_parts):
    source = spans[1].with_lengths((16, 32, 64))
    logits = collect_logits(ids_and_places, source, no_parts)
    np.testing.assert_array_equal(logits[:, 0], source.texts.ids)
    assert not logits[source.texts.bounds[:-1], 1].any()


def test_answers_are_computed_once(tmp_path):
    calls = []

    def compute(_):
        calls.append(1)
        return np.arange(6.0).reshape(3, 2)

    for _ in range(2):
        found = kept_answers(tmp_path / "kept", {"teacher": "a", "length": 8}, compute)
        assert found.tolist() == [[0, 1], [2, 3], [4, 5]] and found.dtype == np.float32
    assert len(calls) == 1
    kept_answers(tmp_path / "kept", {"teacher": "b", "length": 8}, compute)
    assert len(calls) == 2


@pytest.mark.parametrize("damage", [lambda content: content[:-4], lambda content: content + b"0"])
def test_damaged_answers_are_computed_again(tmp_path, damage):
    kept_answers(tmp_path, {"teacher": "a"}, lambda _: np.ones((3, 2)))
    (path,) = tmp_path.glob("*/logits.npy")
    path.write_bytes(damage(path.read_bytes()))
    found = kept_answers(tmp_path, {"teacher": "a"}, lambda _: np.zeros((3, 2)))
    assert found.tolist() == [[0, 0]] * 3


@pytest.mark.parametrize("kind", ["rows", "tokens"])
def test_stopped_answers_go_on(kind, tokenizer, spans, tmp_path):
    """A batch is computed once, unless the file that holds it is damaged."""
    if kind == "rows":
        source, logits_of = encode_classes(classes(), tokenizer, 32, ("x",)), sums
    else:
        source, logits_of = spans[1], ids_and_places
    source = source.with_lengths((16, 32, 64))
    parts, calls = tmp_path / "parts", []
    whole = collect_logits(logits_of, source, AnswerParts(tmp_path / "none"))
    assert not (tmp_path / "none").exists()  # it took less than the time between two files

    def stopped(batch):
        calls.append(1)
        os.kill(os.getpid(), signal.SIGINT)
        return logits_of(batch)

    for _ in range(2):
        with pytest.raises(Stopped):
            collect_logits(stopped, source, AnswerParts(parts))
    assert len(calls) == 2 and len(list(parts.iterdir())) == 2

    def counted(batch):
        calls.append(1)
        return logits_of(batch)

    found = collect_logits(counted, source, AnswerParts(parts))
    np.testing.assert_array_equal(found, whole)
    batches = len(LabelledEvaluationBatches(source))
    assert len(calls) == batches
    second = sorted(parts.iterdir())[1]
    second.write_bytes(second.read_bytes()[:-1] + b"?")
    np.testing.assert_array_equal(collect_logits(counted, source, AnswerParts(parts)), whole)
    assert len(calls) == batches + batches - 1


def test_sources_of_other_examples_are_refused(tokenizer):
    one, other = (encode_classes(classes(count), tokenizer, 32, ("x",)) for count in (3, 4))
    with pytest.raises(ValueError, match="different numbers of examples"):
        with_answers(one, other, np.zeros((4, 2), np.float32))


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_answers_that_are_no_numbers_are_neither_stored_nor_used(tmp_path, wrong):
    bad, good = np.array([[1, wrong]], np.float32), np.array([[1, 2]], np.float32)
    with pytest.raises(UserError, match="teacher: its logits are NaN or infinite"):
        kept_answers(tmp_path, {}, lambda _: bad)
    assert not list(tmp_path.glob(f"*/{ARRAY}"))
    kept_answers(tmp_path, {}, lambda _: good)
    (file,) = tmp_path.glob(f"*/{ARRAY}")
    np.save(file, bad)
    for compute in (lambda _: good, None):  # stored again
        assert kept_answers(tmp_path, {}, compute).tolist() == good.tolist()
