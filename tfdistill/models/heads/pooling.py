"""From the hidden states of the tokens of a text to one vector."""

import tensorflow as tf
from keras import ops


def counted_tokens(inputs, config):
    """The tokens of a text that its mean is taken over.

    Args:
        inputs: dict of the batch's tensors.
        config: EncoderConfig; its `uncounted_ids` are left out.

    Returns:
        (batch, length), 1 for tokens that count; None: all do.
    """
    mask = inputs.get("attention_mask")
    if not config.uncounted_ids:
        return mask
    ids = ops.cast(inputs["input_ids"], "int32")
    counted = tf.ones_like(ids) if mask is None else ops.cast(mask, "int32")
    for token in config.uncounted_ids:
        counted = counted * ops.cast(ids != token, "int32")
    return counted


def mean_of_tokens(hidden, mask):
    """The mean over the real tokens of each row.

    Args:
        hidden: (batch, length, hidden).
        mask: (batch, length), 1 for tokens that count; None: all do.

    Returns:
        (batch, hidden), of the type of `hidden`; zeros for a row without tokens.
    """
    states = ops.cast(hidden, "float32")
    if mask is None:
        return ops.cast(ops.mean(states, axis=1), hidden.dtype)
    real = ops.cast(mask, "float32")[..., None]  # (batch, length, 1)
    tokens = ops.maximum(ops.sum(real, axis=1), 1.0)  # (batch, 1)
    return ops.cast(ops.sum(states * real, axis=1) / tokens, hidden.dtype)


def compared_texts(hidden, inputs, config):
    """Both texts of a pair beside each other: u, v, |u - v| and u * v (Conneau et al., 2017).

    u and v are the means over the tokens before and behind the first token that ends a text
    (arXiv:1705.02364, section 3.1).

    Args:
        hidden: (batch, length, hidden).
        inputs: dict of the batch's tensors.
        config: StaticConfig.

    Returns:
        (batch, 4 * hidden).
    """
    ids, counted = ops.cast(inputs["input_ids"], "int32"), counted_tokens(inputs, config)
    ends = tf.cumsum(ops.cast(ids == config.sep_token_id, "int32"), axis=1)  # (batch, length)
    second = ops.cast(ends > 0, "int32")
    first, second = (mean_of_tokens(hidden, counted * each) for each in (1 - second, second))
    return ops.concatenate([first, second, ops.abs(first - second), first * second], axis=-1)
