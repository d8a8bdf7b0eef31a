"""Sentences to learn from, and pairs to be measured on."""

import json
import re

import pytest

from tfdistill.data.corpus import Corpus
from tfdistill.data.labelled.examples import Reading
from tfdistill.data.labelled.sentences import as_sentences, open_sentences
from tfdistill.data.sentence_splitting import sentences_of
from tfdistill.system.errors import UserError

LINES = [f"the ship number {number} sank" for number in range(300)]
PAIRS = "sentence1\tsentence2\tscore\na ship sank\tthe ship number 7 sank\t4.5\na cat\ta dog\t1\n"


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        (tmp_path / name).write_text(text, "utf-8")
        return str(tmp_path / name)

    return write


def open_all(train="", validation="", test="", **more):
    return open_sentences({"train": train, "validation": validation, "test": test}, **more)


def test_a_sentence_a_line(write):
    text = "\n\n".join([*LINES, "a ship, with commas,\tand a tab", LINES[3]])
    data = open_all(write("sentences.txt", text))
    train, validation, test = (data.splits[name] for name in ("train", "validation", "test"))
    assert (len(train), len(validation), len(test)) == (241, 15, 15)
    held_out = [
        each for part in (validation, test) for pair in part for each in (pair.text, pair.pair)
    ]
    everything = sorted([each.text for each in train] + held_out)
    assert everything == sorted([*LINES, "a ship, with commas,\tand a tab"])
    assert all(each.pair is None and each.label is None for each in train)
    assert all(each.label is None for each in (*validation, *test))
    order = [
        LINES.index(each) for pair in validation for each in (pair.text, pair.pair) if each in LINES
    ]
    assert order == sorted(order)  # neighbours in the file
    assert "1 sentences that are there twice, left out" in data.notes
    assert "test: 15 pairs, whose scores are the teacher's cosines" in data.notes
    assert data.name == "sentences" and data.facts["cut_from_train"] == ["validation", "test"]
    turned = open_all(write("turned.txt", "\n".join(LINES[::-1] + text.split("\n")[-3:-2])))
    assert {each.text for each in turned.splits["train"]} == {each.text for each in train}


def test_given_pairs(write):
    sentences, pairs = write("s.txt", "\n".join(LINES)), write("pairs.tsv", PAIRS)
    data = open_all(sentences, validation=pairs)
    assert data.splits["test"] is data.splits["validation"] and len(data.splits["train"]) == 300
    assert [each.label for each in data.splits["test"]] == [4.5, 1.0]
    assert any("the validation pairs are the test split, too" in note for note in data.notes)
    assert "1 of 4 test texts are also in train: models are measured too well on them" in data.notes
    data = open_all(sentences, test=pairs)
    assert len(data.splits["validation"]) == 15 and len(data.splits["train"]) == 270
    without = write("without.csv", "text1,text2\na ship,a cat\na dog,a boat\n")
    data = open_all(sentences, validation=pairs, test=without)
    assert [each.label for each in data.splits["test"]] == [None, None]


def test_tables(write):
    rows = [{"body": line, "n": 1} for line in LINES]
    file = write("rows.jsonl", "\n".join(map(json.dumps, rows)))
    data = open_all(file, reading=Reading(text="body"))
    assert len(data.splits["train"]) == 240 and "text from 'body'" in data.notes[0]
    pairs = "text1,text2,label\n" + "\n".join(f"{line},{line} here,yes" for line in LINES)
    data = open_all(write("pairs.csv", pairs))  # labels that are no numbers
    assert len(data.splits["train"]) == 480
    data = open_all(write("named.txt", pairs), reading=Reading(format="csv"))
    assert len(data.splits["train"]) == 480
    scored = "text1,text2,score\n" + "\n".join(
        f"{line},{line} here,{number % 5}" for number, line in enumerate(LINES)
    )
    data = open_all(write("scored.csv", scored))  # its pairs are held out as pairs with scores
    assert [len(data.splits[name]) for name in ("train", "validation", "test")] == [480, 30, 30]
    assert data.splits["test"][0].label is not None
    assert as_sentences(data).splits["train"] == data.splits["train"]


@pytest.mark.parametrize("cell", ["", "NA"])
def test_a_first_score_that_is_no_number(write, cell):
    """The other pairs have scores, which are not thrown away for one that is wrong."""
    lines = [f"{line},{line} here,{number % 5}" for number, line in enumerate(LINES)]
    lines[0] = f"{LINES[0]},{LINES[1]},{cell}"
    file = write("scored.csv", "text1,text2,score\n" + "\n".join(lines))
    with pytest.raises(UserError, match="scored.csv:2: (no label|the label 'NA' is not a number)"):
        open_all(file)
    data = open_all(file, reading=Reading(skip_bad_rows=True))
    assert all(each.label is not None for each in data.splits["test"])


def test_sentences_of_a_corpus():
    lines = [f"Ship {number} sank here. It was a dark night." for number in range(40)]
    corpus = Corpus(
        "night", "", {s: lambda: iter([lines]) for s in ("train", "validation", "test")}, None
    )
    data = open_all(corpus=corpus, length=24)
    assert [each.text for each in data.splits["train"][:3]] == [
        "Ship 0 sank here.",
        "It was a dark night.",
        "Ship 1 sank here.",
    ]
    assert len(data.splits["train"]) == 41 and len(data.splits["validation"]) > 10


def test_running_text_is_split_at_its_marks():
    text = [
        "= A Heading =",
        "Mr. Darcy met J. Smith, who sank the ship in the storm of that",
        'dark night. "Was it so?" he asked. No.',
        "A short line without an end",
        "And the next one, said Dr. Who! And no end",
    ]
    assert list(sentences_of(text)) == [
        "Mr. Darcy met J. Smith, who sank the ship in the storm of that dark night.",
        '"Was it so?" he asked.',
        "A short line without an end",
        "And the next one, said Dr. Who!",
        "And no end",
    ]


@pytest.mark.parametrize(
    "names, match",
    [
        ({"train": "missing.txt"}, "`train_data`=.*no such file"),
        (
            {"train": "few.txt"},
            "`train_data`=.*20 sentences are too few to hold out pairs: give 200",
        ),
        (
            {"train": "s.txt", "test": "single.tsv"},
            "`test_data`=.*one text in a row.*text_pair_column",
        ),
        ({"train": "bad.csv"}, "bad.csv:3: no text"),
    ],
)
def test_wrong_input(write, tmp_path, names, match):
    write("few.txt", "\n".join(LINES[:20]))
    write("s.txt", "\n".join(LINES))
    write("single.tsv", "sentence\tscore\na ship\t1\na cat\t2\n")
    write("bad.csv", 'text,other\na ship,1\n"",2\n')
    with pytest.raises(UserError) as error:
        open_all(**{split: str(tmp_path / name) for split, name in names.items()})
    assert re.search(match, str(error.value.message)), error.value.message
