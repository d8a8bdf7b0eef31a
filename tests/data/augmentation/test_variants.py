"""Variants of texts: their probabilities by enumeration, a plain reference, and which are kept."""

import collections
import itertools
from fractions import Fraction

import numpy as np
import pytest

from tfdistill.data.augmentation.places import Place
from tfdistill.data.augmentation.variants import (
    Replacement,
    drawn_by_replacement,
    vary,
    vary_examples,
)
from tfdistill.data.labelled.examples import TaggedExample, TextExample
from tfdistill.data.random_streams import AUGMENTATION, open_stream

CANDIDATES = {"red": ("blue", "green"), "ship": ("boat", "whale", "plank")}


def places_of(text):
    found, start = [], 0
    for word in text.split(" "):
        found.append(Place(start, start + len(word), CANDIDATES.get(word.lower(), ())))
        start += len(word) + 1
    return found


def varied(examples, held_out=(), **law):
    law = Replacement(**law)
    return vary_examples(examples, drawn_by_replacement(places_of, law), held_out, law)


def test_each_variant_has_its_probability():
    """Every cell of a grid of equal cells is drawn once, which is the law itself: a word is
    replaced with p = 2/5, by each of its candidates alike; words are independent."""
    text = "a red ship"
    places = [place for place in places_of(text) if place.candidates]
    cells = [(i + 0.5) / 5 for i in range(5)], [(i + 0.5) / 6 for i in range(6)]
    of_a_word = list(itertools.product(*cells))
    found = collections.Counter(
        vary(text, places, np.array(draws), 0.4)
        for draws in itertools.product(of_a_word, repeat=len(places))
    )
    law = {}
    for words in itertools.product(("red", "blue", "green"), ("ship", "boat", "whale", "plank")):
        shares = [
            Fraction(3, 5) if word in CANDIDATES else Fraction(2, 5) / len(CANDIDATES[first])
            for word, first in zip(words, CANDIDATES, strict=True)
        ]
        law[f"a {words[0]} {words[1]}"] = shares[0] * shares[1]
    assert sum(law.values()) == 1
    assert {text: Fraction(n, len(of_a_word) ** 2) for text, n in found.items()} == law


def reference(text, row, side, probability, variants, seed):
    """The published loop, in plain Python: words are tried one after the other."""
    stream, found = open_stream(AUGMENTATION, seed, row, row=side), []
    for _ in range(variants):
        words = []
        for word in text.split(" "):
            candidates = CANDIDATES.get(word.lower(), ())
            if candidates:
                whether, which = stream.random(2)
                if whether < probability:
                    word = candidates[int(which * len(candidates))]
            words.append(word)
        new = " ".join(words)
        if new != text and new not in found:
            found.append(new)
    return found


def test_draws_depend_on_the_seed_and_the_row_alone():
    texts = ["a red ship", "ship and red ship", "no word", "red red red"]
    examples = [TextExample(text, label="x", origin="file:1") for text in texts]
    found = varied(examples, probability=0.4, variants=6, seed=3)
    for row, text in enumerate(texts):
        mine = [e for e, r in zip(found.examples, found.rows, strict=True) if r == row]
        assert [each.text for each in mine] == reference(text, row, 0, 0.4, 6, seed=3)
        assert all(each.label is None and each.pair is None for each in mine)
    assert found.repeated == 4 * 6 - len(found.examples) and found.beyond == found.held_out == 0
    assert varied(examples, variants=6, seed=4).examples != found.examples


def test_one_text_of_a_pair_is_varied_and_the_other_stays():
    example = TextExample("a red ship", "The ship", "x")
    found = varied([example], variants=8, seed=1).examples
    pairs = [(each.text, each.pair) for each in found]
    first = reference("a red ship", 0, 0, 0.4, 8, seed=1)
    second = reference("The ship", 0, 1, 0.4, 8, seed=1)
    assert pairs == [(t, "The ship") for t in first] + [("a red ship", t) for t in second]
    assert first and second


def test_the_words_of_a_sentence_keep_their_number():
    """And lose their tags; a sentence with a blank inside a word has no variant."""
    tagged = TaggedExample(("a", "Red", "ship"), ("O", "B-X", "I-X"), "file:1")
    found = varied([tagged, TaggedExample(("red ship", "red"), ("O", "O"))], variants=8, seed=2)
    assert found.rows and set(found.rows) == {0}
    for variant in found.examples:
        first, colour, thing = variant.words
        assert first == "a" and colour in ("Red", "Blue", "Green") and variant.tags is None
        assert thing in ("ship", *CANDIDATES["ship"])
    held_out = [TaggedExample(each.words) for each in found.examples]
    assert varied([tagged], held_out, variants=8, seed=2).examples == []


def test_no_variant_equals_an_example_of_the_data():
    """Capitals and spaces do not count."""
    examples = [TextExample("red", label="x"), TextExample(" BLUE ", label="y")]
    found = varied(examples, variants=50)
    assert [each.text for each in found.examples] == ["green"] and found.rows == [0]


@pytest.mark.parametrize("pair", [False, True])
def test_no_variant_has_a_text_of_held_out_data(pair):
    """Neither its first nor its second text."""
    held_out = [TextExample("x", "Green  ") if pair else TextExample("green")]
    found = varied([TextExample("red", label="x")], held_out, variants=50)
    assert [each.text for each in found.examples] == ["blue"] and found.held_out > 0


def test_a_bound_takes_equally_many_variants_of_each_row():
    """The first ones that are drawn; the rows of the last turn are a choice of the seed."""
    examples = [TextExample(f"red ship {number}", label="x") for number in range(5)]
    free = varied(examples, variants=20)
    for rows in (5, 6, 12, 17):
        bound = varied(examples, variants=20, most_rows=rows)
        counts = np.bincount(bound.rows, minlength=5)
        assert len(bound.examples) == rows - 5 and counts.max() - counts.min() <= 1
        assert bound.rows == sorted(bound.rows)
        assert bound.beyond == len(free.examples) - len(bound.examples)
        for row, count in enumerate(counts):
            of_row = [e for e, r in zip(free.examples, free.rows, strict=True) if r == row]
            mine = [e for e, r in zip(bound.examples, bound.rows, strict=True) if r == row]
            assert mine == of_row[:count]
    last = {tuple(varied(examples, most_rows=7, seed=seed).rows) for seed in range(9)}
    assert len(last) > 1
    assert varied(examples, variants=20, most_rows=10_000) == free
    assert varied(examples, variants=20, most_rows=1).examples == []
