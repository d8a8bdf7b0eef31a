"""Tokens of WordPiece and of bytes that stand for the same words or characters, by hand."""

import numpy as np

from tfdistill.data.labelled.aligned_tokens import same_spans, same_words
from tfdistill.data.labelled.encoding import FIRST, SECOND, SPECIAL, EncodedTexts


def encoded(rows, **arrays):
    """`EncodedTexts` of lists of tokens; `arrays`: a value for each token."""
    bounds = np.cumsum([0, *map(len, rows)])
    whole = {name: np.array(values, np.int32) for name, values in arrays.items()}
    usual = dict(sides=np.zeros(bounds[-1], np.int8), words=None, characters=None)
    return EncodedTexts(
        ids=np.arange(bounds[-1], dtype=np.int32),
        types=np.zeros(bounds[-1], np.int32),
        bounds=bounds,
        cut=np.zeros(len(rows), bool),
        examples=np.arange(len(rows)),
        **usual | whole,
    )


def test_first_pieces_of_words():
    """The teacher's second row is cut before its last word."""
    student = encoded(
        ["[CLS] the wh ##ale sank [SEP]".split(), "[CLS] a boat [SEP]".split()],
        words=[-1, 0, 1, -1, 2, -1, -1, 0, 1, -1],
    )
    teacher = encoded(
        ["<s> the whale sa nk </s>".split(), "<s> a </s>".split()],
        words=[-1, 0, 1, 2, -1, -1, -1, 0, -1],
    )
    found = same_words(student, teacher)
    assert found[:, 0].tolist() == [-1, 1, 2, -1, 3, -1, -1, 7, -1, -1]
    back = same_words(teacher, student)
    assert back[:, 0].tolist() == [-1, 1, 2, 4, -1, -1, -1, 7, -1]


def test_characters_of_spans():
    """ "who" and "a whale sank", for starts and ends; RoBERTa has two separators between them."""
    none = (0, 0)
    student = encoded(
        ["[CLS] who [SEP] a wh ##ale sank [SEP]".split()],
        sides=[SPECIAL, FIRST, SPECIAL, SECOND, SECOND, SECOND, SECOND, SPECIAL],
        characters=[none, (0, 3), none, (0, 1), (2, 4), (4, 7), (8, 12), none],
    )
    teacher = encoded(
        ["<s> who </s> </s> a whale sa nk </s>".split()],
        sides=[SPECIAL, FIRST, SPECIAL, SPECIAL, SECOND, SECOND, SECOND, SECOND, SPECIAL],
        characters=[none, (0, 3), none, none, (0, 1), (2, 7), (8, 10), (10, 12), none],
    )
    found = same_spans(student, teacher)
    expected = [(0, 0), (1, 1), (2, 2), (4, 4), (5, 5), (5, 5), (6, 7), (8, 8)]
    assert found.tolist() == list(map(list, expected))
    back = same_spans(teacher, student)
    expected = [(0, 0), (1, 1), (2, 2), (7, 7), (3, 3), (4, 5), (6, 6), (6, 6), (7, 7)]
    assert back.tolist() == list(map(list, expected))
