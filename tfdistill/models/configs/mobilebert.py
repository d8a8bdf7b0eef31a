"""MobileBERT and its inverted-bottleneck teacher (Sun et al., 2020), arXiv:2004.02984."""

import dataclasses
import re

from tfdistill.models.configs import bert
from tfdistill.models.configs.encoder_config import EncoderConfig
from tfdistill.models.configs.model_types import HuggingFaceFormat, ModelType, Parts, StartRules
from tfdistill.models.configs.task_heads import TaskHeads
from tfdistill.models.configs.values import require
from tfdistill.models.hugging_face.tensor_names import (
    dense_tensors,
    embedding_tensors,
    norm_tensors,
    part_tensors,
)

LAYER_NORM, NO_NORM = NORMALIZATIONS = ("layer_norm", "no_norm")

# Options of Hugging Face's config of which the layers compute this value only.
_REQUIRED = {"trigram_input": True, "use_bottleneck": True}

# Table 1 and section 4.2 of the paper.
NAMED_SHAPES = {
    "mobilebert": "L-24_H-128_B-512_A-4_F-4_OPT",
    "mobilebert_tiny": "L-24_H-128_B-512_A-4_F-2_OPT",
    "ib_bert_large": "L-24_H-1024_B-512_A-4_F-1",
}
_BOTTLENECK_ATTENTION = ("mobilebert_tiny",)
_SHAPE = re.compile(
    r"L-(\d+)_H-(\d+)_B-(\d+)_A-(\d+)_F-(\d+)(?:_I-(\d+))?(?:_E-(\d+))?(?P<opt>_OPT)?"
)


@dataclasses.dataclass(frozen=True)
class MobileBertConfig(EncoderConfig):
    """Shape and constants of a MobileBERT, under Hugging Face's names (Sun et al., 2020).

    Args:
        hidden_size: width between the layers.
        intermediate_size: inner width of each feed-forward part.
        embedding_size: width of the word embeddings.
        intra_bottleneck_size: width inside a layer; larger than `hidden_size` in the
            inverted-bottleneck teacher.
        use_bottleneck_attention: whether queries, keys and values are all made from the layer's
            bottleneck.
        key_query_shared_bottleneck: whether queries and keys are made from a second bottleneck and
            values from the layer's whole input.
        num_feedforward_networks: feed-forward parts in a layer, one after the other.
        normalization_type: "no_norm", a scale and a shift, or "layer_norm".

    Raises:
        UserError: a value is out of range or not of its type.
    """

    ATTENTION_SIZE = "intra_bottleneck_size"

    model_type: str = "mobilebert"
    hidden_size: int = 512
    num_hidden_layers: int = 24
    num_attention_heads: int = 4
    intermediate_size: int = 512
    hidden_act: str = "relu"
    hidden_dropout_prob: float = 0.0
    embedding_size: int = 128
    intra_bottleneck_size: int = 128
    use_bottleneck_attention: bool = False
    key_query_shared_bottleneck: bool = True
    num_feedforward_networks: int = 4
    normalization_type: str = NO_NORM

    def __post_init__(self):
        super().__post_init__()
        require(
            self.use_bottleneck_attention or self.key_query_shared_bottleneck,
            "one of use_bottleneck_attention and key_query_shared_bottleneck must be true",
        )
        # Of the two, Hugging Face takes the first where both are set.
        shared = not self.use_bottleneck_attention
        object.__setattr__(self, "key_query_shared_bottleneck", shared)
        require(
            self.normalization_type in NORMALIZATIONS,
            f"normalization_type {self.normalization_type!r} is not supported; use one of "
            f"{', '.join(NORMALIZATIONS)}",
        )
        require(
            self.embedding_size <= self.hidden_size,
            f"embedding_size {self.embedding_size} is larger than hidden_size {self.hidden_size}",
        )

    @property
    def sizes(self):
        """Fields that must be whole numbers above 0."""
        own = ("embedding_size", "intra_bottleneck_size", "num_feedforward_networks")
        return (*super().sizes, *own)

    def with_dropout(self, rate):
        """The same shape with other dropout, of the attention alone where there is no norm."""
        hidden = 0.0 if self.normalization_type == NO_NORM else rate
        return dataclasses.replace(
            self, hidden_dropout_prob=hidden, attention_probs_dropout_prob=rate
        )


