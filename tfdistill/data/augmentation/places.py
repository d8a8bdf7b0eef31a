"""Words of a text that may be replaced."""

import re
from typing import NamedTuple

# Letters between anything but letters, digits and apostrophes: neither part of "don't" counts.
_WORD = re.compile(r"(?<!\w)(?<!\w['’])[A-Za-z]+(?!\w|['’]\w)")
# Words that carry the grammar of a sentence and little of its meaning.
STOP_WORDS = frozenset(
    "a about above after again against all am an and any are as at be because been before being "
    "below between both but by can cannot could did do does doing down during each few for from "
    "further had has have having he her here hers herself him himself his how i if in into is it "
    "its itself just me more most must my myself no nor not now of off on once only or other our "
    "ours ourselves out over own same she should so some such than that the their theirs them "
    "themselves then there these they this those through to too under until up very was we were "
    "what when where which while who whom why will with would you your yours yourself "
    "yourselves".split()
)


class Place(NamedTuple):
    """A word of a text, and what may stand there instead.

    Attributes:
        start, end: its characters in the text.
        candidates: tuple of str, words in small letters as far as the vocabulary has them so.
    """

    start: int
    end: int
    candidates: tuple = ()


def places_in(text):
    """Finds the words of a text that may be replaced: words of Latin letters, no stop words.

    Args:
        text: str.

    Returns:
        list of `Place`s without candidates, in the order of the text.
    """
    found = (Place(*match.span()) for match in _WORD.finditer(text))
    return [place for place in found if text[place.start : place.end].lower() not in STOP_WORDS]


def in_case_of(word, candidate):
    """Writes a candidate in large letters, or with a capital, as the word that it replaces.

    Args:
        word, candidate: str.

    Returns:
        str.
    """
    if len(word) > 1 and word.isupper():
        return candidate.upper()
    return candidate[:1].upper() + candidate[1:] if word[:1].isupper() else candidate
