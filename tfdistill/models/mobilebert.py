"""The parts of MobileBERT: trigram embeddings, layers with bottlenecks, NoNorm, its head.

With a width inside the layers that is larger than the one between them, it is the
inverted-bottleneck teacher (Sun et al., 2020, section 3).
"""

import keras
import tensorflow as tf
from keras import ops

from tfdistill.models.configs.mobilebert_config import NO_NORM
from tfdistill.models.dropout import stateless_dropout
from tfdistill.models.layers import (
    ACTIVATIONS,
    LayerNormalization,
    SelfAttention,
    end_of_norm,
)

# Of the norms that Hugging Face gives no constant: PyTorch's own.
DEFAULT_EPSILON = 1e-5


class NoNorm(keras.layers.Layer):
    """A scale and a shift, gamma * x + beta (Sun et al., 2020, section 3.3)."""

    def build(self, input_shape):
        options = dict(shape=(input_shape[-1],), autocast=False)
        self.gamma = self.add_weight(initializer="ones", name="gamma", **options)
        self.beta = self.add_weight(initializer="zeros", name="beta", **options)

    def call(self, x):
        wide = ops.cast(x, "float32")
        return end_of_norm(ops.cast(wide * self.gamma + self.beta, self.compute_dtype))


def _norm(config, name, epsilon=None):
    if config.normalization_type == NO_NORM:
        return NoNorm(name=name, autocast=False)
    return LayerNormalization(epsilon or config.layer_norm_eps, name=name)


def _dense(width, name):
    return keras.layers.Dense(width, kernel_initializer="zeros", name=name)


class TrigramEmbeddings(keras.layers.Layer):
    """Narrow word embeddings of a token and its neighbours, made as wide as the layers' stream.

    Sun et al. (2020), section 3.1. Beyond the row's ends are zeros. Past a sentence's last token
    stands [PAD]: where its row is zero, as training keeps it, padding changes nothing.

    Args:
        config: MobileBertConfig.
        name: str.

    Attributes:
        word_embeddings: variable (vocab, embedding), which the masked-LM head shares.
        position_embeddings: variable (positions, hidden).
        token_type_embeddings: variable (token types, hidden).
        read_by_neighbours: True: padding's row of the word embeddings must not learn.
    """

    site = 0
    read_by_neighbours = True
    COPIED = ("transformation",)

    def __init__(self, config, name="embeddings"):
        super().__init__(name=name, autocast=False)
        self.config = config
        self.transformation = _dense(config.hidden_size, "transformation")
        self.layer_norm = _norm(config, "layer_norm", DEFAULT_EPSILON)

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
        """Embeds tokens; arguments and result as `layers.Embeddings.call`."""
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


class Bottleneck(keras.layers.Layer):
    """A Dense layer to another width, a residual where there is one, and a norm.

    Args:
        config: MobileBertConfig.
        width: of what comes out.
        name: str.
        epsilon: of a LayerNorm; None: the config's.
    """

    def __init__(self, config, width, name, epsilon=None):
        super().__init__(name=name)
        self.dense = _dense(width, "dense")
        self.norm = _norm(config, "norm", epsilon)
        self.width = width

    def build(self, input_shape):
        self.dense.build(input_shape)
        self.norm.build((*input_shape[:-1], self.width))

    def call(self, hidden, residual=None):
        hidden = self.dense(hidden)
        return self.norm(hidden if residual is None else hidden + residual)


class FeedForward(keras.layers.Layer):
    """Dense, activation, Dense, residual, norm.

    Args:
        config: MobileBertConfig.
        name: str.
        epsilon: of a LayerNorm; None: the config's.
    """

    def __init__(self, config, name, epsilon=None):
        super().__init__(name=name)
        self.config = config
        self.intermediate = _dense(config.intermediate_size, "intermediate")
        self.activation = ACTIVATIONS[config.hidden_act]
        self.output_part = Bottleneck(config, config.intra_bottleneck_size, "output", epsilon)

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

    def __init__(self, config, index, name):
        super().__init__(name=name)
        self.config = config
        attention_site, self.output_site, _ = range(3 * index + 1, 3 * index + 4)
        inside = config.intra_bottleneck_size
        self.input_bottleneck = Bottleneck(config, inside, "input_bottleneck")
        self.key_query_bottleneck = None
        if config.key_query_shared_bottleneck:
            self.key_query_bottleneck = Bottleneck(config, inside, "key_query_bottleneck")
        self.attention = SelfAttention(config, attention_site)
        self.attention_norm = _norm(config, "attention_norm")
        *stacked, last = range(config.num_feedforward_networks)
        self.feed_forward = [FeedForward(config, f"feed_forward_{part}") for part in stacked]
        self.feed_forward += [FeedForward(config, f"feed_forward_{last}", DEFAULT_EPSILON)]
        self.output_dense = _dense(config.hidden_size, "output")
        self.output_norm = _norm(config, "output_norm")

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

    def call(self, hidden, attention_mask=None, dropout=None, taps=frozenset()):
        """Applies the layer.

        Args:
            hidden: (batch, length, hidden).
            attention_mask, dropout, taps: as `SelfAttention.call`.

        Returns:
            As `SelfAttention.call`.
        """
        inside = self.input_bottleneck(hidden)  # (batch, length, intra bottleneck)
        shared = self.key_query_bottleneck(hidden) if self._wide_values else inside
        attended, tapped = self.attention(
            shared,
            values_from=hidden if self._wide_values else None,
            attention_mask=attention_mask,
            dropout=dropout,
            taps=taps,
        )
        inside = self.attention_norm(attended + inside)
        for part in self.feed_forward:
            inside = part(inside)
        wide = stateless_dropout(
            self.output_dense(inside), self.config.hidden_dropout_prob, dropout, self.output_site
        )
        return self.output_norm(wide + hidden), tapped
