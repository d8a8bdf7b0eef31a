"""Answers that are spans of a text: their score by SQuAD's rules, and how they are decoded.

Answers are compared in a normal form: lower case, without ASCII punctuation and the English
articles, with single spaces (Rajpurkar et al., 2016, section 6.1). Of several true answers the best
match counts. A question without an answer has the empty answer (Rajpurkar et al., 2018): an empty
prediction is right, any other is wrong.
"""

import collections
import re
import string

import numpy as np

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)
NO_ANSWER = ""


def normalize(answer):
    """The form in which answers are compared.

    Punctuation outside ASCII stays. Articles go after punctuation, so that "a-b" becomes "ab".

    Example:
        normalize("The  Eiffel Tower!")  # "eiffel tower"
    """
    plain = answer.lower().translate(_WITHOUT_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", plain).split())


def exact_match(prediction, answers):
    """Whether a prediction equals one of the true answers: 0.0 or 1.0.

    Args:
        prediction: str, "" for no answer.
        answers: sequence of str; empty for a question without an answer. Answers without content,
            such as "the", are left out.
    """
    found = normalize(prediction)
    return float(any(found == normalize(answer) for answer in _true(answers)))


def f1(prediction, answers):
    """The overlap of words with the true answer that is nearest.

    Args:
        prediction, answers: as for `exact_match`.

    Returns:
        float in 0..1: the harmonic mean of precision and recall, each word counted as often as it
        occurs in both; if one of the two is empty, whether both are.
    """
    return max(_f1(normalize(prediction), normalize(answer)) for answer in _true(answers))


def _true(answers):
    return [answer for answer in answers if normalize(answer)] or [NO_ANSWER]


def _f1(prediction, answer):
    guessed, true = prediction.split(), answer.split()
    if not guessed or not true:
        return float(guessed == true)
    common = (collections.Counter(guessed) & collections.Counter(true)).total()
    return 2 * common / (len(guessed) + len(true))


def best_spans(start, end, allowed, longest):
    """The best span of each row: the highest sum of its start's and end's logits.

    Args:
        start, end: float (rows, length), logits.
        allowed: bool (rows, length), tokens that an answer may begin or end with.
        longest: most tokens of an answer.

    Returns:
        (spans int64 (rows, 2), first and last token; scores float64 (rows,), -inf for rows without
        an allowed token). Of equal scores, the shortest span, then the first, is the best.
    """
    rows, length = start.shape
    begins, ends = (np.where(allowed, each, -np.inf).astype(np.float64) for each in (start, end))
    spans, scores = np.zeros((rows, 2), np.int64), np.full(rows, -np.inf)
    for distance in range(min(longest, length)):
        sums = begins[:, : length - distance] + ends[:, distance:]
        first = sums.argmax(axis=1)
        best = sums[np.arange(rows), first]
        better = best > scores
        scores[better] = best[better]
        spans[better] = np.stack([first, first + distance], axis=1)[better]
    return spans, scores


def decode_windows(logits, inside, longest):
    """Decodes the logits of windows.

    Args:
        logits: float (rows, length, 2), starts and ends.
        inside: bool (rows, length), tokens of contexts.
        longest: most tokens of an answer.

    Returns:
        dict of "span" and "score", of `best_spans`, and "no_answer", float (rows,), the score of
        the first token alone.
    """
    start, end = logits[..., 0], logits[..., 1]
    spans, scores = best_spans(start, end, inside, longest)
    return {"span": spans, "score": scores, "no_answer": start[:, 0] + end[:, 0]}


def merge_windows(examples, scores, no_answer, questions, may_abstain):
    """Chooses among the windows of each question.

    Args:
        examples: int (windows,), the question of each window.
        scores: float (windows,), of `best_spans`.
        no_answer: float (windows,), the sum of both logits of the first token.
        questions: number of questions.
        may_abstain: whether a question has no answer unless a span has the higher score.

    Returns:
        (window int64 (questions,), the window with the best span, -1 for questions without answer;
        gain float64 (questions,), the span's score minus the least score of "no answer" in the
        question's windows, as in BERT's published code).
    """
    order = np.lexsort((-np.arange(len(scores)), scores, examples))  # the best comes last
    window = np.full(questions, -1, np.int64)
    window[examples[order]] = order
    least = np.full(questions, np.inf)
    np.minimum.at(least, examples, no_answer)
    found = window >= 0
    found[found] = np.isfinite(scores[window[found]])
    gain = np.full(questions, -np.inf)
    gain[found] = scores[window[found]] - least[found]
    answered = gain > (0 if may_abstain else -np.inf)
    return np.where(answered, window, -1), gain
