"""ELECTRA (Clark et al., 2020), arXiv:2003.10555: BERT with embeddings of a width of their own.

The published encoders are discriminators, which were trained to find replaced tokens. They have no
masked-LM head.
"""

import dataclasses

from tfdistill.models.configs import bert
from tfdistill.models.configs.encoder_config import EncoderConfig
from tfdistill.models.configs.model_types import HuggingFaceFormat, ModelType, Parts, StartRules
from tfdistill.models.configs.task_heads import TaskHeads
from tfdistill.models.hugging_face.tensor_names import dense_tensors


@dataclasses.dataclass(frozen=True)
class ElectraConfig(EncoderConfig):
    """Shape and constants of an ELECTRA, under Hugging Face's names.

    Args:
        embedding_size: width of the embeddings.

    Raises:
        UserError: a value is out of range or not of its type.
    """

    model_type: str = "electra"
    hidden_size: int = 256
    num_attention_heads: int = 4
    intermediate_size: int = 1024
    embedding_size: int = 128

    @property
    def sizes(self):
        """Fields that must be whole numbers above 0."""
        return (*super().sizes, "embedding_size")


def encoder_tensors(encoder):
    """Hugging Face's names of an encoder's variables; see `HuggingFaceFormat`."""
    projection = encoder.embeddings.projection
    named = dense_tensors("embeddings_project", projection) if projection is not None else {}
    return named | bert.encoder_tensors(encoder)


def _parts():
    from tfdistill.models.embeddings import ElectraEmbeddings
    from tfdistill.models.heads.masked_lm import no_head
    from tfdistill.models.layers import TransformerLayer

    return Parts(ElectraEmbeddings, TransformerLayer, no_head)


_SAME_EMBEDDINGS = ("hidden_size", "embedding_size")

MODEL_TYPE = ModelType(
    name="electra",
    family="electra",
    config=ElectraConfig,
    parts=_parts,
    hugging_face=HuggingFaceFormat(
        class_prefix="Electra",
        encoder_tensors=encoder_tensors,
        head_tensors=lambda head: {},
        head_prefix="",
        required=bert.REQUIRED,
    ),
    starts=StartRules(
        same_layers=(*_SAME_EMBEDDINGS, "num_attention_heads", "intermediate_size", "hidden_act"),
        same_embeddings=_SAME_EMBEDDINGS,
        inherited=("max_position_embeddings", "hidden_act", "embedding_size"),
        embedding_layers=("projection",),
    ),
    named_shape=bert.named_shape,
    shape_names=tuple(bert.NAMED_SIZES),
    shape_example=bert.SHAPE_EXAMPLE,
    heads=TaskHeads(
        pooler="classifier.dense",
        pooler_activation="gelu",
        pooling="pooler",
        pooler_dropout=("classifier_dropout", None),
        classifier="classifier.out_proj",
        dropouts=bert.DROPOUTS,
    ),
    learns_text=False,
)
