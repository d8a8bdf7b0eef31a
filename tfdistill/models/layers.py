"""The parts of a BERT layer: embeddings, attention, feed-forward, layer normalisation.

Attention is Dense, reshape, transpose and matmul on static lengths; einsum and
MultiHeadAttention have no kernel on some devices that this must run on.
"""

import contextlib
import contextvars
import functools
import math

import keras
import tensorflow as tf
from keras import ops

from tfdistill.models.dropout import stateless_dropout

_gelu_tanh = functools.partial(ops.gelu, approximate=True)


def _gelu_erf(x):
    """x Phi(x) (Hendrycks & Gimpel, 2016) by erf; Keras takes erfc, which Metal does not have."""
    if x.dtype == "bfloat16":  # float32, which CPUs compute under XLA, is faster as it stands
        return _gelu_in_few_passes(x)
    return 0.5 * x * (1.0 + ops.erf(x * math.sqrt(0.5)))


@tf.custom_gradient
def _gelu_in_few_passes(x):
    """The same, its derivative written out, Phi(x) + x phi(x): CPUs fuse nothing in bfloat16."""
    cdf = 0.5 + 0.5 * ops.erf(x * math.sqrt(0.5))

    def gradient(upstream):
        density = ops.exp(-0.5 * ops.square(x)) / math.sqrt(2.0 * math.pi)
        return upstream * (cdf + x * density)

    return x * cdf, gradient


def _silu(x):
    """x sigmoid(x), the sigmoid in float32: Metal has no other."""
    return x * ops.cast(ops.sigmoid(ops.cast(x, "float32")), x.dtype)


ACTIVATIONS = {
    "gelu": _gelu_erf,
    "gelu_python": _gelu_erf,
    "gelu_new": _gelu_tanh,
    "gelu_pytorch_tanh": _gelu_tanh,
    "gelu_fast": _gelu_tanh,
    "relu": ops.relu,
    "silu": _silu,
    "swish": _silu,
    "tanh": ops.tanh,
}


_scales_apart = contextvars.ContextVar("scales_apart", default=False)


@contextlib.contextmanager
def scales_apart():
    """Keeps what is traced inside from a converter that moves norms' scales into kernels.

    TensorFlow's TFLite converter multiplies gamma into each projection behind a norm. The
    products are quantised worse than the kernels, because a column with a large gamma takes the
    range of all others, and the word table behind the last norm becomes a second table.
    """
    token = _scales_apart.set(True)
    try:
        yield
    finally:
        _scales_apart.reset(token)


def end_of_norm(x):
    """The result of a norm as it is; behind an operator that stops converters in `scales_apart`.

    Args:
        x: float tensor.
    """
    # No number is below this one.
    return tf.maximum(x, x.dtype.min) if _scales_apart.get() else x


class LayerNormalization(keras.layers.Layer):
    """Layer normalisation over the last axis, in float32 (Ba et al., 2016, section 3).

    The output has the compute type of the layer's policy, whatever the input's.

    Args:
        epsilon: float, added to the biased variance.
        name: str.
    """

    def __init__(self, epsilon, name="layer_norm"):
        super().__init__(name=name, autocast=False)
        self.epsilon = epsilon

    def build(self, input_shape):
        size = input_shape[-1]
        options = dict(shape=(size,), autocast=False)
        self.gamma = self.add_weight(initializer="ones", name="gamma", **options)
        self.beta = self.add_weight(initializer="zeros", name="beta", **options)

    def call(self, x):
        wide = ops.cast(x, "float32")
        centered = wide - ops.mean(wide, axis=-1, keepdims=True)
        variance = ops.mean(ops.square(centered), axis=-1, keepdims=True)
        normal = centered * ops.rsqrt(variance + self.epsilon)
        return end_of_norm(ops.cast(normal * self.gamma + self.beta, self.compute_dtype))