def named_shape(name, model_type, vocab_size):
    """A shape of MobileBERT by name.

    Args:
        name: "mobilebert", "mobilebert_tiny", "ib_bert_large" (the teacher), or a shape in the
            notation of the authors' release, "L-24_H-128_B-512_A-4_F-4_OPT": layers, width inside
            the layers, width between them, heads, feed-forward parts; optionally "_I-512" (inner
            width of the feed-forward parts, four times the width inside when left out) and
            "_E-128" (width of the word embeddings). With "_OPT" the model has ReLU and no norm,
            without it GELU and LayerNorm.
        model_type: "mobilebert".
        vocab_size: int.

    Returns:
        MobileBertConfig, or None for an unknown name.

    Raises:
        UserError: an impossible shape.
    """
    match = _SHAPE.fullmatch(NAMED_SHAPES.get(name, name))
    if not match:
        return None
    layers, inside, between, heads, parts, inner, embedding = (
        int(part) if part else None for part in match.groups()[:7]
    )
    optimised = bool(match["opt"])
    return MobileBertConfig(
        model_type=model_type,
        vocab_size=vocab_size,
        hidden_size=between,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=inner or 4 * inside,
        hidden_act="relu" if optimised else "gelu",
        embedding_size=embedding or min(128, between),
        intra_bottleneck_size=inside,
        use_bottleneck_attention=name in _BOTTLENECK_ATTENTION,
        num_feedforward_networks=parts,
        normalization_type=NO_NORM if optimised else LAYER_NORM,
    )


def encoder_tensors(encoder):
    """Hugging Face's names of an encoder's variables; see `HuggingFaceFormat`."""
    embeddings = encoder.embeddings
    named = embedding_tensors(embeddings)
    named |= dense_tensors("embeddings.embedding_transformation", embeddings.transformation)
    for index, block in enumerate(encoder.blocks):
        named |= _layer_tensors(f"encoder.layer.{index}", block)
    return named


def head_tensors(head):
    """Hugging Face's names of the masked-LM head's variables; see `HuggingFaceFormat`."""
    return bert.head_tensors(head) | {"cls.predictions.dense.weight": (head.extra_kernel, True)}


def _layer_tensors(prefix, block):
    named = _bottleneck_tensors(f"{prefix}.bottleneck.input", block.input_bottleneck)
    if block.key_query_bottleneck is not None:
        named |= _bottleneck_tensors(f"{prefix}.bottleneck.attention", block.key_query_bottleneck)
    attention = block.attention
    parts = (attention.query, attention.key, attention.value, attention.output_dense)
    named |= part_tensors(prefix, bert.LAYER_PARTS[:5], (*parts, block.attention_norm))
    *stacked, last = block.feed_forward
    for number, part in enumerate(stacked):
        named |= dense_tensors(f"{prefix}.ffn.{number}.intermediate.dense", part.intermediate)
        named |= _bottleneck_tensors(f"{prefix}.ffn.{number}.output", part.output_part)
    named |= dense_tensors(f"{prefix}.intermediate.dense", last.intermediate)
    named |= _bottleneck_tensors(f"{prefix}.output", last.output_part)
    named |= dense_tensors(f"{prefix}.output.bottleneck.dense", block.output_dense)
    return named | norm_tensors(f"{prefix}.output.bottleneck.LayerNorm", block.output_norm)


def _bottleneck_tensors(prefix, part):
    dense, norm = f"{prefix}.dense", f"{prefix}.LayerNorm"
    return dense_tensors(dense, part.dense) | norm_tensors(norm, part.norm)


def _parts():
    from tfdistill.models.folded_mobilebert import fold
    from tfdistill.models.heads.masked_lm import MobileBertHead
    from tfdistill.models.mobilebert import MobileBertLayer, TrigramEmbeddings

    return Parts(TrigramEmbeddings, MobileBertLayer, MobileBertHead, fold)


_SAME_EMBEDDINGS = ("hidden_size", "embedding_size")

MODEL_TYPE = ModelType(
    name="mobilebert",
    family="mobilebert",
    config=MobileBertConfig,
    parts=_parts,
    hugging_face=HuggingFaceFormat(
        class_prefix="MobileBert",
        encoder_tensors=encoder_tensors,
        head_tensors=head_tensors,
        renamed_tensors=bert.RENAMED_TENSORS,
        required={**bert.REQUIRED, **_REQUIRED},
        written={**_REQUIRED, "classifier_activation": True},
    ),
    starts=StartRules(
        same_layers=(
            *_SAME_EMBEDDINGS,
            "intra_bottleneck_size",
            "num_attention_heads",
            "intermediate_size",
            "num_feedforward_networks",
            "hidden_act",
            "use_bottleneck_attention",
            "normalization_type",
        ),
        same_embeddings=_SAME_EMBEDDINGS,
        embedding_layers=("transformation",),
        context="trigrams",
    ),
    named_shape=named_shape,
    shape_names=tuple(NAMED_SHAPES),
    shape_example=NAMED_SHAPES["mobilebert"],
    heads=TaskHeads(
        pooler="mobilebert.pooler.dense",
        pooler_key="classifier_activation",
        next_sentence=bert.NEXT_SENTENCE,
        dropouts=bert.DROPOUTS,
    ),
)
