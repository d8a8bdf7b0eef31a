"""The rules of the distilled BiLSTM: their law by enumeration, and a plain reference."""

import collections
import itertools
from fractions import Fraction

import numpy as np
import pytest

from tfdistill.data.augmentation.variants import vary_examples
from tfdistill.data.augmentation.word_rules import (
    Rules,
    drawn_by_rules,
    rewrite,
    words_by_tag,
    words_in,
)
from tfdistill.data.labelled.examples import TaggedExample, TextExample
from tfdistill.data.random_streams import AUGMENTATION, open_stream
from tfdistill.data.text_tokenizer import HIDDEN

TAGS = {"red": "J", "blue": "J", "ship": "N", "sea": "N", "boat": "N", "sails": "V"}


def tags_of(words):
    return [TAGS.get(word, "?") for word in words]


def centres(count):
    return [(i + 0.5) / count for i in range(count)]


@pytest.mark.parametrize("ngrams", ["kept", "masked"])
def test_each_variant_has_its_probability(ngrams):
    """Every cell of a grid of equal cells is drawn once, which is the law itself.

    Of two words, an n-gram has one word with 1/5, from either place alike, and both with 4/5.
    """
    text = "red ship."
    words, alike = words_in("red ship", tags_of), {"J": ["blue", "red"], "N": ["sea"]}
    rules = Rules(mask=0.2, same_tag=0.2, ngram=0.5, ngrams=ngrams)
    of_words = itertools.product(itertools.product(centres(5), centres(2)), repeat=2)
    of_ngram = list(itertools.product(centres(2), centres(5), centres(2)))
    found = collections.Counter(
        rewrite(text, words, alike, np.array(draws), np.array(ngram), rules)
        for draws in of_words
        for ngram in of_ngram
    )
    fifth = Fraction(1, 5)
    first = {HIDDEN: fifth, "blue": fifth / 2, "red": 3 * fifth + fifth / 2}
    second = {HIDDEN: fifth, "sea": fifth, "ship": 3 * fifth}
    law = collections.Counter()
    for (one, p), (two, q) in itertools.product(first.items(), second.items()):
        law[f"{one} {two}."] += p * q / 2
        part = p * q / 2 * fifth / 2
        whole = p * q / 2 * 4 * fifth
        if ngrams == "kept":
            law[one] += part
            law[f"{two}."] += part
            law[f"{one} {two}."] += whole
        else:
            law[f"{HIDDEN} {two}."] += part
            law[f"{one} {HIDDEN}."] += part
            law[f"{HIDDEN} {HIDDEN}."] += whole
    assert sum(law.values()) == 1
    cells = 10**2 * len(of_ngram)
    assert {text: Fraction(n, cells) for text, n in found.items()} == law


def test_ngrams_have_one_to_five_words_and_begin_anywhere():
    text = "a b c d e f g"
    words, rules = words_in(text), Rules(ngram=1.0)
    none = np.ones((7, 2)) * 0.99
    found = collections.Counter(
        rewrite(text, words, {}, none, np.array([0.0, *each]), rules)
        for each in itertools.product(centres(5), centres(420))
    )
    letters = text.split()
    for length in range(1, 6):
        starts = range(7 - length + 1)
        for start in starts:
            part = " ".join(letters[start : start + length])
            assert found.pop(part) == 420 // len(starts)
    assert not found


def test_words_are_found_with_punctuation_and_their_frequencies():
    text = 'The well-known "sea" isn\'t 9.5.'
    found = [text[word.start : word.end] for word in words_in(text)]
    assert found == ["The", "well-known", '"', "sea", '"', "isn't", "9.5", "."]
    assert words_in("") == [] == words_in("  ")
    texts = ["red ship", "sea, ship"]
    alike = words_by_tag({text: words_in(text, tags_of) for text in texts})
    assert alike == {"J": ["red"], "N": ["ship", "sea", "ship"], "?": [","]}