class Embeddings(keras.layers.Layer):
    """Sum of word, position and token-type embeddings, normalised (Devlin et al., 2019, figure 2).

    Args:
        config: EncoderConfig; without token types for DistilBERT.
        name: str.

    Attributes:
        word_embeddings: variable (vocab, hidden), which the masked-LM head shares.
        position_embeddings: variable (positions, hidden).
        token_type_embeddings: variable (token types, hidden), or None.
        read_by_neighbours: whether real tokens read the word embedding of padding beside them.
    """

    site = 0
    read_by_neighbours = False
    COPIED = ()  # layers beside tables and norm that a student may take over

    def __init__(self, config, name="embeddings"):
        # Not cast before the lookup: that would be a copy of all the vocabulary.
        super().__init__(name=name, autocast=False)
        self.config = config
        self.layer_norm = LayerNormalization(config.layer_norm_eps)

    def build(self, input_shape=None):
        config = self.config
        self.word_embeddings = self._table(config.vocab_size, "word_embeddings")
        self.position_embeddings = self._table(
            config.max_position_embeddings, "position_embeddings"
        )
        self.token_type_embeddings = None
        if config.type_vocab_size:
            self.token_type_embeddings = self._table(
                config.type_vocab_size, "token_type_embeddings"
            )
        self.layer_norm.build((None, None, config.hidden_size))

    def _table(self, rows, name):
        shape = (rows, self.config.hidden_size)
        return self.add_weight(shape=shape, initializer="zeros", name=name, autocast=False)

    def call(self, input_ids, token_type_ids=None, dropout=None):
        """Embeds tokens.

        Args:
            input_ids: int32 (batch, length).
            token_type_ids: int32 (batch, length), or None for all zeros.
            dropout: DropoutKey, or None for inference.

        Returns:
            (batch, length, hidden).
        """
        words = ops.take(self.word_embeddings, input_ids, axis=0)  # (batch, length, hidden)
        # A slice, not a lookup: its gradient is dense, and so is the update.
        hidden = words + self.position_embeddings[: input_ids.shape[1]]
        if self.token_type_embeddings is not None:
            if token_type_ids is None:
                hidden = hidden + self.token_type_embeddings[:1]
            else:
                hidden = hidden + ops.take(self.token_type_embeddings, token_type_ids, axis=0)
        hidden = self.layer_norm(hidden)
        return stateless_dropout(hidden, self.config.hidden_dropout_prob, dropout, self.site)


class SelfAttention(keras.layers.Layer):
    """Multi-head scaled dot-product self-attention (Vaswani et al., 2017, equation 1).

    Args:
        config: EncoderConfig.
        site: int, the dropout site of the attention probabilities.
        name: str.
    """

    def __init__(self, config, site, name="attention"):
        super().__init__(name=name)
        self.config = config
        self.site = site
        width = config.attention_size
        self.query = keras.layers.Dense(width, kernel_initializer="zeros", name="query")
        self.key = keras.layers.Dense(width, kernel_initializer="zeros", name="key")
        self.value = keras.layers.Dense(width, kernel_initializer="zeros", name="value")
        self.output_dense = keras.layers.Dense(width, kernel_initializer="zeros", name="output")

    def build(self, input_shape, values_shape=None):
        self.query.build(input_shape)
        self.key.build(input_shape)
        self.value.build(values_shape or input_shape)
        self.output_dense.build((*input_shape[:-1], self.config.attention_size))

    def call(self, hidden, values_from=None, attention_mask=None, dropout=None, taps=frozenset()):
        """Attends.

        Args:
            hidden: (batch, length, hidden).
            values_from: (batch, length, size), what values are made from where it is not `hidden`.
            attention_mask: (batch, length), bool or 1 for real tokens and 0 for padding, which
                is not attended to; None: all are real.
            dropout: DropoutKey, or None for inference.
            taps: names of what to return beside the output.

        Returns:
            (output (batch, length, attention size), dict of the tapped tensors).
        """
        config = self.config
        length = hidden.shape[1]
        queries = self._split_heads(self.query(hidden))  # (batch, length, heads, head_size)
        keys = self._split_heads(self.key(hidden))  # (batch, length, heads, head_size)
        values = self.value(hidden if values_from is None else values_from)
        values = ops.transpose(self._split_heads(values), (0, 2, 1, 3))
        scaled = ops.transpose(queries * (1 / math.sqrt(config.head_size)), (0, 2, 1, 3))
        # (batch, heads, length, head_size) x (batch, heads, head_size, length)
        scores = ops.matmul(scaled, ops.transpose(keys, (0, 2, 3, 1)))
        biased = ops.cast(scores, "float32")
        if attention_mask is not None:
            biased = biased + padding_bias(attention_mask)
        probs = ops.cast(ops.softmax(biased), values.dtype)
        kept = stateless_dropout(probs, config.attention_probs_dropout_prob, dropout, self.site)
        context = ops.transpose(ops.matmul(kept, values), (0, 2, 1, 3))
        output = self.output_dense(ops.reshape(context, (-1, length, config.attention_size)))
        tapped = {}
        if "attention_scores" in taps:
            tapped["attention_scores"] = scores  # (batch, heads, length, length)
        if "attention_probs" in taps:
            tapped["attention_probs"] = probs  # (batch, heads, length, length)
        if "queries" in taps:
            tapped["queries"] = ops.transpose(queries, (0, 2, 1, 3))
        if "keys" in taps:
            tapped["keys"] = ops.transpose(keys, (0, 2, 1, 3))
        if "values" in taps:
            tapped["values"] = values  # (batch, heads, length, head_size)
        return output, tapped

    def _split_heads(self, x):
        heads = self.config.num_attention_heads
        return ops.reshape(x, (-1, x.shape[1], heads, self.config.head_size))


