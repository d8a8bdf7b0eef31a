"""The head that a config.json names, whatever its task."""

from tfdistill.models.heads.classification import text_head_of
from tfdistill.models.heads.embedding import EmbeddingHead
from tfdistill.models.heads.spans import SpanHead
from tfdistill.models.heads.tokens import TokenHead
from tfdistill.models.hugging_face.sentence_encoders import is_sentence_encoder


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
    for head in (text_head_of(config), TokenHead, SpanHead):
        if any(each.endswith(head.architecture) for each in named):
            return head.of(config, values)
    return None


def reader_of(directory, pooling=""):
    """The function that reads the head of a model directory, for labels or sentence embeddings.

    Args:
        directory: `Path`.
        pooling: "mean" or "cls" to read any directory as a sentence encoder; a folder of
            sentence-transformers is one without it.

    Returns:
        A function like `read_head`.
    """

    def read(config, values):
        found = None if pooling else read_head(config, values)
        if pooling or (found is None and is_sentence_encoder(directory)):
            return EmbeddingHead.of_folder(directory, config, pooling)
        return found

    return read
