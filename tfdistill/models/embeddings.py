"""The embeddings of BERT and DistilBERT, of RoBERTa, and of ELECTRA."""

import keras
import tensorflow as tf
from keras import ops

from tfdistill.models.dense import dense
from tfdistill.models.dropout import stateless_dropout
from tfdistill.models.normalization import LayerNormalization


class Embeddings(keras.layers.Layer):
    """Sum of word, position and token-type embeddings, normalized (Devlin et al., 2019, figure 2).

    Args:
        config: EncoderConfig; no token types where its `type_vocab_size` is 0.
        name: str.

    Attributes:
        word_embeddings: variable (vocab, width), which the masked-LM head shares.
        position_embeddings: variable (positions, width).
        token_type_embeddings: variable (token types, width), or None.
    """

    site = 0  # dropout site; the layers have the sites from 1 on

    def __init__(self, config, name="embeddings"):
        # No autocast: it would copy the whole table before each lookup.
        super().__init__(name=name, autocast=False)
        self.config = config
        self.layer_norm = LayerNormalization(config.layer_norm_eps)

    @property
    def width(self):
        """Width of the tables."""
        return self.config.hidden_size

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
        self.layer_norm.build((None, None, self.width))

    def _table(self, rows, name):
        shape = (rows, self.width)
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
        hidden = words + self.positions(input_ids)
        if self.token_type_embeddings is not None:
            if token_type_ids is None:
                hidden = hidden + self.token_type_embeddings[:1]
            else:
                hidden = hidden + ops.take(self.token_type_embeddings, token_type_ids, axis=0)
        hidden = self.layer_norm(hidden)
        return stateless_dropout(hidden, self.config.hidden_dropout_prob, dropout, self.site)

    def positions(self, input_ids):
        """The position embeddings of tokens.

        Args:
            input_ids: int32 (batch, length).

        Returns:
            float32 (length, width) or (batch, length, width).
        """
        # A slice instead of a lookup: its gradient, and so the update, is dense.
        return self.position_embeddings[: input_ids.shape[1]]

    def layer_options(self, inputs):
        """Further arguments of the `call` of every layer.

        Args:
            inputs: dict of the batch's tensors.

        Returns:
            dict, here empty.
        """
        return {}

    def restrict_gradient(self, variable, gradient, rows=None):
        """The part of a variable's gradient that training may apply.

        Args:
            variable: a variable of the model.
            gradient: dense tensor of its shape, or (rows, …).
            rows: int32, the rows of the variable that the gradient has; None for all.

        Returns:
            A tensor like `gradient`; here `gradient` itself.
        """
        return gradient


class RobertaEmbeddings(Embeddings):
    """Embeddings whose positions count tokens (Liu et al., 2019, in the form of fairseq).

    The first real token has the position `pad_token_id` + 1, the next one more, wherever padding
    stands in the row; padding has the position `pad_token_id`.

    Args:
        config: RobertaConfig.
        name: str.
    """

    def positions(self, input_ids):
        padding = self.config.pad_token_id
        real = tf.cast(input_ids != padding, tf.int32)  # (batch, length)
        return tf.gather(self.position_embeddings, tf.cumsum(real, axis=1) * real + padding)


class ElectraEmbeddings(Embeddings):
    """Embeddings that are narrower or wider than the layers, and are projected to their width.

    Clark et al. (2020), section 3.2. The projection follows norm and dropout.

    Args:
        config: ElectraConfig.
        name: str.

    Attributes:
        projection: the dense layer to the hidden size; None where the widths are equal.
    """

    def __init__(self, config, name="embeddings"):
        super().__init__(config, name)
        self.projection = None
        if config.embedding_size != config.hidden_size:
            self.projection = dense(config.hidden_size, "projection")

    @property
    def width(self):
        return self.config.embedding_size

    def build(self, input_shape=None):
        super().build(input_shape)
        if self.projection is not None:
            self.projection.build((None, None, self.width))

    def call(self, input_ids, token_type_ids=None, dropout=None):
        hidden = super().call(input_ids, token_type_ids, dropout)
        return hidden if self.projection is None else self.projection(hidden)
