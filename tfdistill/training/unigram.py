"""Token frequencies: the level every masked LM reaches first, and a start that has it already."""

import numpy as np


def unigram_log_probabilities(counts):
    """Smoothed log-frequencies of tokens.

    Args:
        counts: int (vocab,), how often each token occurs. One is added to each, so that no token
            is impossible (Laplace).

    Returns:
        float64 (vocab,), nats.
    """
    counts = np.asarray(counts, np.float64) + 1.0
    return np.log(counts / counts.sum())


def set_unigram_bias(model, counts):
    """Sets the head's bias so that a fresh model predicts the token frequencies.

    Without it the first hundreds of steps are spent on learning them.

    Args:
        model: a `MaskedLanguageModel` with a head.
        counts: as for `unigram_log_probabilities`; spare rows of the model's table occur never.
    """
    counts = np.pad(counts, (0, model.config.vocab_size - len(counts)))
    model.head.bias.assign(unigram_log_probabilities(counts).astype(np.float32))
