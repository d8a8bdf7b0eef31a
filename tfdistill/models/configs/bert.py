"""BERT (Devlin et al., 2019), arXiv:1810.04805."""

import re

from tfdistill.models.configs.encoder_config import EncoderConfig
from tfdistill.models.configs.model_types import (
    HuggingFaceFormat,
    ModelType,
    Parts,
    StartRules,
    get_model_type,
)
from tfdistill.models.configs.task_heads import CLASSIFICATION, TOKENS, TaskHeads
from tfdistill.models.hugging_face.tensor_names import (
    dense_tensors,
    embedding_tensors,
    layer_tensors,
    norm_tensors,
)

LAYER_PARTS = (
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "attention.output.LayerNorm",
    "intermediate.dense",
    "output.dense",
    "output.LayerNorm",
)
# The bias of the head may also be stored as part of the decoder.
RENAMED_TENSORS = {"cls.predictions.decoder.bias": "cls.predictions.bias"}
# Variants of BERT that the layers do not compute.
ENCODER_ONLY = {"is_decoder": False, "add_cross_attention": False}
REQUIRED = {"position_embedding_type": "absolute", **ENCODER_ONLY}

# Layers, width, heads; the intermediate size is four times the width.
NAMED_SIZES = {
    "tiny": (2, 128, 2),
    "mini": (4, 256, 4),
    "small": (4, 512, 8),
    "medium": (8, 512, 8),
    "base": (12, 768, 12),
}
# Dropout before the heads of tasks with labels; by default the encoder's.
DROPOUTS = dict.fromkeys((CLASSIFICATION, TOKENS), ("classifier_dropout", None))
NEXT_SENTENCE = "cls.seq_relationship"
SHAPE_EXAMPLE = "L-4_H-128_A-2"
STARTS = StartRules(
    narrower=("hidden_size", "num_attention_heads", "intermediate_size"),
    same_layers=("hidden_act",),
    inherited=("max_position_embeddings", "hidden_act"),
    context="attention",
)


def named_shape(name, model_type, vocab_size):
    """A shape of BERT, or of a model type with its sizes, by name.

    Args:
        name: a key of `NAMED_SIZES` (Turc et al., 2019, "Well-Read Students Learn Better", and
            BERT base), or a shape in the notation of their release, "L-4_H-128_A-2" (layers,
            width, heads), optionally with "_I-512" (intermediate size, four times the width when
            left out).
        model_type: such as "bert" or "distilbert".
        vocab_size: int.

    Returns:
        The model type's config, or None for an unknown name.
    """
    if name in NAMED_SIZES:
        layers, width, heads = NAMED_SIZES[name]
        intermediate = None
    else:
        match = re.fullmatch(r"L-(\d+)_H-(\d+)_A-(\d+)(?:_I-(\d+))?", name)
        if not match:
            return None
        layers, width, heads, intermediate = (
            int(part) if part else None for part in match.groups()
        )
    return get_model_type(model_type).config(
        model_type=model_type,
        vocab_size=vocab_size,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * width if intermediate is None else intermediate,
    )


def encoder_tensors(encoder):
    """Hugging Face's names of an encoder's variables; see `HuggingFaceFormat`."""
    named = embedding_tensors(encoder.embeddings)
    for index, block in enumerate(encoder.blocks):
        named |= layer_tensors(f"encoder.layer.{index}", LAYER_PARTS, block)
    return named


def head_tensors(head):
    """Hugging Face's names of the masked-LM head's variables; see `HuggingFaceFormat`."""
    named = dense_tensors("cls.predictions.transform.dense", head.dense)
    named |= norm_tensors("cls.predictions.transform.LayerNorm", head.layer_norm)
    return named | {"cls.predictions.bias": (head.bias, False)}


def _parts():
    from tfdistill.models.embeddings import Embeddings
    from tfdistill.models.heads.masked_lm import MaskedLanguageModelHead
    from tfdistill.models.layers import TransformerLayer

    return Parts(Embeddings, TransformerLayer, MaskedLanguageModelHead)


MODEL_TYPE = ModelType(
    name="bert",
    family="bert",
    config=EncoderConfig,
    parts=_parts,
    hugging_face=HuggingFaceFormat(
        class_prefix="Bert",
        encoder_tensors=encoder_tensors,
        head_tensors=head_tensors,
        renamed_tensors=RENAMED_TENSORS,
        required=REQUIRED,
    ),
    starts=STARTS,
    named_shape=named_shape,
    shape_names=tuple(NAMED_SIZES),
    shape_example=SHAPE_EXAMPLE,
    heads=TaskHeads(
        pooler="bert.pooler.dense",
        pooling="pooler",
        next_sentence=NEXT_SENTENCE,
        dropouts=DROPOUTS,
    ),
)
