"""Vocabulary tables of other lengths: spare rows given to a model, or taken from it."""

import numpy as np

from tfdistill.models.model import MaskedLanguageModel


def with_rows(model, config):
    """A model with another number of rows in its table.

    Rows that the model does not have are zeros with the smallest bias there is, so that nothing
    that is read changes and they hardly weigh in the softmax.

    Args:
        model: a `MaskedLanguageModel`.
        config: its EncoderConfig but for `vocab_size`.

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
