"""The parts of MobileBERT: trigram embeddings, and layers with bottlenecks.

Where the width inside the layers is larger than the width between them, the model is the
inverted-bottleneck teacher (Sun et al., 2020, section 3).
"""

import keras
import tensorflow as tf
from keras import ops

from tfdistill.models.activations import ACTIVATIONS
from tfdistill.models.attention import SelfAttention
from tfdistill.models.configs.mobilebert import NO_NORM
from tfdistill.models.dense import dense
from tfdistill.models.dropout import stateless_dropout
from tfdistill.models.normalization import LayerNormalization, NoNorm

# PyTorch's default, which Hugging Face's MobileBERT has in some of its norms.
DEFAULT_EPSILON = 1e-5


def make_norm(config, name, epsilon=None):
    """Makes the norm that a config asks for.

    Args:
        config: MobileBertConfig.
        name: str.
        epsilon: float, of a LayerNorm; None takes the config's.
    """
    if config.normalization_type == NO_NORM:
        return NoNorm(name=name)
    return LayerNormalization(epsilon or config.layer_norm_eps, name=name)


class TrigramEmbeddings(keras.layers.Layer):
    """Word embeddings of each token and its two neighbours, projected to the hidden size.

    Sun et al. (2020), section 3.1. Zeros stand in for the neighbours beyond a row's ends. The
    right neighbour of a text's last token may be [PAD]: padding changes nothing as long as the
    embedding of [PAD] is zero, as it is in training (see `restrict_gradient`).

    Args:
        config: MobileBertConfig.
        name: str.

    Attributes:
        word_embeddings: variable (vocab, embedding), which the masked-LM head shares.
        position_embeddings: variable (positions, hidden).
        token_type_embeddings: variable (token types, hidden).
    """

    site = 0
    make_norm = staticmethod(make_norm)

    def __init__(self, config, name="embeddings"):
        super().__init__(name=name, autocast=False)
        self.config = config
        self.transformation = dense(config.hidden_size, "transformation")
        self.layer_norm = self.make_norm(config, "layer_norm", DEFAULT_EPSILON)

    def build(self, input_shape=None):
        config = self.config
        self.word_embeddings = self._table(config.vocab_size, config.embedding_size, "word")
        self.position_embeddings = self._table(
            config.max_position_embeddings, config.hidden_size, "position"
        )
        self.token_type_embeddings = self._table(
            config.type_vocab_size, config.hidden_size, "token_type"
        )
        self.transformation.build((None, None, 3 * config.embedding_size))
        self.layer_norm.build((None, None, config.hidden_size))

    def _table(self, rows, width, name):
        return self.add_weight(
            shape=(rows, width), initializer="zeros", name=f"{name}_embeddings", autocast=False
        )

    def call(self, input_ids, token_type_ids=None, dropout=None):
        """Embeds tokens; arguments and result as `Embeddings.call`."""
        words = ops.take(self.word_embeddings, input_ids, axis=0)  # (batch, length, embedding)
        after = tf.pad(words[:, 1:], ((0, 0), (0, 1), (0, 0)))
        before = tf.pad(words[:, :-1], ((0, 0), (1, 0), (0, 0)))
        trigrams = tf.concat((after, words, before), axis=-1)  # (batch, length, 3 * embedding)
        trigrams = ops.cast(trigrams, self.compute_dtype)
        hidden = ops.cast(self.transformation(trigrams), "float32")
        hidden = hidden + self.position_embeddings[: input_ids.shape[1]]
        if token_type_ids is None:
            hidden = hidden + self.token_type_embeddings[:1]
        else:
            hidden = hidden + ops.take(self.token_type_embeddings, token_type_ids, axis=0)
        hidden = self.layer_norm(hidden)
        return stateless_dropout(hidden, self.config.hidden_dropout_prob, dropout, self.site)

    def layer_options(self, inputs):
        """Further arguments of the `call` of every layer: a dict, here empty."""
        return {}

    def restrict_gradient(self, variable, gradient, rows=None):
        """Zeroes the gradient of [PAD]'s word embedding, which real tokens read.

        Arguments and result as `Embeddings.restrict_gradient`.
        """
        if variable is not self.word_embeddings:
            return gradient
        rows = tf.range(gradient.shape[0]) if rows is None else tf.constant(rows)
        return tf.where(rows[:, None] == self.config.pad_token_id, 0.0, gradient)


