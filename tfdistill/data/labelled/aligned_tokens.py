"""Tokens of two tokenizers that stand for the same words or characters."""

import numpy as np

from tfdistill.data.labelled.encoding import FIRST, SECOND, SPECIAL


def same_words(student, teacher):
    """Finds the teacher's first piece of each word.

    Args:
        student, teacher: `EncodedTexts` of the same sentences, with `words`.

    Returns:
        int64 (student's tokens, 1): for the first piece of a word, the teacher's token; -1 for
        other tokens, and for words that the teacher's row does not hold.
    """
    keys, places = zip(*(_word_keys(texts) for texts in (student, teacher)), strict=True)
    found = np.full((len(student.ids), 1), -1, np.int64)
    if len(keys[1]):
        at = np.minimum(np.searchsorted(keys[1], keys[0]), len(keys[1]) - 1)
        known = keys[1][at] == keys[0]
        found[places[0][known], 0] = places[1][at[known]]
    return found


def _word_keys(texts):
    """(an ascending number for each word of all rows, the token that begins it)."""
    places = np.flatnonzero(texts.words >= 0)
    rows = np.repeat(np.arange(len(texts.tokens)), texts.tokens)[places]
    return rows * np.int64(2**32) + texts.words[places], places


def same_spans(student, teacher):
    """Finds the teacher's tokens for starts and ends at each of the student's tokens.

    A window of the student is compared with the teacher's window that shares most characters with
    it. A token's start is that of the teacher's token which holds its first character, its end that
    of the token which holds its last character; characters without a token count to the next token,
    or to the one before. Special tokens are compared by their order, and the last with the last.

    Args:
        student, teacher: `EncodedTexts` of the same questions and contexts, with `characters`.

    Returns:
        int64 (student's tokens, 2): the teacher's token for the start and for the end, or -1.
    """
    names = "bounds", "sides", "characters"
    if all(np.array_equal(getattr(student, name), getattr(teacher, name)) for name in names):
        return np.repeat(np.arange(len(student.ids))[:, None], 2, axis=1)
    found = np.full((len(student.ids), 2), -1, np.int64)
    windows = np.searchsorted(teacher.examples, np.arange(teacher.examples.max(initial=-1) + 2))
    for row, example in enumerate(student.examples):
        others = range(windows[example], windows[example + 1])
        extent = _extent(student, row)
        other = max(others, key=lambda each: _shared(extent, _extent(teacher, each)))
        for side in (FIRST, SECOND):
            mine, theirs = _tokens(student, row, side), _tokens(teacher, other, side)
            overlaps, pairs = _overlapping(student.characters[mine], teacher.characters[theirs])
            found[mine[overlaps]] = theirs[pairs]
        mine, theirs = _tokens(student, row, SPECIAL), _tokens(teacher, other, SPECIAL)
        order = np.minimum(np.arange(len(mine)), len(theirs) - 1)
        order[-1:] = len(theirs) - 1
        found[mine] = theirs[order][:, None]
    return found


def _overlapping(characters, others):
    """Matches tokens that share characters.

    Args:
        characters: int (tokens, 2), where each token begins and ends.
        others: int (other tokens, 2), the same of other tokens.

    Returns:
        (bool (tokens,), whether a token lies within the others and shares characters with some; the
        first and the last of these for each such token, int (…, 2)).
    """
    if not len(others):
        return np.zeros(len(characters), bool), np.empty((0, 2), np.int64)
    (begins, ends), (other_begins, other_ends) = characters.T, others.T
    first = np.searchsorted(other_ends, begins, side="right")  # that ends after the beginning
    last = np.searchsorted(other_begins, ends, side="left") - 1  # that begins before the end
    within = (begins >= other_begins[0]) & (ends <= other_ends[-1])
    overlaps = within & (first <= last)
    return overlaps, np.stack([first, last], axis=1)[overlaps]


def _tokens(texts, row, side):
    """The tokens of a row that belong to one of its texts."""
    tokens = np.arange(texts.bounds[row], texts.bounds[row + 1])
    return tokens[texts.sides[tokens] == side]


def _extent(texts, row):
    """(first, last) character of a window's part of the context."""
    characters = texts.characters[_tokens(texts, row, SECOND)]
    return (characters[0, 0], characters[-1, 1]) if len(characters) else (0, 0)


def _shared(one, other):
    return min(one[1], other[1]) - max(one[0], other[0])
