"""Parts of Hugging Face's tensor names that model types share.

Each function returns a dict of names to (variable, whether the file holds it transposed).
"""


def embedding_tensors(embeddings):
    """Tables and norm of the embeddings, under BERT's names."""
    named = {}
    for table in ("word_embeddings", "position_embeddings", "token_type_embeddings"):
        variable = getattr(embeddings, table)
        if variable is not None:
            named[f"embeddings.{table}.weight"] = (variable, False)
    return named | norm_tensors("embeddings.LayerNorm", embeddings.layer_norm)


def layer_tensors(prefix, names, block):
    """The eight parts of a `TransformerLayer`.

    Args:
        prefix: name of the layer.
        names: of query, key, value, attention output, attention norm, intermediate, output and
            output norm.
        block: `TransformerLayer`.
    """
    attention = block.attention
    parts = (
        attention.query,
        attention.key,
        attention.value,
        attention.output_dense,
        block.attention_norm,
        block.intermediate,
        block.output_dense,
        block.output_norm,
    )
    return part_tensors(prefix, names, parts)


def part_tensors(prefix, names, parts):
    """Dense layers and norms by name.

    Args:
        prefix: str, before every name.
        names: str of each part.
        parts: Dense layers and norms.
    """
    named = {}
    for name, part in zip(names, parts, strict=True):
        full = f"{prefix}.{name}"
        named |= dense_tensors(full, part) if hasattr(part, "kernel") else norm_tensors(full, part)
    return named


def dense_tensors(name, layer):
    """Kernel and bias of a Dense layer."""
    return {f"{name}.weight": (layer.kernel, True), f"{name}.bias": (layer.bias, False)}


def norm_tensors(name, layer):
    """Scale and shift of a norm."""
    return {f"{name}.weight": (layer.gamma, False), f"{name}.bias": (layer.beta, False)}
