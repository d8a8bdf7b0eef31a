"""The head that a config.json names, whatever its task."""

from tfdistill.models.heads.classification import ClassificationHead
from tfdistill.models.heads.spans import SpanHead
from tfdistill.models.heads.tokens import TokenHead


def read_head(config, values):
    """Makes the head of a task with labels that a config.json describes.

    Args:
        config: EncoderConfig.
        values: dict, the content of config.json.

    Returns:
        A `ClassificationHead`, `TokenHead` or `SpanHead` with fresh weights; None for a file that
        names none of them.

    Raises:
        UserError: a value is damaged or not supported.
    """
    named = values.get("architectures") or []
    for head in (ClassificationHead, TokenHead, SpanHead):
        if any(each.endswith(head.architecture) for each in named):
            return head.of(config, values)
    return None
