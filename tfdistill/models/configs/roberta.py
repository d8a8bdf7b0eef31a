"""RoBERTa (Liu et al., 2019), arXiv:1907.11692: BERT with positions that skip padding."""

import dataclasses

from tfdistill.models.configs import bert
from tfdistill.models.configs.encoder_config import EncoderConfig
from tfdistill.models.configs.model_types import HuggingFaceFormat, ModelType, Parts
from tfdistill.models.configs.task_heads import TaskHeads
from tfdistill.models.configs.values import require
from tfdistill.models.hugging_face.tensor_names import dense_tensors, norm_tensors

# Hugging Face's values of missing keys; those of the dataclass are the published models'.
DEFAULTS = {"max_position_embeddings": 512, "type_vocab_size": 2, "layer_norm_eps": 1e-12}


@dataclasses.dataclass(frozen=True)
class RobertaConfig(EncoderConfig):
    """Shape and constants of a RoBERTa or XLM-R, under Hugging Face's names.

    Args:
        max_position_embeddings: rows of the position table, of which the first `pad_token_id` + 1
            belong to no token.

    Raises:
        UserError: a value is out of range or not of its type.
    """

    model_type: str = "roberta"
    vocab_size: int = 50265
    max_position_embeddings: int = 514
    type_vocab_size: int | None = 1
    layer_norm_eps: float = 1e-5
    pad_token_id: int = 1

    def __post_init__(self):
        super().__post_init__()
        require(
            self.max_length > 0,
            f"max_position_embeddings {self.max_position_embeddings} leaves no position to a "
            f"token: the first {self.pad_token_id + 1} are not used",
        )

    @property
    def max_length(self):
        return self.max_position_embeddings - self.pad_token_id - 1


def head_tensors(head):
    """Hugging Face's names of the masked-LM head's variables; see `HuggingFaceFormat`."""
    named = dense_tensors("lm_head.dense", head.dense)
    named |= norm_tensors("lm_head.layer_norm", head.layer_norm)
    return named | {"lm_head.bias": (head.bias, False)}


def _parts():
    from tfdistill.models.embeddings import RobertaEmbeddings
    from tfdistill.models.heads.masked_lm import RobertaHead
    from tfdistill.models.layers import TransformerLayer

    return Parts(RobertaEmbeddings, TransformerLayer, RobertaHead)


HEADS = TaskHeads(
    pooler="classifier.dense",
    pooling="pooler",
    pooler_dropout=("classifier_dropout", None),
    classifier="classifier.out_proj",
    dropouts=bert.DROPOUTS,
)


def _model_type(name, class_prefix, vocab_size):
    return ModelType(
        name=name,
        family=name,
        config=RobertaConfig,
        parts=_parts,
        hugging_face=HuggingFaceFormat(
            class_prefix=class_prefix,
            encoder_tensors=bert.encoder_tensors,
            head_tensors=head_tensors,
            prefix="roberta",
            head_prefix="lm_head.",
            decoder="lm_head.decoder.weight",
            renamed_tensors={"lm_head.decoder.bias": "lm_head.bias"},
            defaults={**DEFAULTS, "vocab_size": vocab_size},
            required=bert.REQUIRED,
        ),
        starts=dataclasses.replace(bert.STARTS, context=""),
        named_shape=bert.named_shape,
        shape_names=tuple(bert.NAMED_SIZES),
        shape_example=bert.SHAPE_EXAMPLE,
        heads=HEADS,
        learns_text=False,
    )


MODEL_TYPE = _model_type("roberta", "Roberta", 50265)
XLM_ROBERTA = _model_type("xlm-roberta", "XLMRoberta", 30522)
