"""The shape of MobileBERT and of its inverted-bottleneck teacher."""

import dataclasses
import re

from tfdistill.models.configs.encoder_config import EncoderConfig, require

LAYER_NORM, NO_NORM = NORMALIZATIONS = ("layer_norm", "no_norm")

# What Hugging Face's config can say and this encoder does not compute.
_FIXED = {"trigram_input": True, "use_bottleneck": True}

# Of Sun et al. (2020), table 1 and section 4.2.
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

    TYPES = ("mobilebert",)
    ATTENTION_SIZE = "intra_bottleneck_size"
    NARROWER = ()
    INHERITED = ("max_position_embeddings",)
    OF_EMBEDDINGS = ("hidden_size", "embedding_size")
    OF_LAYERS = (
        *OF_EMBEDDINGS,
        "intra_bottleneck_size",
        "num_attention_heads",
        "intermediate_size",
        "num_feedforward_networks",
        "hidden_act",
        "use_bottleneck_attention",
        "normalization_type",
    )

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

    @classmethod
    def from_hugging_face(cls, values):
        """Read the content of a Hugging Face config.json; see `EncoderConfig`."""
        for name, value in _FIXED.items():
            require(values.get(name, value) == value, f"{name} is false: that is not supported")
        return super().from_hugging_face(values)

    def to_hugging_face(self):
        """The content of config.json, as Hugging Face's AutoModelForMaskedLM reads it."""
        values = {"architectures": ["MobileBertForMaskedLM"], **dataclasses.asdict(self), **_FIXED}
        return values | {"classifier_activation": True}


def named_mobilebert(name, vocab_size):
    """A shape by name.

    Args:
        name: "mobilebert", "mobilebert_tiny", "ib_bert_large" (the teacher), or a shape in the
            style of the authors' release, "L-24_H-128_B-512_A-4_F-4_OPT": layers, width inside the
            layers, width between them, heads, feed-forward parts; optionally "_I-512" (inner width
            of those; four times the width inside) and "_E-128" (width of the word embeddings). OPT
            is ReLU and no norm, else it is GELU and LayerNorm.
        vocab_size: number of tokens.

    Returns:
        MobileBertConfig, or None where the name is none.

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
