"""The tokens of answers in the windows of their contexts."""

import numpy as np

from tfdistill.data.labelled.encoding import SECOND


def label_windows(texts, examples):
    """Finds the tokens of each answer in each window.

    An answer counts in a window that holds all of it; of several answers, the first that does. The
    first token of an answer is the one that its first character lies in, or that follows where this
    character belongs to no token; its last token likewise.

    Args:
        texts: `EncodedTexts` of windows.
        examples: list of `SpanExample`.

    Returns:
        (labels int32 (windows, 2), the first and the last token of the answer, or (0, 0); lost bool
        (examples,), whether an example has answers and no window holds one).
    """
    labels = np.zeros((len(texts.examples), 2), np.int32)
    found = np.zeros(len(examples), bool)
    for window, number in enumerate(texts.examples):
        example = examples[number]
        if not example.answers:
            continue
        span = _first_answer(texts, window, example)
        if span:
            labels[window], found[number] = span, True
    answered = np.array([bool(example.answers) for example in examples], bool)
    return labels, answered & ~found


def _first_answer(texts, window, example):
    """(first token, last token) of the first answer that lies in a window; None without."""
    first = texts.bounds[window]
    tokens = slice(first, texts.bounds[window + 1])
    inside = np.flatnonzero(texts.sides[tokens] == SECOND)
    if not len(inside):
        return None
    begins, ends = texts.characters[tokens][inside].T
    # The first window begins with the context, whatever its first token, and the last ends with it.
    rows = texts.examples
    low = 0 if window == 0 or rows[window - 1] != rows[window] else begins[0]
    is_last = window + 1 == len(rows) or rows[window + 1] != rows[window]
    high = len(example.context) if is_last else ends[-1]
    for text, start in example.answers:
        begin = start + len(text) - len(text.lstrip())
        end = start + len(text.rstrip())
        if not low <= begin < end <= high:
            continue
        start_token = np.searchsorted(ends, begin, side="right")
        end_token = np.searchsorted(begins, end, side="left") - 1
        if start_token <= end_token:
            return inside[start_token], inside[end_token]
    return None
