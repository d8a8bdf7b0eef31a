"""Adds spare rows to the vocabulary tables of a model, or removes them."""

import numpy as np

from tfdistill.models.model import MaskedLanguageModel


def with_rows(model, config):
    """Copies a model with another number of rows in its vocabulary tables.

    New rows are zeros, with the smallest bias of the model: the embeddings of all tokens stay the
    same, and the new rows have little weight in the softmax.

    Args:
        model: a `MaskedLanguageModel`.
        config: EncoderConfig that differs from the model's in `vocab_size` only.

    Returns:
        A `MaskedLanguageModel`.
    """
    found = MaskedLanguageModel(config, with_head=model.head is not None, seed=None)
    for old, new in zip(model.variables, found.variables, strict=True):
        value = old.numpy()
        if value.shape != tuple(new.shape):
            rows = min(len(value), new.shape[0])
            filled = np.full(new.shape, value.min() if value.ndim == 1 else 0, value.dtype)
            filled[:rows] = value[:rows]
            value = filled
        new.assign(value)
    return found
