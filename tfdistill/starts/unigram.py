"""Token frequencies: the unigram baseline, and a head that starts at it."""

import numpy as np


def unigram_log_probabilities(counts):
    """Smoothed log-frequencies of tokens.

    Args:
        counts: int (vocab,), number of occurrences of each token. One is added to each count, so
            that no token has probability 0 (Laplace smoothing).

    Returns:
        float64 (vocab,), nats.
    """
    counts = np.asarray(counts, np.float64) + 1.0
    return np.log(counts / counts.sum())


def set_unigram_bias(model, counts):
    """Sets the head's bias so that a fresh model predicts the token frequencies.

    Without this, a model needs hundreds of steps to learn them.

    Args:
        model: a `MaskedLanguageModel` with a head.
        counts: as for `unigram_log_probabilities`; counts of spare rows may be missing.
    """
    counts = np.pad(counts, (0, model.config.vocab_size - len(counts)))
    model.head.bias.assign(unigram_log_probabilities(counts).astype(np.float32))
