"""The parts of DeBERTa-v3: embeddings without positions, and layers that read relative ones.

It computes what He et al. (2021), arXiv:2006.03654, section 3.1, and their code for version 3 do:
one table of relative positions for all layers, whose keys and queries come from the projections of
the text, and buckets that grow with the distance.
"""

import math

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tfdistill.models.attention import SelfAttention
from tfdistill.models.dropout import stateless_dropout
from tfdistill.models.embeddings import Embeddings
from tfdistill.models.layers import TransformerLayer
from tfdistill.models.normalization import LayerNormalization


def rows_of_distances(distances, config):
    """The rows of the table of relative positions that distances read.

    Distances below half of `position_buckets` have a row each, longer ones share rows on a
    logarithmic scale, and the longest share the last one.

    Args:
        distances: int (any,), positions of queries minus those of keys.
        config: DebertaConfig.

    Returns:
        int32 (any,).
    """
    distances, span = np.asarray(distances), config.span
    if config.position_buckets > 0:
        middle = config.position_buckets // 2
        far = np.maximum(np.abs(distances), middle).astype(np.float32)
        last = np.float32((config.longest_distance - 1) / middle)
        # In float32, like the published models: rounding decides at the ends of buckets.
        steps = np.log(far / np.float32(middle)) / np.log(last) * np.float32(middle - 1)
        buckets = np.sign(distances) * (np.ceil(steps).astype(int) + middle)
        distances = np.where(np.abs(distances) <= middle, distances, buckets)
    return np.clip(distances + span, 0, 2 * span - 1).astype(np.int32)


def by_position(products):
    """Sorts products with relative positions by the position of the other token.

    Args:
        products: (batch, heads, length, 2 * length); column m belongs to the token m - length + 1
            places behind that of the row; the last column is not read.

    Returns:
        (batch, heads, length, length).
    """
    heads, length = products.shape[1:3]
    # Without one column, each row of the flat numbers begins one place later.
    flat = ops.reshape(products, (-1, heads, 2 * length * length))
    flat = flat[:, :, length - 1 : length - 1 + length * (2 * length - 1)]
    return ops.reshape(flat, (-1, heads, length, 2 * length - 1))[:, :, :, :length]


class RelativePositions(keras.layers.Layer):
    """The table of relative positions, and the norm that follows it.

    Args:
        config: DebertaConfig.
        name: str.

    Attributes:
        table: variable (2 * span, hidden).
    """

    def __init__(self, config, name="relative_positions"):
        super().__init__(name=name, autocast=False)
        self.config = config
        self.layer_norm = LayerNormalization(config.layer_norm_eps)

    def build(self, input_shape=None):
        shape = (2 * self.config.span, self.config.hidden_size)
        self.table = self.add_weight(shape=shape, initializer="zeros", name="table", autocast=False)
        self.layer_norm.build(shape)

    def rows(self, length, dropout, site):
        """The vectors of all distances in rows of a length.

        Args:
            length: int.
            dropout: DropoutKey, or None for inference.
            site: int, the dropout site.

        Returns:
            Two tensors (2 * length, hidden): of the distances length - 1 to -length, and of
            1 - length to length.
        """
        normal = ops.cast(self.layer_norm(self.table), "float32")
        if dropout is not None:  # one draw for the whole batch, whichever rows a device has
            dropout = dropout._replace(row=tf.zeros_like(dropout.row))
        dropped = stateless_dropout(normal[None], self.config.hidden_dropout_prob, dropout, site)[0]
        falling = np.arange(length - 1, -length - 1, -1)
        # In float32, because the gradient sums rows, and Metal has no other kernel for it.
        return tuple(
            ops.cast(tf.gather(dropped, rows_of_distances(each, self.config)), self.compute_dtype)
            for each in (falling, -falling)
        )


class DebertaEmbeddings(Embeddings):
    """Word embeddings, normalized; layers read the order of the tokens from relative positions.

    Args:
        config: DebertaConfig.
        name: str.

    Attributes:
        relative_positions: `RelativePositions`, which all layers read.
        position_embeddings, token_type_embeddings: None.
    """

    def __init__(self, config, name="embeddings"):
        super().__init__(config, name)
        self.relative_positions = RelativePositions(config)

    def build(self, input_shape=None):
        config = self.config
        self.word_embeddings = self._table(config.vocab_size, "word_embeddings")
        self.position_embeddings = self.token_type_embeddings = None
        self.layer_norm.build((None, None, config.hidden_size))
        self.relative_positions.build()

    def positions(self, input_ids):
        return 0.0

    def layer_options(self, inputs):
        """The vectors of relative positions, which layers compute where they need them."""
        return {"relative_rows": self.relative_positions.rows}


class DisentangledAttention(SelfAttention):
    """Attention whose scores also compare each token with relative positions.

    He et al. (2021), equation 4: content to content, content to position, and position to content,
    scaled by 1 / sqrt(3 * head size).

    Args:
        config: DebertaConfig.
        site: int, the dropout site of the attention probabilities.
        name: str.
    """

    def call(
        self, hidden, positions, select=None, attention_mask=None, dropout=None, taps=frozenset()
    ):
        """Attends.

        Args:
            hidden: (batch, length, hidden).
            positions: as `RelativePositions.rows`.
            select: function of (batch, length, size) to (batch, rows, size), the rows of the
                output; None: all. The scores of all rows are computed.
            attention_mask, dropout, taps: as `SelfAttention.call`.

        Returns:
            As `SelfAttention.call`.
        """
        scale = 1 / math.sqrt(3 * self.config.head_size)
        queries, keys, values = (
            self._heads(layer(hidden)) for layer in (self.query, self.key, self.value)
        )  # (batch, heads, length, head_size)
        falling, rising = (each[None] for each in positions)  # (1, 2 * length, hidden)
        scaled = queries * scale
        from_content = by_position(_products(scaled, self._heads(self.key(falling))))
        to_content = by_position(_products(keys, self._heads(self.query(rising)) * scale))
        scores = _products(scaled, keys) + from_content + ops.transpose(to_content, (0, 1, 3, 2))
        context, probs = self._mix(scores, values, attention_mask, dropout)
        output = self.output_dense(context if select is None else select(context))
        found = {
            "attention_scores": scores,
            "attention_probs": probs,
            "queries": queries,
            "keys": keys,
            "values": values,
        }
        return output, {name: found[name] for name in taps}

    def _heads(self, x):
        return ops.transpose(self._split_heads(x), (0, 2, 1, 3))


def _products(rows, columns):
    """Products of all pairs: (batch, heads, a, size), (batch or 1, heads, b, size) to (…, a, b)."""
    if columns.shape[0] != rows.shape[0]:
        # TensorFlow 2.21's product (oneDNN, AVX-512) is wrong where it repeats a batch of one.
        columns = ops.broadcast_to(columns, (ops.shape(rows)[0], *columns.shape[1:]))
    return ops.matmul(rows, ops.transpose(columns, (0, 1, 3, 2)))


class DebertaLayer(TransformerLayer):
    """A layer of DeBERTa-v3: BERT's with `DisentangledAttention`.

    Args:
        config: DebertaConfig.
        index: int, the layer's place in the encoder.
        name: str.
    """

    attention_class = DisentangledAttention

    def __init__(self, config, index, name):
        super().__init__(config, index, name)
        # Behind the sites of all layers, and of the head.
        self.position_site = 3 * config.num_hidden_layers + 3 + index

    def attend(self, hidden, select, relative_rows, **options):
        positions = relative_rows(hidden.shape[1], options["dropout"], self.position_site)
        return self.attention(hidden, positions, select=select, **options)
