"""MobileBERT without NoNorms, for exported files: their scales and shifts lie in the kernels.

A NoNorm is y = gamma * (dense(x) + residual) + beta (Sun et al., 2020, section 3.3). The kernel and
the bias of the dense layer take gamma and beta. A norm without a residual is gone then; of one with
a residual, gamma * residual is left, and nothing where gamma is 1. Rows of a kernel that become
larger or smaller as a whole round to int8 as before.

Gamma could also be carried along the residual stream, into the kernels that read it. Their columns
would then have uneven sizes, which increases the rounding error of int8 files.

The logits are the same except for rounding. There is no dropout.
"""

import keras
import numpy as np
from keras import ops

from tfdistill.models.activations import ACTIVATIONS
from tfdistill.models.attention import SelfAttention
from tfdistill.models.configs.mobilebert import NO_NORM
from tfdistill.models.dense import dense
from tfdistill.models.encoder import Encoder
from tfdistill.models.mobilebert import TrigramEmbeddings
from tfdistill.models.model import Model


def fold(model):
    """Makes the model that is exported in place of a MobileBERT.

    Args:
        model: a `Model` whose encoder is a MobileBERT. It is not changed.

    Returns:
        A `Model` with the same head and logits, and without norms in the encoder; `model` itself if
        its norms are LayerNorms.
    """
    if model.config.normalization_type != NO_NORM:
        return model
    encoder = Encoder(model.config, (FoldedEmbeddings, FoldedLayer))
    encoder.embeddings.assign_from(model.encoder.embeddings)
    for layer, block in zip(encoder.blocks, model.encoder.blocks, strict=True):
        layer.assign_from(block)
    return Model(encoder, model.head, seed=None, name="folded")


class FoldedEmbeddings(TrigramEmbeddings):
    """`TrigramEmbeddings` whose norm is part of the tables.

    Args:
        config: MobileBertConfig.
        name: str.
    """

    def make_norm(self, config):
        return keras.layers.Identity(name="layer_norm")

    def assign_from(self, embeddings):
        """Sets the weights to those of a `TrigramEmbeddings`."""
        gamma = embeddings.layer_norm.gamma.numpy()
        self.word_embeddings.assign(embeddings.word_embeddings)
        for name in ("position_embeddings", "token_type_embeddings"):
            getattr(self, name).assign(getattr(embeddings, name).numpy() * gamma)
        _assign(self.transformation, embeddings.transformation, embeddings.layer_norm)


class FoldedLayer(keras.layers.Layer):
    """A `MobileBertLayer` without norms.

    Args:
        config: MobileBertConfig.
        index: int, the layer's place in the encoder.
        name: str.
    """

    def __init__(self, config, index, name):
        super().__init__(name=name)
        self.config = config
        self.activation = ACTIVATIONS[config.hidden_act]
        self.is_wide = config.key_query_shared_bottleneck  # values read the whole input
        inside, parts = config.intra_bottleneck_size, range(config.num_feedforward_networks)
        self.entry = dense(inside, "input_bottleneck")
        self.shared = dense(inside, "key_query_bottleneck") if self.is_wide else None
        self.attention = SelfAttention(config, 3 * index + 1)
        self.intermediate = [dense(config.intermediate_size, f"intermediate_{i}") for i in parts]
        self.narrow = [dense(inside, f"narrow_{i}") for i in parts]
        self.output_dense = dense(config.hidden_size, "output")
        # Of the residuals behind attention, each feed-forward part, and the layer.
        self.factors = [None] * (2 + len(parts))

    def build(self, input_shape):
        inside = (*input_shape[:-1], self.config.intra_bottleneck_size)
        for layer in filter(None, (self.entry, self.shared)):
            layer.build(input_shape)
        self.attention.build(inside, values_shape=input_shape if self.is_wide else inside)
        for intermediate, narrow in zip(self.intermediate, self.narrow, strict=True):
            intermediate.build(inside)
            narrow.build((*input_shape[:-1], self.config.intermediate_size))
        self.output_dense.build(inside)

    def call(self, hidden, select=None, attention_mask=None, dropout=None, taps=frozenset()):
        """Applies the layer; arguments and result as `TransformerLayer.call`, without dropout."""
        select = select or _all_rows
        rows, factors = select(hidden), iter(self.factors)
        if self.is_wide:
            inside, shared = self.entry(rows), self.shared(hidden)
        else:
            shared = self.entry(hidden)
            inside = select(shared)
        attended, tapped = self.attention(
            shared,
            queries_from=select(shared),
            values_from=hidden if self.is_wide else None,
            attention_mask=attention_mask,
            taps=taps,
        )
        inside = _scaled(inside, next(factors)) + attended
        for intermediate, narrow in zip(self.intermediate, self.narrow, strict=True):
            own = narrow(self.activation(intermediate(inside)))
            inside = _scaled(inside, next(factors)) + own
        return _scaled(rows, next(factors)) + self.output_dense(inside), tapped

    def assign_from(self, block):
        """Sets the weights to those of a `MobileBertLayer`."""
        attention = block.attention
        _assign(self.entry, block.input_bottleneck.dense, block.input_bottleneck.norm)
        if self.is_wide:
            bottleneck = block.key_query_bottleneck
            _assign(self.shared, bottleneck.dense, bottleneck.norm)
        for name in ("query", "key", "value"):
            _assign(getattr(self.attention, name), getattr(attention, name))
        for mine, part in zip(self.intermediate, block.feed_forward, strict=True):
            _assign(mine, part.intermediate)
        outputs = [part.output_part for part in block.feed_forward]
        sums = [(self.attention.output_dense, attention.output_dense, block.attention_norm)]
        sums += [
            (mine, part.dense, part.norm) for mine, part in zip(self.narrow, outputs, strict=True)
        ]
        sums.append((self.output_dense, block.output_dense, block.output_norm))
        for mine, layer, norm in sums:
            _assign(mine, layer, norm)
        gammas = [norm.gamma.numpy() for *_, norm in sums]
        self.factors = [None if np.all(gamma == 1.0) else gamma for gamma in gammas]


def _assign(mine, layer, norm=None):
    """Sets a dense layer to another one, with a NoNorm behind it."""
    gamma, beta = (1.0, 0.0) if norm is None else (norm.gamma.numpy(), norm.beta.numpy())
    mine.kernel.assign(layer.kernel.numpy() * gamma)
    mine.bias.assign(layer.bias.numpy() * gamma + beta)


def _scaled(residual, factors):
    return residual if factors is None else residual * ops.cast(factors, residual.dtype)


def _all_rows(hidden):
    return hidden
