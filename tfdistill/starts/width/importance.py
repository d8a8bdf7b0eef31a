"""First-order importance of a model's heads, neurons and dimensions."""

import dataclasses

import numpy as np
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class LayerImportance:
    """Importance of the units of one layer, as float64 arrays.

    Attributes:
        heads: (heads,).
        query_dims: (heads, head size), dimensions of the queries and keys.
        value_dims: (heads, head size), dimensions of the values.
        neurons: (intermediate,).
    """

    heads: np.ndarray
    query_dims: np.ndarray
    value_dims: np.ndarray
    neurons: np.ndarray


def unit_importance(model, text, seed=0, loss=None):
    """First-order importance of every unit (Michel et al., 2019, equation 2).

    A unit's importance is |dL/dg| for a gate g = 1 on its output, summed over the batches. As one
    kernel alone reads the gate, this is |sum w dL/dw| over the weights that read the unit
    (DynaBERT, Hou et al., 2020, section 2.1): rows of the attention's output kernel for heads and
    value dimensions, and of the feed-forward output kernel for neurons. For a query dimension the
    weights that write it are summed instead, a column of the query kernel with its bias; for a
    dimension of the stream, the scales and shifts of all norms of the encoder.

    L is `loss`, by default the masked-LM loss. For a model without a head, it is sum(r h) /
    sqrt(tokens) over the last hidden states h of real tokens, with r drawn from N(0, 1): the
    expected squared derivative then measures how far the hidden states move.

    Args:
        model: `Model`.
        text: `Text`.
        seed: int, of r.
        loss: function of the model and a batch, a dict of tensors, to a scalar; None: as above.

    Returns:
        (float64 (hidden,), importance of the dimensions of the stream; list of a
        `LayerImportance` per layer).
    """
    own = _masked_lm_loss if model.head is not None else _hidden_state_loss
    generator = np.random.default_rng(seed)
    totals = None
    for batch, real in zip(text.batches, text.real, strict=True):
        with tf.GradientTape() as tape:
            value = loss(model, batch) if loss else own(model, batch, real, generator)
        gates = _gates(model, tape, value)
        sizes = [np.abs(gate) for gate in gates]
        totals = sizes if totals is None else [a + b for a, b in zip(totals, sizes, strict=True)]
    stream, *rest = totals
    layers = [LayerImportance(*rest[at : at + 4]) for at in range(0, len(rest), 4)]
    return stream, layers


def _masked_lm_loss(model, batch, real, generator):
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=batch["masked_labels"], logits=model(batch)["logits"]
    )
    weights = batch["masked_weights"]
    return tf.reduce_sum(losses * weights) / tf.maximum(tf.reduce_sum(weights), 1.0)


def _hidden_state_loss(model, batch, real, generator):
    hidden = model(batch)["last_hidden_state"]  # (batch, length, hidden)
    draws = generator.standard_normal(hidden.shape, dtype=np.float32) * real[..., None]
    return tf.reduce_sum(hidden * draws) / np.sqrt(max(real.sum(), 1))


def _gates(model, tape, loss):
    """Derivatives by the gates of the stream, then of the four kinds of units of each layer."""
    config = model.config
    by_head = (config.num_attention_heads, config.head_size)
    norms = [model.encoder.embeddings.layer_norm]
    norms += [norm for block in model.encoder.blocks for norm in block_norms(block)]
    kernels = [
        kernel
        for block in model.encoder.blocks
        for kernel in (
            block.attention.query.kernel,
            block.attention.query.bias,
            block.attention.output_dense.kernel,
            block.output_dense.kernel,
        )
    ]
    variables = [v for norm in norms for v in (norm.gamma, norm.beta)] + kernels
    # Each replica has a copy of its own; the tape recorded reads of the first.
    copies = tf.distribute.get_strategy().experimental_local_results
    sources = [copies(variable.value)[0] for variable in variables]
    products = [
        np.asarray(source, np.float64) * np.asarray(gradient, np.float64)
        for source, gradient in zip(sources, tape.gradient(loss, sources), strict=True)
    ]
    gates = [np.sum(products[: 2 * len(norms)], axis=0)]
    rest = products[2 * len(norms) :]
    for at in range(0, len(rest), 4):
        query_kernel, query_bias, attention_output, output = rest[at : at + 4]
        values = attention_output.sum(axis=1).reshape(by_head)
        queries = (query_kernel.sum(axis=0) + query_bias).reshape(by_head)
        gates += [values.sum(axis=1), queries, values, output.sum(axis=1)]
    return gates


def block_norms(block):
    """The two norms of a `TransformerLayer`, in the order in which they run."""
    return block.attention_norm, block.output_norm
