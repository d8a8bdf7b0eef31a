"""DeBERTa-v3 (He et al., 2021), arXiv:2111.09543: relative positions in every layer.

It is the model type "deberta-v2" of Hugging Face with the settings of version 3.
"""

import dataclasses

from tfdistill.models.configs import bert
from tfdistill.models.configs.encoder_config import EncoderConfig
from tfdistill.models.configs.model_types import HuggingFaceFormat, ModelType, Parts, StartRules
from tfdistill.models.configs.task_heads import CLASSIFICATION, TOKENS, TaskHeads
from tfdistill.models.configs.values import require
from tfdistill.models.hugging_face.tensor_names import layer_tensors, norm_tensors

LAYER_PARTS = (
    "attention.self.query_proj",
    "attention.self.key_proj",
    "attention.self.value_proj",
    *bert.LAYER_PARTS[3:],
)
_REQUIRED = {
    "relative_attention": True,
    "position_biased_input": False,
    "share_att_key": True,
    "norm_rel_ebd": "layer_norm",
}
_KINDS = ("c2p", "p2c")  # content to position, position to content


@dataclasses.dataclass(frozen=True)
class DebertaConfig(EncoderConfig):
    """Shape and constants of a DeBERTa-v3, under Hugging Face's names.

    Args:
        max_position_embeddings: the longest distance where `max_relative_positions` is below 1.
        max_relative_positions: the longest distance.
        position_buckets: rows of the table of relative positions for each direction; below 1: a
            row for each distance.
        pos_att_type: "c2p|p2c"; no other kind of attention is supported.

    Raises:
        UserError: a value is out of range, not of its type, or not supported.
    """

    HAS_POSITIONS = False

    model_type: str = "deberta-v2"
    vocab_size: int = 128100
    layer_norm_eps: float = 1e-7
    type_vocab_size: int | None = 0
    max_relative_positions: int = -1
    position_buckets: int = 256
    pos_att_type: str = "|".join(_KINDS)

    def __post_init__(self):
        kinds = self.pos_att_type
        kinds = kinds.split("|") if isinstance(kinds, str) else kinds
        require(isinstance(kinds, list | tuple), f"pos_att_type {kinds!r} is no list")
        kinds = sorted(str(each).strip().lower() for each in kinds)
        require(
            tuple(kinds) == _KINDS,
            f"pos_att_type {self.pos_att_type!r} is not supported: only {'|'.join(_KINDS)!r} is",
        )
        object.__setattr__(self, "pos_att_type", "|".join(kinds))
        super().__post_init__()
        for name in ("max_relative_positions", "position_buckets"):
            require(type(getattr(self, name)) is int, f"{name} must be a whole number")
        middle = self.position_buckets // 2
        require(
            self.position_buckets < 1 or 1 <= middle < self.longest_distance - 1,
            f"position_buckets {self.position_buckets} must be 2 or more, and below twice the "
            f"longest distance, {self.longest_distance}",
        )

    @property
    def longest_distance(self):
        """The longest distance that has a row of its own, or the last bucket."""
        given = self.max_relative_positions
        return given if given > 0 else self.max_position_embeddings

    @property
    def span(self):
        """Half the rows of the table of relative positions."""
        return self.position_buckets if self.position_buckets > 0 else self.longest_distance

    @property
    def _position_rows(self):
        return 2 * self.span


def encoder_tensors(encoder):
    """Hugging Face's names of an encoder's variables; see `HuggingFaceFormat`."""
    embeddings = encoder.embeddings
    relative = embeddings.relative_positions
    named = {"embeddings.word_embeddings.weight": (embeddings.word_embeddings, False)}
    named |= norm_tensors("embeddings.LayerNorm", embeddings.layer_norm)
    named |= {"encoder.rel_embeddings.weight": (relative.table, False)}
    named |= norm_tensors("encoder.LayerNorm", relative.layer_norm)
    for index, block in enumerate(encoder.blocks):
        named |= layer_tensors(f"encoder.layer.{index}", LAYER_PARTS, block)
    return named


def _parts():
    from tfdistill.models.deberta import DebertaEmbeddings, DebertaLayer
    from tfdistill.models.heads.masked_lm import no_head

    return Parts(DebertaEmbeddings, DebertaLayer, no_head)


_POSITIONS = ("max_position_embeddings", "max_relative_positions", "position_buckets")

MODEL_TYPE = ModelType(
    name="deberta-v2",
    family="deberta-v2",
    config=DebertaConfig,
    parts=_parts,
    hugging_face=HuggingFaceFormat(
        class_prefix="DebertaV2",
        encoder_tensors=encoder_tensors,
        head_tensors=lambda head: {},
        prefix="deberta",
        head_prefix="",
        constants={"type_vocab_size": 0},
        defaults={
            "hidden_size": 1536,
            "num_hidden_layers": 24,
            "num_attention_heads": 24,
            "intermediate_size": 6144,
            "position_buckets": -1,
            "pos_att_type": "",
        },
        required={
            **_REQUIRED,
            "type_vocab_size": 0,
            "conv_kernel_size": 0,
            "pooler_hidden_act": "gelu",
        },
        stated=tuple(_REQUIRED),
        written={**_REQUIRED, "pooler_hidden_act": "gelu"},
    ),
    starts=StartRules(
        same_layers=(
            "hidden_size",
            "num_attention_heads",
            "intermediate_size",
            "hidden_act",
            *_POSITIONS,
        ),
        same_embeddings=("hidden_size", *_POSITIONS),
        inherited=(*_POSITIONS, "hidden_act"),
        embedding_layers=("relative_positions",),
    ),
    named_shape=bert.named_shape,
    shape_names=tuple(bert.NAMED_SIZES),
    shape_example=bert.SHAPE_EXAMPLE,
    heads=TaskHeads(
        pooler="pooler.dense",
        pooler_activation="gelu",
        pooling="pooler",
        pooler_dropout=("pooler_dropout", 0.0),
        dropouts={CLASSIFICATION: ("cls_dropout", None), TOKENS: ("", None)},
    ),
    learns_text=False,
)
