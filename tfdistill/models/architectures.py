"""What each model type is made of, and what Hugging Face calls it."""

import dataclasses
from collections.abc import Callable

from tfdistill.models import mobilebert
from tfdistill.models.embeddings import Embeddings
from tfdistill.models.heads.masked_lm import MaskedLanguageModelHead, MobileBertHead
from tfdistill.models.hugging_face import tensor_names
from tfdistill.models.layers import (
    DistilBertLayer,
    TransformerLayer,
)


@dataclasses.dataclass(frozen=True)
class Architecture:
    """A model type.

    Args:
        embeddings: class of the embeddings: (config).
        block: class of a layer: (config, index, name).
        head: class of the masked-LM head: (config).
        variables: function of a model to a dict of Hugging Face's names, without the model's
            prefix, to (variable, whether the file holds it transposed).
        head_prefix: what the names of the head's tensors begin with.
        decoder: name of the part of the vocabulary projection that the word embeddings are.
        headless: Hugging Face's class without the head.
    """

    embeddings: type
    block: type
    head: type
    variables: Callable
    head_prefix: str
    decoder: str
    headless: str


_BERT = dict(embeddings=Embeddings, head=MaskedLanguageModelHead)

ARCHITECTURES = {
    "bert": Architecture(
        **_BERT,
        block=TransformerLayer,
        variables=tensor_names.bert,
        head_prefix="cls.predictions.",
        decoder="cls.predictions.decoder.weight",
        headless="BertModel",
    ),
    "distilbert": Architecture(
        **_BERT,
        block=DistilBertLayer,
        variables=tensor_names.distilbert,
        head_prefix="vocab_",
        decoder="vocab_projector.weight",
        headless="DistilBertModel",
    ),
    "mobilebert": Architecture(
        embeddings=mobilebert.TrigramEmbeddings,
        block=mobilebert.MobileBertLayer,
        head=MobileBertHead,
        variables=tensor_names.mobilebert,
        head_prefix="cls.predictions.",
        decoder="cls.predictions.decoder.weight",
        headless="MobileBertModel",
    ),
}