def reference(texts, row, rules, alike):
    """The paper's loop in plain Python, for texts of words between blanks."""
    streams = [open_stream(AUGMENTATION, rules.seed, row, row=side) for side in range(len(texts))]
    for number in range(rules.variants):
        changed = list(texts)
        turns = [[0], [1], [0, 1]] if len(texts) == 2 else [[0]]
        for side in turns[number % len(turns)]:
            words = []
            own = texts[side].split(" ")
            draws = streams[side].random((len(own), 2))
            for word, (what, which) in zip(own, draws, strict=True):
                if what < rules.mask:
                    words.append(HIDDEN)
                elif what < rules.mask + rules.same_tag:
                    others = alike[TAGS[word]]
                    words.append(others[int(which * len(others))])
                else:
                    words.append(word)
            whether, length, start = streams[side].random(3)
            if whether < rules.ngram:
                n = min(1 + int(5 * length), len(words))
                first = int(start * (len(words) - n + 1))
                words = words[first : first + n]
            changed[side] = " ".join(words)
        yield tuple(changed)


@pytest.mark.parametrize("pair", [None, "blue sea sails"])
def test_examples_are_varied_as_by_the_paper(pair):
    """Of a pair the first text, then the second, then both."""
    examples = [TextExample("red ship sails", pair, "x"), TextExample("sea sails boat", pair, "y")]
    rules = Rules(variants=12, seed=4, mask=0.2, same_tag=0.3)
    texts = [text for each in examples for text in (each.text, each.pair) if text]
    words_of = {text: words_in(text, tags_of) for text in texts}
    found = vary_examples(examples, drawn_by_rules(words_of, rules), [], rules)
    alike, known = words_by_tag(words_of), {(each.text, each.pair) for each in examples}
    expected = []
    for row, example in enumerate(examples):
        own = (example.text,) if pair is None else (example.text, example.pair)
        for variant in reference(own, row, rules, alike):
            variant = (*variant, None)[:2]
            if variant not in known:
                known.add(variant)
                expected.append((*variant, row))
    given = [(e.text, e.pair, row) for e, row in zip(found.examples, found.rows, strict=True)]
    assert given == expected and len(expected) > 12
    assert all(each.label is None for each in found.examples)


def test_sentences_of_words_may_become_shorter():
    """They lose their tags; a sentence with a blank inside a word has no variant."""
    tagged = TaggedExample(("red", "ship", "sails"), ("O", "B-X", "O"))
    odd = TaggedExample(("red ship", "sails"), ("O", "O"))
    rules = Rules(variants=30, ngram=0.5)
    words_of = {"red ship sails": words_in("red ship sails", tags_of)}
    found = vary_examples([tagged, odd], drawn_by_rules(words_of, rules), [], rules)
    assert set(found.rows) == {0} and all(each.tags is None for each in found.examples)
    assert {len(each.words) for each in found.examples} == {1, 2, 3}
    assert any(HIDDEN in each.words for each in found.examples)


def test_no_variant_of_held_out_data():
    """Neither text of a pair that was varied twice."""
    examples = [TextExample("red ship", "sea", "x")]
    words_of = {text: words_in(text, tags_of) for text in ("red ship", "sea")}
    held_out = [TextExample("Red")]
    rules = Rules(variants=90, ngram=1.0, mask=0.0, same_tag=0.0)
    found = vary_examples(examples, drawn_by_rules(words_of, rules), held_out, rules)
    assert {(each.text, each.pair) for each in found.examples} == {("ship", "sea")}
    assert found.held_out > 0


def test_parts_of_speech_by_textblob():
    pytest.importorskip("textblob")
    from tfdistill.data.augmentation.word_tags import load_tagger

    tags = load_tagger()
    assert tags("the quick ships sail slowly .".split()) == ["DT", "JJ", "NNS", "VB", "RB", "."]
    assert tags([]) == []
