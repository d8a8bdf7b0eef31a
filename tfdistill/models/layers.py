"""The layers of BERT and DistilBERT, which RoBERTa and ELECTRA have, too."""

import keras

from tfdistill.models.activations import ACTIVATIONS
from tfdistill.models.active_part import active_units
from tfdistill.models.attention import SelfAttention
from tfdistill.models.dense import dense
from tfdistill.models.dropout import stateless_dropout
from tfdistill.models.normalization import LayerNormalization


class TransformerLayer(keras.layers.Layer):
    """A layer of BERT (Devlin et al., 2019, section 3).

    Attention and feed-forward parts, each followed by the residual connection and a norm
    (post-norm).

    Args:
        config: EncoderConfig.
        index: int, the layer's place in the encoder.
        name: str.
    """

    drops_attention_output = True  # whether dropout follows the attention output
    attention_class = SelfAttention

    def __init__(self, config, index, name):
        super().__init__(name=name)
        self.config = config
        attention_site, self.output_site, self.feed_forward_site = range(
            3 * index + 1, 3 * index + 4
        )
        self.attention = self.attention_class(config, attention_site)
        self.attention_norm = LayerNormalization(config.layer_norm_eps, name="attention_norm")
        self.intermediate = dense(config.intermediate_size, "intermediate")
        self.activation = ACTIVATIONS[config.hidden_act]
        self.output_dense = dense(config.hidden_size, "output")
        self.output_norm = LayerNormalization(config.layer_norm_eps, name="output_norm")
        self.attention_output_rate = config.hidden_dropout_prob * self.drops_attention_output

    def build(self, input_shape):
        self.attention.build(input_shape)
        self.attention_norm.build(input_shape)
        self.intermediate.build(input_shape)
        self.output_dense.build((*input_shape[:-1], self.config.intermediate_size))
        self.output_norm.build(input_shape)

    def call(
        self, hidden, select=None, attention_mask=None, dropout=None, taps=frozenset(), **options
    ):
        """Applies the layer.

        Args:
            hidden: (batch, length, hidden).
            select: function of (batch, length, size) to (batch, rows, size), the rows to compute;
                they attend to all. None: all rows.
            attention_mask, dropout, taps: as `SelfAttention.call`.
            **options: `layer_options` of the embeddings.

        Returns:
            As `SelfAttention.call`.
        """
        rows = hidden if select is None else select(hidden)
        attended, tapped = self.attend(
            hidden,
            select,
            attention_mask=attention_mask,
            dropout=dropout,
            taps=taps,
            **options,
        )
        attended = stateless_dropout(
            attended, self.attention_output_rate, dropout, self.output_site
        )
        rows = self.attention_norm(rows + attended)  # (batch, rows, hidden)
        wide = self.activation(self.intermediate(rows))  # (batch, rows, intermediate)
        active = active_units("intermediate", self.config.intermediate_size)
        if active is not None:
            wide = wide * keras.ops.cast(active, wide.dtype)
        narrow = stateless_dropout(
            self.output_dense(wide),
            self.config.hidden_dropout_prob,
            dropout,
            self.feed_forward_site,
        )
        return self.output_norm(rows + narrow), tapped

    def attend(self, hidden, select, **options):
        """Runs the attention; arguments and result as `call`, without residual and norm."""
        rows = hidden if select is None else select(hidden)
        return self.attention(hidden, queries_from=rows, **options)


class DistilBertLayer(TransformerLayer):
    """A layer of DistilBERT: BERT's without dropout after the attention (Sanh et al., 2019, 3)."""

    drops_attention_output = False
