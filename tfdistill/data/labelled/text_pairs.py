"""Pairs of texts without scores, cut from a corpus, to compare the vectors of two models."""

import itertools

import numpy as np

from tfdistill.data.labelled.examples import LabelledData, TextExample
from tfdistill.data.sentence_splitting import SHORTEST
from tfdistill.system.errors import UserError

MOST_PAIRS, FEWEST_PAIRS = 500, 10
WORDS_PER_TOKEN = 0.75  # of English, so that the longest texts about fill a row


def pairs_of_corpus(corpus, length, split="test"):
    """Cuts a split of a corpus into pairs of neighbouring texts.

    A text has 3 words or more, and at most about as many as a row holds. The number is random, with
    a fixed seed, and its logarithm is uniform: short texts are the most common.

    Args:
        corpus: `Corpus`.
        length: most tokens of a row.
        split: "validation" or "test".

    Returns:
        `LabelledData` with at most 500 `TextExample`s in the split.

    Raises:
        UserError: the split has fewer than 10 pairs.
    """
    longest = max(SHORTEST + 1, int(length * WORDS_PER_TOKEN))
    generator = np.random.default_rng(0)
    sizes = np.exp(generator.uniform(np.log(SHORTEST), np.log(longest), 2 * MOST_PAIRS))
    documents = corpus.splits[split]()
    words = (word for document in documents for line in document for word in line.split())
    cut = (tuple(itertools.islice(words, round(size))) for size in sizes)
    texts = [" ".join(text) for text in cut if len(text) >= SHORTEST]
    pairs = [
        TextExample(text, pair, origin=corpus.name)
        for text, pair in zip(texts[::2], texts[1::2], strict=False)
    ]
    if len(pairs) < FEWEST_PAIRS:
        raise UserError(
            f"`corpus`={corpus.name}: its {split} split has {len(pairs)} pairs of texts, and "
            f"{FEWEST_PAIRS} are needed: give more text, or pairs with scores as `{split}_data`"
        )
    note = (
        f"compared on {2 * len(pairs):,} texts of {SHORTEST} to {longest} words, cut from the "
        f"{split} split of {corpus.name}; for the correlation with scores, give `{split}_data`"
    )
    return LabelledData(corpus.name, {split: pairs}, notes=(note,))
