"""SQuAD's scores on the traps of their rules, and the decoding of spans against brute force."""

import numpy as np
import pytest

from tfdistill.tasks.answers import best_spans, exact_match, f1, merge_windows, normalize

# Prediction, true answers, exact match, F1.
TRAPS = [
    ("the cat", ["Cat"], 1, 1),
    ("A cat.", ["the cat"], 1, 1),
    ("theatre", ["atre"], 0, 0),  # an article is a whole word
    ("cat's", ["cats"], 1, 1),  # punctuation joins what it stands between
    ("a-team", ["ateam"], 1, 1),
    ("a team", ["team"], 1, 1),
    ("$5,000", ["5000"], 1, 1),
    ("“cat”", ["cat"], 0, 0),  # punctuation outside ASCII stays
    ("1990–1995", ["19901995"], 0, 0),
    ("1990-1995", ["19901995"], 1, 1),
    ("Café", ["café"], 1, 1),
    ("Cafe", ["café"], 0, 0),
    ("cat\u00a0dog", ["cat dog"], 1, 1),  # every space is a space
    ("  cat \t dog\n", ["cat dog"], 1, 1),
    ("the an a", ["the"], 1, 1),  # nothing is left of either
    ("", [], 1, 1),
    ("cat", [], 0, 0),
    ("the", [], 1, 1),
    ("", ["cat"], 0, 0),
    ("", ["the"], 1, 1),  # an answer without content is no answer
    ("cat", ["the", "cat"], 1, 1),
    ("", ["the", "cat"], 0, 0),
    ("big cat", ["small cat", "cat"], 0, 2 / 3),  # the best of several
    ("big red cat", ["red dog", "big red fox"], 0, 2 / 3),
    ("cat cat", ["cat"], 0, 2 / 3),  # a word counts as often as in both
    ("cat cat", ["cat dog cat"], 0, 4 / 5),
    ("dog cat", ["cat dog"], 0, 1),  # order is nothing to F1
]


@pytest.mark.parametrize(("prediction", "answers", "exact", "overlap"), TRAPS)
def test_scores(prediction, answers, exact, overlap):
    assert exact_match(prediction, answers) == exact
    assert f1(prediction, answers) == pytest.approx(overlap)


def test_normalize():
    assert normalize("The  Eiffel Tower!") == "eiffel tower"
    assert normalize("an 'A'") == "" and normalize("") == ""


def brute(start, end, allowed, longest):
    spans = [
        (start[i] + end[j], i - j, -i)
        for i in range(len(start))
        for j in range(i, min(len(start), i + longest))
        if allowed[i] and allowed[j]
    ]
    score, distance, first = max(spans)
    return (-first, -first - distance), score


@pytest.mark.parametrize("longest", [1, 3, 50])
def test_spans(longest):
    generator = np.random.default_rng(1)
    start, end = generator.integers(-4, 5, (2, 60, 12)).astype(np.float32)  # with equal scores
    allowed = generator.random((60, 12)) < 0.6
    allowed[:, 5] = True
    spans, scores = best_spans(start, end, allowed, longest)
    for row in range(60):
        expected = brute(start[row], end[row], allowed[row], longest)
        assert (tuple(spans[row]), scores[row]) == expected


def test_a_window_without_context_has_no_span():
    spans, scores = best_spans(np.zeros((1, 3)), np.zeros((1, 3)), np.zeros((1, 3), bool), 2)
    assert scores.tolist() == [-np.inf]
    window, gain = merge_windows(np.array([0]), scores, np.array([1.0]), 1, False)
    assert window.tolist() == [-1] and gain.tolist() == [-np.inf]


def test_windows_of_one_question():
    examples = np.array([0, 2, 0, 0, 2])
    scores = np.array([1.0, 4.0, 3.0, 3.0, -np.inf])
    no_answer = np.array([5.0, 0.0, 0.5, 7.0, 6.0])
    window, gain = merge_windows(examples, scores, no_answer, 4, may_abstain=False)
    assert window.tolist() == [2, -1, 1, -1]  # of equal scores the first window's
    assert gain.tolist() == [2.5, -np.inf, 4.0, -np.inf]


@pytest.mark.parametrize("none, answered", [(2.9, True), (3.0, False), (3.1, False)])
def test_no_answer_must_have_at_least_the_score_of_the_answer(none, answered):
    windows = np.array([0]), np.array([3.0]), np.array([none]), 1
    assert merge_windows(*windows, may_abstain=True)[0].tolist() == [0 if answered else -1]
    assert merge_windows(*windows, may_abstain=False)[0].tolist() == [0]
