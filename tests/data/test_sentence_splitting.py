"""All sentences of running text: nothing is lost."""

import itertools

import numpy as np

from tfdistill.data.corpus import open_corpus
from tfdistill.data.sentence_splitting import MOST_CHARACTERS, all_sentences, sentences_of


def test_nothing_is_left_out():
    text = [
        "= A Heading =",
        "Mr. Darcy met J. Smith, who sank the ship in the storm of that",
        'dark night. "Was it so?" he asked. No.',
        "And a line that goes on in the next one, or would if",
        "= Another =",
        "他来了。「好！」他说。走吧！！好",
    ]
    assert list(all_sentences(text)) == [
        "= A Heading =",
        "Mr. Darcy met J. Smith, who sank the ship in the storm of that dark night.",
        '"Was it so?" he asked.',
        "No.",
        "And a line that goes on in the next one, or would if",
        "= Another =",
        *("他来了。", "「好！」", "他说。", "走吧！！", "好"),
    ]


def test_words_of_a_corpus_are_all_there_in_order():
    splits = open_corpus("sample").splits
    for one, two in zip(splits["validation"](), splits["validation"](), strict=True):
        words = [word for line in one for word in line.split()]
        sentences = list(all_sentences(two))
        assert [word for sentence in sentences for word in sentence.split()] == words
        assert len(sentences) > 2


def test_text_without_ends_is_cut():
    lines = ["ab " * 30] * 300
    found = list(all_sentences(lines))
    assert " ".join(found).split() == ["ab"] * 9000
    assert max(map(len, found)) <= MOST_CHARACTERS + 90
    # What was cut is no sentence to learn from; the next whole one is.
    tail = ["and an end. The whale swam."]
    assert list(sentences_of([*lines, *tail])) == ["The whale swam."]


def test_any_marks_lose_no_letter():
    generator = np.random.default_rng(0)
    marks = list("ab .!?…。！？\"'”)]A ") + ["Mr.", "= x ="]
    for _ in range(300):
        lines = ["".join(generator.choice(marks, size=generator.integers(1, 60))) for _ in range(4)]
        found = "".join(itertools.chain(*(each.split() for each in all_sentences(lines))))
        assert found == "".join(itertools.chain(*(line.split() for line in lines)))
