"""The embeddings of BERT and DistilBERT."""

import keras
from keras import ops

from tfdistill.models.dropout import stateless_dropout
from tfdistill.models.normalization import LayerNormalization


class Embeddings(keras.layers.Layer):
    """Sum of word, position and token-type embeddings, normalized (Devlin et al., 2019, figure 2).

    Args:
        config: EncoderConfig; no token types where its `type_vocab_size` is 0.
        name: str.

    Attributes:
        word_embeddings: variable (vocab, hidden), which the masked-LM head shares.
        position_embeddings: variable (positions, hidden).
        token_type_embeddings: variable (token types, hidden), or None.
    """

    site = 0  # dropout site; the layers have the sites from 1 on

    def __init__(self, config, name="embeddings"):
        # No autocast: it would copy the whole table before each lookup.
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
        # A slice instead of a lookup: its gradient, and so the update, is dense.
        hidden = words + self.position_embeddings[: input_ids.shape[1]]
        if self.token_type_embeddings is not None:
            if token_type_ids is None:
                hidden = hidden + self.token_type_embeddings[:1]
            else:
                hidden = hidden + ops.take(self.token_type_embeddings, token_type_ids, axis=0)
        hidden = self.layer_norm(hidden)
        return stateless_dropout(hidden, self.config.hidden_dropout_prob, dropout, self.site)

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