def padding_bias(mask):
    """What is added to attention scores so that padding weighs exactly 0, whatever the scores.

    Args:
        mask: (batch, length), bool or 1 for real tokens and 0 for padding.

    Returns:
        float32 (batch, 1, 1, length): 0 for real tokens, float32's lowest number for padding. A
        score is lost in rounding beside that number, so padding's exponential is 0 where a row
        has a real token, and the scores of a row of padding alone are finite and equal.
    """
    real = ops.expand_dims(ops.cast(mask, "bool"), (1, 2))
    return tf.where(real, 0.0, tf.float32.min)


class TransformerLayer(keras.layers.Layer):
    """Attention and feed-forward, each with a residual and a norm after it (post-norm).

    A layer of BERT (Devlin et al., 2019, section 3).

    Args:
        config: EncoderConfig.
        index: int, the layer's place in the encoder.
        name: str.
    """

    drops_attention_output = True  # whether dropout follows the attention

    def __init__(self, config, index, name):
        super().__init__(name=name)
        self.config = config
        attention_site, self.output_site, self.feed_forward_site = range(
            3 * index + 1, 3 * index + 4
        )
        self.attention = SelfAttention(config, attention_site)
        self.attention_norm = LayerNormalization(config.layer_norm_eps, name="attention_norm")
        self.intermediate = keras.layers.Dense(
            config.intermediate_size, kernel_initializer="zeros", name="intermediate"
        )
        self.activation = ACTIVATIONS[config.hidden_act]
        self.output_dense = keras.layers.Dense(
            config.hidden_size, kernel_initializer="zeros", name="output"
        )
        self.output_norm = LayerNormalization(config.layer_norm_eps, name="output_norm")
        self.attention_output_rate = config.hidden_dropout_prob * self.drops_attention_output

    def build(self, input_shape):
        self.attention.build(input_shape)
        self.attention_norm.build(input_shape)
        self.intermediate.build(input_shape)
        self.output_dense.build((*input_shape[:-1], self.config.intermediate_size))
        self.output_norm.build(input_shape)

    def call(self, hidden, attention_mask=None, dropout=None, taps=frozenset()):
        """Applies the layer; arguments and result as `SelfAttention.call`."""
        attended, tapped = self.attention(
            hidden, attention_mask=attention_mask, dropout=dropout, taps=taps
        )
        attended = stateless_dropout(
            attended, self.attention_output_rate, dropout, self.output_site
        )
        hidden = self.attention_norm(hidden + attended)  # (batch, length, hidden)
        wide = self.activation(self.intermediate(hidden))  # (batch, length, intermediate)
        narrow = stateless_dropout(
            self.output_dense(wide),
            self.config.hidden_dropout_prob,
            dropout,
            self.feed_forward_site,
        )
        return self.output_norm(hidden + narrow), tapped


class DistilBertLayer(TransformerLayer):
    """The function of BERT's layer, with one dropout less in training (Sanh et al., 2019, 3)."""

    drops_attention_output = False
