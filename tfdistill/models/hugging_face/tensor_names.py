"""Hugging Face's names of a model's tensors, by model type.

Each function takes a model and returns a dict of a name, without the model type's prefix, to
(variable, whether the file holds it transposed).
"""

_BERT_LAYER = (
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "attention.output.LayerNorm",
    "intermediate.dense",
    "output.dense",
    "output.LayerNorm",
)
_DISTILBERT_LAYER = (
    "attention.q_lin",
    "attention.k_lin",
    "attention.v_lin",
    "attention.out_lin",
    "sa_layer_norm",
    "ffn.lin1",
    "ffn.lin2",
    "output_layer_norm",
)


def bert(model):
    """Names of a BERT."""
    named = _embeddings(model.encoder.embeddings)
    for index, block in enumerate(model.encoder.blocks):
        named |= _parts(f"encoder.layer.{index}", _BERT_LAYER, _layer_parts(block))
    return named | _bert_head(model.head)


def distilbert(model):
    """Names of a DistilBERT."""
    named = _embeddings(model.encoder.embeddings)
    for index, block in enumerate(model.encoder.blocks):
        named |= _parts(f"transformer.layer.{index}", _DISTILBERT_LAYER, _layer_parts(block))
    if model.head is not None:
        named |= _dense("vocab_transform", model.head.dense)
        named |= _norm("vocab_layer_norm", model.head.layer_norm)
        named["vocab_projector.bias"] = (model.head.bias, False)
    return named


def mobilebert(model):
    """Names of a MobileBERT."""
    embeddings = model.encoder.embeddings
    named = _embeddings(embeddings)
    named |= _dense("embeddings.embedding_transformation", embeddings.transformation)
    for index, block in enumerate(model.encoder.blocks):
        named |= _mobilebert_layer(f"encoder.layer.{index}", block)
    named |= _bert_head(model.head)
    if model.head is not None:
        named["cls.predictions.dense.weight"] = (model.head.extra_kernel, True)
    return named


def _mobilebert_layer(prefix, block):
    named = _bottleneck(f"{prefix}.bottleneck.input", block.input_bottleneck)
    if block.key_query_bottleneck is not None:
        named |= _bottleneck(f"{prefix}.bottleneck.attention", block.key_query_bottleneck)
    attention = block.attention
    parts = (attention.query, attention.key, attention.value, attention.output_dense)
    named |= _parts(prefix, _BERT_LAYER[:5], (*parts, block.attention_norm))
    *stacked, last = block.feed_forward
    for number, part in enumerate(stacked):
        named |= _dense(f"{prefix}.ffn.{number}.intermediate.dense", part.intermediate)
        named |= _bottleneck(f"{prefix}.ffn.{number}.output", part.output_part)
    named |= _dense(f"{prefix}.intermediate.dense", last.intermediate)
    named |= _bottleneck(f"{prefix}.output", last.output_part)
    named |= _dense(f"{prefix}.output.bottleneck.dense", block.output_dense)
    return named | _norm(f"{prefix}.output.bottleneck.LayerNorm", block.output_norm)


def _embeddings(embeddings):
    named = {}
    for table in ("word_embeddings", "position_embeddings", "token_type_embeddings"):
        variable = getattr(embeddings, table)
        if variable is not None:
            named[f"embeddings.{table}.weight"] = (variable, False)
    return named | _norm("embeddings.LayerNorm", embeddings.layer_norm)


def _layer_parts(block):
    attention = block.attention
    return (
        attention.query,
        attention.key,
        attention.value,
        attention.output_dense,
        block.attention_norm,
        block.intermediate,
        block.output_dense,
        block.output_norm,
    )


def _bert_head(head):
    if head is None:
        return {}
    named = _dense("cls.predictions.transform.dense", head.dense)
    named |= _norm("cls.predictions.transform.LayerNorm", head.layer_norm)
    return named | {"cls.predictions.bias": (head.bias, False)}


def _parts(prefix, names, parts):
    named = {}
    for name, part in zip(names, parts, strict=True):
        full = f"{prefix}.{name}"
        named |= _dense(full, part) if hasattr(part, "kernel") else _norm(full, part)
    return named


def _bottleneck(prefix, part):
    return _dense(f"{prefix}.dense", part.dense) | _norm(f"{prefix}.LayerNorm", part.norm)


def _dense(name, layer):
    return {f"{name}.weight": (layer.kernel, True), f"{name}.bias": (layer.bias, False)}


def _norm(name, layer):
    return {f"{name}.weight": (layer.gamma, False), f"{name}.bias": (layer.beta, False)}
