"""Attention heads of other sizes than Hugging Face's classes have, as config.json stores them."""

from tfdistill.models.configs.values import require

# Key of config.json with the heads that a model has where its tensors hold padding beside them.
ATTENTION = "tfdistill_attention"


def padded_heads(width, heads, size):
    """The fewest equal heads of a width that hold a number of heads of a size.

    Args:
        width: int, the hidden size.
        heads: int, the number of attention heads that must have a place.
        size: int, the width of each.

    Returns:
        int, a divisor of `width` that is at least `heads`, with heads of at least `size`; None if
        no number fits.
    """
    fitting = (n for n in range(heads, width // size + 1) if width % n == 0)
    return next(fitting, None)


def stored_attention(values):
    """The heads without their padding.

    Args:
        values: dict, the content of config.json.

    Returns:
        dict of fields of `EncoderConfig`; {} where all heads are as in Hugging Face's classes.

    Raises:
        UserError: the key is damaged.
    """
    stored = values.get(ATTENTION)
    if stored is None:
        return {}
    right = isinstance(stored, dict) and set(stored) == {"heads", "head_size"}
    require(right, f'{ATTENTION} must be like {{"heads": 4, "head_size": 20}}')
    return {"num_attention_heads": stored["heads"], "attention_head_size": stored["head_size"]}
