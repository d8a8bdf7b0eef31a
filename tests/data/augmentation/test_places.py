"""Words that may be replaced."""

import pytest

from tfdistill.data.augmentation.places import STOP_WORDS, in_case_of, places_in


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The whale sank a ship.", ["whale", "sank", "ship"]),
        ("A well-known WHALE, (white)!", ["well", "known", "WHALE", "white"]),
        ("don't say it's the captain’s", ["say"]),  # neither part of a contraction
        ("'whale' and ‘ship’", ["whale", "ship"]),  # quoted
        ("naïve café x2 3rd cat_fish 42", []),  # other letters, digits and underscores
        ("", []),
    ],
)
def test_words_of_a_text(text, words):
    places = places_in(text)
    assert [text[place.start : place.end] for place in places] == words
    assert all(place.candidates == () for place in places)


def test_stop_words_are_small_and_few():
    assert "not" in STOP_WORDS and all(word.isalpha() and word.islower() for word in STOP_WORDS)


@pytest.mark.parametrize(
    ("word", "written"), [("ship", "boat"), ("Ship", "Boat"), ("SHIP", "BOAT"), ("S", "Boat")]
)
def test_capitals_are_those_of_the_word(word, written):
    assert in_case_of(word, "boat") == written