class Bottleneck(keras.layers.Layer):
    """A Dense layer to another width, an optional residual connection, and a norm.

    Args:
        width: int, size of the output.
        name: str.
        norm: layer.
    """

    def __init__(self, width, name, norm):
        super().__init__(name=name)
        self.dense = dense(width, "dense")
        self.norm = norm
        self.width = width

    def build(self, input_shape):
        self.dense.build(input_shape)
        self.norm.build((*input_shape[:-1], self.width))

    def call(self, hidden, residual=None):
        return self.norm(self.dense(hidden), residual)


class FeedForward(keras.layers.Layer):
    """Dense, activation, Dense, residual, norm.

    Args:
        config: MobileBertConfig.
        name: str.
        norm: layer.
    """

    def __init__(self, config, name, norm):
        super().__init__(name=name)
        self.config = config
        self.intermediate = dense(config.intermediate_size, "intermediate")
        self.activation = ACTIVATIONS[config.hidden_act]
        self.output_part = Bottleneck(config.intra_bottleneck_size, "output", norm)

    def build(self, input_shape):
        self.intermediate.build(input_shape)
        self.output_part.build((*input_shape[:-1], self.config.intermediate_size))

    def call(self, hidden):
        return self.output_part(self.activation(self.intermediate(hidden)), hidden)


class MobileBertLayer(keras.layers.Layer):
    """Attention and feed-forward parts between two bottlenecks (Sun et al., 2020, figure 1c).

    Args:
        config: MobileBertConfig.
        index: int, the layer's place in the encoder.
        name: str.
    """

    make_norm = staticmethod(make_norm)

    def __init__(self, config, index, name):
        super().__init__(name=name)
        self.config = config
        attention_site, self.output_site, _ = range(3 * index + 1, 3 * index + 4)
        inside = config.intra_bottleneck_size
        self.input_bottleneck = Bottleneck(inside, "input_bottleneck", self._norm())
        self.key_query_bottleneck = None
        if config.key_query_shared_bottleneck:
            self.key_query_bottleneck = Bottleneck(inside, "key_query_bottleneck", self._norm())
        self.attention = SelfAttention(config, attention_site)
        self.attention_norm = self._norm("attention_norm")
        parts = config.num_feedforward_networks
        epsilons = [None] * (parts - 1) + [DEFAULT_EPSILON]
        self.feed_forward = [
            FeedForward(config, f"feed_forward_{part}", self._norm(epsilon=epsilons[part]))
            for part in range(parts)
        ]
        self.output_dense = dense(config.hidden_size, "output")
        self.output_norm = self._norm("output_norm")

    def _norm(self, name="norm", epsilon=None):
        return self.make_norm(self.config, name, epsilon)

    def build(self, input_shape):
        inside = (*input_shape[:-1], self.config.intra_bottleneck_size)
        self.input_bottleneck.build(input_shape)
        if self.key_query_bottleneck is not None:
            self.key_query_bottleneck.build(input_shape)
        self.attention.build(inside, values_shape=input_shape if self._wide_values else inside)
        self.attention_norm.build(inside)
        for part in self.feed_forward:
            part.build(inside)
        self.output_dense.build(inside)
        self.output_norm.build(input_shape)

    @property
    def _wide_values(self):
        return self.key_query_bottleneck is not None

    def call(self, hidden, select=None, attention_mask=None, dropout=None, taps=frozenset()):
        """Applies the layer; arguments and result as `TransformerLayer.call`."""
        select = select or _all_rows
        rows = select(hidden)
        if self._wide_values:
            inside = self.input_bottleneck(rows)  # (batch, rows, intra bottleneck)
            shared = self.key_query_bottleneck(hidden)  # (batch, length, intra bottleneck)
        else:
            shared = self.input_bottleneck(hidden)
            inside = select(shared)
        attended, tapped = self.attention(
            shared,
            queries_from=select(shared),
            values_from=hidden if self._wide_values else None,
            attention_mask=attention_mask,
            dropout=dropout,
            taps=taps,
        )
        inside = self.attention_norm(attended, inside)
        for part in self.feed_forward:
            inside = part(inside)
        wide = stateless_dropout(
            self.output_dense(inside), self.config.hidden_dropout_prob, dropout, self.output_site
        )
        return self.output_norm(wide, rows), tapped


def _all_rows(hidden):
    return hidden
