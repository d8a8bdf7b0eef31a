"""Multi-head self-attention.

It consists of Dense, reshape, transpose and matmul on static lengths: einsum and Keras's
MultiHeadAttention have no kernels on Metal.
"""

import contextlib
import contextvars

import keras
import tensorflow as tf
from keras import ops

from tfdistill.models.active_part import active_units, score_scale
from tfdistill.models.dense import dense
from tfdistill.models.dropout import stateless_dropout

CLIPPED = -100.0  # in place of float32's lowest number
_clipped = contextvars.ContextVar("clipped", default=False)


@contextlib.contextmanager
def clipped_padding():
    """Graphs traced inside add -100 to the scores of padding, for attention in integers.

    The range of a sum decides how fine its integers are, so a very low number would leave nothing
    of the scores. -100 leaks where real scores lie about as far below those of padding.
    """
    token = _clipped.set(True)
    try:
        yield
    finally:
        _clipped.reset(token)


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
        self.query = dense(width, "query")
        self.key = dense(width, "key")
        self.value = dense(width, "value")
        self.output_dense = dense(config.stream_size, "output")

    def build(self, input_shape, values_shape=None):
        self.query.build(input_shape)
        self.key.build(input_shape)
        self.value.build(values_shape or input_shape)
        self.output_dense.build((*input_shape[:-1], self.config.attention_size))

    def head_axes(self):
        """Which axes of the variables run over the units of all heads.

        Returns:
            list of (variable, axis): kernel and bias of queries, of keys and of values, and the
            kernel of the output.
        """
        layers = self.query, self.key, self.value
        inner = [pair for each in layers for pair in ((each.kernel, 1), (each.bias, 0))]
        return [*inner, (self.output_dense.kernel, 0)]

    def call(
        self,
        hidden,
        queries_from=None,
        values_from=None,
        attention_mask=None,
        dropout=None,
        taps=frozenset(),
    ):
        """Attends.

        Args:
            hidden: (batch, length, hidden), the input of queries and keys.
            queries_from: (batch, rows, hidden), the input of the queries; None: `hidden`.
            values_from: (batch, length, size), the input of the values; None: `hidden`.
            attention_mask: (batch, length), bool or 1 for real tokens and 0 for padding, which
                gets no attention; None: all tokens are real.
            dropout: DropoutKey, or None for inference.
            taps: names of the tensors to return beside the output.

        Returns:
            (output (batch, rows, stream size), dict of the tapped tensors).
        """
        queries_from = hidden if queries_from is None else queries_from
        queries = self._split_heads(self.query(queries_from))  # (batch, rows, heads, head_size)
        keys = self._split_heads(self.key(hidden))  # (batch, length, heads, head_size)
        values = self.value(hidden if values_from is None else values_from)
        values = ops.transpose(self._split_heads(values), (0, 2, 1, 3))
        scale = score_scale(self.config.head_size, queries.dtype)
        scaled = ops.transpose(queries * scale, (0, 2, 1, 3))
        # (batch, heads, rows, head_size) x (batch, heads, head_size, length)
        scores = ops.matmul(scaled, ops.transpose(keys, (0, 2, 3, 1)))
        context, probs = self._mix(scores, values, attention_mask, dropout)
        output = self.output_dense(context)
        tapped = {}
        if "attention_scores" in taps:
            tapped["attention_scores"] = scores  # (batch, heads, rows, length)
        if "attention_probs" in taps:
            tapped["attention_probs"] = probs  # (batch, heads, rows, length)
        if "queries" in taps:
            tapped["queries"] = ops.transpose(queries, (0, 2, 1, 3))
        if "keys" in taps:
            tapped["keys"] = ops.transpose(keys, (0, 2, 1, 3))
        if "values" in taps:
            tapped["values"] = values  # (batch, heads, length, head_size)
        return output, tapped

    def _mix(self, scores, values, attention_mask, dropout):
        """Mixes values by the softmax of scores.

        Args:
            scores: (batch, heads, rows, length).
            values: (batch, heads, length, head_size).
            attention_mask, dropout: as for `call`.

        Returns:
            ((batch, rows, attention size), the attention (batch, heads, rows, length)).
        """
        config, biased = self.config, ops.cast(scores, "float32")
        if attention_mask is not None:
            biased = biased + padding_bias(attention_mask)
        probs = ops.cast(ops.softmax(biased), values.dtype)
        dropped = stateless_dropout(probs, config.attention_probs_dropout_prob, dropout, self.site)
        context = ops.transpose(ops.matmul(dropped, values), (0, 2, 1, 3))
        rows = ops.shape(scores)[2]
        return ops.reshape(context, (-1, rows, config.attention_size)), probs

    def _split_heads(self, x):
        heads, size = self.config.num_attention_heads, self.config.head_size
        split = ops.reshape(x, (-1, ops.shape(x)[1], heads, size))
        active = active_units("heads", heads), active_units("head_size", size)
        if active[0] is None:
            return split
        return split * ops.cast(active[0][:, None] * active[1], split.dtype)


def padding_bias(mask):
    """The addend that makes the attention to padding exactly 0, however large the scores are.

    Args:
        mask: (batch, length), bool or 1 for real tokens and 0 for padding.

    Returns:
        float32 (batch, 1, 1, length): 0 for real tokens, float32's lowest number for padding. A
        score beside that number is lost in rounding, so that padding's exponential is 0 where a
        row has a real token. The scores of a row of padding alone stay finite and equal. Inside
        `clipped_padding` it is -100.
    """
    real = ops.expand_dims(ops.cast(mask, "bool"), (1, 2))
    return tf.where(real, 0.0, CLIPPED if _clipped.get() else tf.float32.min)
