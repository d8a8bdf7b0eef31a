"""Pairs of texts without scores, cut from a corpus, to compare the vectors of two models."""

import itertools

import numpy as np

from tfdistill.data.labelled.examples import LabelledData, TextExample
from tfdistill.system.errors import UserError

MOST_PAIRS, FEWEST_PAIRS = 500, 10
SHORTEST = 3  # words of a text
WORDS_PER_TOKEN = 0.75  # of English, so that the longest texts about fill a row


def pairs_of_corpus(corpus, length):
    """Cuts the test split of a corpus into pairs of neighbouring texts.

    A text has 3 words or more, and at most about as many as a row holds. The number is random, with
    a fixed seed, and its logarithm is uniform: short texts are the most common.

    Args:
        corpus: `Corpus`.
        length: most tokens of a row.

    Returns:
        `LabelledData` with at most 500 `TextExample`s in the split "test".

    Raises:
        UserError: the test split has fewer than 10 pairs.
    """
    longest = max(SHORTEST + 1, int(length * WORDS_PER_TOKEN))
    generator = np.random.default_rng(0)
    sizes = np.exp(generator.uniform(np.log(SHORTEST), np.log(longest), 2 * MOST_PAIRS))
    documents = corpus.splits["test"]()
    words = (word for document in documents for line in document for word in line.split())
    cut = (tuple(itertools.islice(words, round(size))) for size in sizes)
    texts = [" ".join(text) for text in cut if len(text) >= SHORTEST]
    pairs = [
        TextExample(text, pair, origin=corpus.name)
        for text, pair in zip(texts[::2], texts[1::2], strict=False)
    ]
    if len(pairs) < FEWEST_PAIRS:
        raise UserError(
            f"`corpus`={corpus.name}: its test split has {len(pairs)} pairs of texts, and "
            f"{FEWEST_PAIRS} are needed: give more text, or pairs with scores as `test_data`"
        )
    note = (
        f"compared on {2 * len(pairs):,} texts of {SHORTEST} to {longest} words, cut from the test "
        f"split of {corpus.name}; for the correlation with scores, give `test_data`"
    )
    return LabelledData(corpus.name, {"test": pairs}, notes=(note,))
