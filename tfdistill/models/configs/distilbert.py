"""DistilBERT (Sanh et al., 2019), arXiv:1910.01108: BERT without token types."""

from tfdistill.models.configs.bert import (
    ENCODER_ONLY,
    NAMED_SIZES,
    SHAPE_EXAMPLE,
    STARTS,
    named_shape,
)
from tfdistill.models.configs.encoder_config import EncoderConfig
from tfdistill.models.configs.model_types import HuggingFaceFormat, ModelType, Parts
from tfdistill.models.configs.task_heads import CLASSIFICATION, SPANS, TOKENS, TaskHeads
from tfdistill.models.hugging_face.tensor_names import (
    dense_tensors,
    embedding_tensors,
    layer_tensors,
    norm_tensors,
)

LAYER_PARTS = (
    "attention.q_lin",
    "attention.k_lin",
    "attention.v_lin",
    "attention.out_lin",
    "sa_layer_norm",
    "ffn.lin1",
    "ffn.lin2",
    "output_layer_norm",
)


def encoder_tensors(encoder):
    """Hugging Face's names of an encoder's variables; see `HuggingFaceFormat`."""
    named = embedding_tensors(encoder.embeddings)
    for index, block in enumerate(encoder.blocks):
        named |= layer_tensors(f"transformer.layer.{index}", LAYER_PARTS, block)
    return named


def head_tensors(head):
    """Hugging Face's names of the masked-LM head's variables; see `HuggingFaceFormat`."""
    named = dense_tensors("vocab_transform", head.dense)
    named |= norm_tensors("vocab_layer_norm", head.layer_norm)
    return named | {"vocab_projector.bias": (head.bias, False)}


def _parts():
    from tfdistill.models.embeddings import Embeddings
    from tfdistill.models.heads.masked_lm import MaskedLanguageModelHead
    from tfdistill.models.layers import DistilBertLayer

    return Parts(Embeddings, DistilBertLayer, MaskedLanguageModelHead)


MODEL_TYPE = ModelType(
    name="distilbert",
    family="bert",
    config=EncoderConfig,
    parts=_parts,
    hugging_face=HuggingFaceFormat(
        class_prefix="DistilBert",
        encoder_tensors=encoder_tensors,
        head_tensors=head_tensors,
        head_prefix="vocab_",
        decoder="vocab_projector.weight",
        keys={
            "hidden_size": "dim",
            "num_hidden_layers": "n_layers",
            "num_attention_heads": "n_heads",
            "intermediate_size": "hidden_dim",
            "hidden_act": "activation",
            "hidden_dropout_prob": "dropout",
            "attention_probs_dropout_prob": "attention_dropout",
        },
        aliases=("hidden_size", "num_hidden_layers", "num_attention_heads"),
        constants={"type_vocab_size": 0, "layer_norm_eps": 1e-12},
        defaults={"num_hidden_layers": 6},
        required=ENCODER_ONLY,
        written={"sinusoidal_pos_embds": False, "tie_weights_": True},
    ),
    starts=STARTS,
    named_shape=named_shape,
    shape_names=tuple(NAMED_SIZES),
    shape_example=SHAPE_EXAMPLE,
    heads=TaskHeads(
        pooler="pre_classifier",
        pooler_activation="relu",
        pooling="pooler",
        dropouts={
            CLASSIFICATION: ("seq_classif_dropout", 0.2),
            TOKENS: ("", None),
            SPANS: ("qa_dropout", 0.1),
        },
    ),
)
