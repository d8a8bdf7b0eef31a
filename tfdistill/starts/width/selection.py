"""Copies selected heads, neurons and dimensions of a wide model to a narrow one."""

import dataclasses
import math

import numpy as np


@dataclasses.dataclass(frozen=True)
class LayerUnits:
    """Selected units of one layer, as indices in the order that they get.

    Attributes:
        heads: int (heads,).
        query_dims: int (heads, head size), of each selected head.
        value_dims: int (heads, head size), of each selected head.
        neurons: int (intermediate,).
    """

    heads: np.ndarray
    query_dims: np.ndarray
    value_dims: np.ndarray
    neurons: np.ndarray


def first_units(config):
    """Selects the first units of every kind (AutoTinyBERT, Yin et al., 2021, figure 3).

    Args:
        config: EncoderConfig of the narrow model.

    Returns:
        (int (hidden,), dimensions of the stream; list of `LayerUnits`).
    """
    heads, size = np.arange(config.num_attention_heads), np.arange(config.head_size)
    dims = np.tile(size, (len(heads), 1))
    units = LayerUnits(heads, dims, dims, np.arange(config.intermediate_size))
    return np.arange(config.hidden_size), [units] * config.num_hidden_layers


def largest_units(config, stream, layers):
    """Selects the most important units, and puts them first.

    So parts of the narrow model have the best of its units ("rewiring": DynaBERT, Hou et al., 2020,
    section 2.1).

    Args:
        config: EncoderConfig of the narrow model.
        stream, layers: result of `unit_importance`.

    Returns:
        As `first_units`.
    """
    chosen = []
    for layer in layers:
        heads = _largest_first(layer.heads, config.num_attention_heads)
        query_dims, value_dims = (
            np.stack([_largest_first(dims[head], config.head_size) for head in heads])
            for dims in (layer.query_dims, layer.value_dims)
        )
        neurons = _largest_first(layer.neurons, config.intermediate_size)
        chosen.append(LayerUnits(heads, query_dims, value_dims, neurons))
    return _largest_first(stream, config.hidden_size), chosen


def sorted_heads(config, layers):
    """Selects all heads and neurons, the most important first, and leaves the rest in its order.

    Args:
        config: EncoderConfig.
        layers: list of `LayerImportance`.

    Returns:
        list of `LayerUnits`.
    """
    dims = np.tile(np.arange(config.head_size), (config.num_attention_heads, 1))
    return [
        LayerUnits(
            _largest_first(layer.heads, config.num_attention_heads),
            dims,
            dims,
            _largest_first(layer.neurons, config.intermediate_size),
        )
        for layer in layers
    ]


def largest(scores, count):
    """Indices of the `count` largest scores, in rising order; of equal scores the first."""
    return np.sort(_largest_first(scores, count))


def _largest_first(scores, count):
    return np.argsort(-scores, kind="stable")[:count]


def copy_units(source, target, stream, layers):
    """Fills a narrow model with the selected units of a wide one.

    Attention scores are divided by the square root of the head size: queries are scaled by
    sqrt(narrow / wide head size), so that a dimension contributes to the scores as before.

    Args:
        source, target: `MaskedLanguageModel`, of equal depth.
        stream, layers: the selected units, as `first_units` returns.
    """
    ours, theirs = target.encoder, source.encoder
    copy_embeddings(theirs.embeddings, ours.embeddings, stream)
    for wide, narrow, units in zip(theirs.blocks, ours.blocks, layers, strict=True):
        copy_block(wide, narrow, stream, units)
    if source.head is not None:
        copy_head(source.head, target.head, stream)


def copy_embeddings(source, target, stream):
    """Copies the selected dimensions of `Embeddings`; `stream` as `first_units` returns."""
    for name in ("word_embeddings", "position_embeddings", "token_type_embeddings"):
        table = getattr(source, name)
        if table is not None:
            getattr(target, name).assign(np.asarray(table)[:, stream])
    _copy_norm(source.layer_norm, target.layer_norm, stream)


def copy_head(source, target, stream):
    """Copies the selected dimensions of a `MaskedLanguageModelHead` without the tied decoder."""
    _copy_dense(source.dense, target.dense, stream, stream)
    _copy_norm(source.layer_norm, target.layer_norm, stream)
    target.bias.assign(source.bias)


def copy_block(wide, narrow, stream, units):
    """Copies the selected units of a layer, which may be the same: then they get a new order.

    Args:
        wide, narrow: layers of two models.
        stream: int (hidden,), the selected dimensions.
        units: `LayerUnits`.
    """
    size = wide.config.head_size
    queries, values = (
        (units.heads[:, None] * size + dims).ravel()
        for dims in (units.query_dims, units.value_dims)
    )
    ours, theirs = narrow.attention, wide.attention
    scale = math.sqrt(narrow.config.head_size / size)
    _copy_dense(theirs.query, ours.query, stream, queries, scale)
    _copy_dense(theirs.key, ours.key, stream, queries)
    _copy_dense(theirs.value, ours.value, stream, values)
    _copy_dense(theirs.output_dense, ours.output_dense, values, stream)
    _copy_norm(wide.attention_norm, narrow.attention_norm, stream)
    _copy_dense(wide.intermediate, narrow.intermediate, stream, units.neurons)
    _copy_dense(wide.output_dense, narrow.output_dense, units.neurons, stream)
    _copy_norm(wide.output_norm, narrow.output_norm, stream)


def _copy_dense(source, target, inputs, outputs, scale=1.0):
    target.kernel.assign(np.asarray(source.kernel)[np.ix_(inputs, outputs)] * scale)
    target.bias.assign(np.asarray(source.bias)[outputs] * scale)


def _copy_norm(source, target, stream):
    target.gamma.assign(np.asarray(source.gamma)[stream])
    target.beta.assign(np.asarray(source.beta)[stream])
