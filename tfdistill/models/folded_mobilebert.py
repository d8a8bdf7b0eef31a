"""MobileBERT without NoNorms, for exported files: their scales and shifts lie in the kernels.

A NoNorm is y = gamma * (dense(x) + residual) + beta (Sun et al., 2020, section 3.3). The kernel and
the bias of the dense layer take gamma and beta. A norm without a residual is gone then; of one with
a residual, gamma * residual is left, and nothing where gamma is 1. Rows of a kernel that become
larger or smaller as a whole round to int8 as before.

Gamma could also be carried along the residual stream, into the kernels that read it. Their columns
would then have uneven sizes, which increases the rounding error of int8 files.

The logits are the same except for rounding.
"""

import keras
import numpy as np
from keras import ops

from tfdistill.models.configs.mobilebert import NO_NORM
from tfdistill.models.encoder import Encoder
from tfdistill.models.mobilebert import MobileBertLayer, TrigramEmbeddings
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
    values = {variable.path: variable for variable in model.encoder.variables}
    for variable in encoder.variables:
        variable.assign(values[variable.path])
    scale = model.encoder.embeddings.layer_norm.gamma.numpy()
    for table in (encoder.embeddings.position_embeddings, encoder.embeddings.token_type_embeddings):
        table.assign(table.numpy() * scale)
    for (dense, folded), (_, norm) in zip(norms_of(encoder), norms_of(model.encoder), strict=True):
        gamma, beta = norm.gamma.numpy(), norm.beta.numpy()
        dense.kernel.assign(dense.kernel.numpy() * gamma)
        dense.bias.assign(dense.bias.numpy() * gamma + beta)
        folded.factors = None if np.all(gamma == 1.0) else gamma
    return Model(encoder, model.head, seed=None, name="folded")


def norms_of(encoder):
    """Yields the norms of a MobileBERT, each behind its dense layer: (dense layer, norm)."""
    yield encoder.embeddings.transformation, encoder.embeddings.layer_norm
    for block in encoder.blocks:
        outputs = [part.output_part for part in block.feed_forward]
        for part in filter(None, (block.input_bottleneck, block.key_query_bottleneck, *outputs)):
            yield part.dense, part.norm
        yield block.attention.output_dense, block.attention_norm
        yield block.output_dense, block.output_norm


class FoldedNorm(keras.layers.Layer):
    """What is left of a NoNorm: the sum with the residual, which may be scaled.

    Args:
        config, name, epsilon: as for `mobilebert.make_norm`.

    Attributes:
        factors: float32 (width,), factors of the residual; None for 1.
    """

    def __init__(self, config, name, epsilon=None):
        super().__init__(name=name, autocast=False)
        self.factors = None

    def call(self, x, residual=None):
        if residual is None:
            return x
        if self.factors is not None:
            residual = residual * ops.cast(self.factors, residual.dtype)
        return x + residual


class FoldedEmbeddings(TrigramEmbeddings):
    """`TrigramEmbeddings` whose norm is part of the tables and the dense layer."""

    make_norm = FoldedNorm


class FoldedLayer(MobileBertLayer):
    """A `MobileBertLayer` whose norms are part of the dense layers before them."""

    make_norm = FoldedNorm
