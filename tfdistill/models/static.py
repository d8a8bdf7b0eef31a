"""The encoder of static models: each token has one vector, whatever stands beside it."""

import keras
from keras import ops

from tfdistill.models.encoder import Encoder
from tfdistill.models.model import Model


class StaticEmbeddings(keras.layers.Layer):
    """A vector for each token, times a weight of the token.

    Args:
        config: StaticConfig.
        name: str.

    Attributes:
        word_embeddings: variable (vocab, width).
        token_weights: variable (vocab,).
        position_embeddings, token_type_embeddings: None.
    """

    position_embeddings = token_type_embeddings = None

    def __init__(self, config, name="embeddings"):
        # No autocast: it would copy the whole table before each lookup.
        super().__init__(name=name, autocast=False)
        self.config = config

    def build(self, input_shape=None):
        rows, width = self.config.vocab_size, self.config.hidden_size
        self.word_embeddings = self.add_weight(
            shape=(rows, width), initializer="zeros", name="word_embeddings", autocast=False
        )
        self.token_weights = self.add_weight(
            shape=(rows,), initializer="ones", name="token_weights", autocast=False
        )

    def call(self, input_ids, token_type_ids=None, dropout=None):
        """Looks tokens up.

        Args:
            input_ids: int32 (batch, length).
            token_type_ids, dropout: ignored.

        Returns:
            float32 (batch, length, width).
        """
        vectors = ops.take(self.word_embeddings, input_ids, axis=0)  # (batch, length, width)
        return vectors * ops.take(self.token_weights, input_ids, axis=0)[..., None]

    def restrict_gradient(self, variable, gradient, rows=None):
        """The part of a gradient that training may apply: all; see `Embeddings`."""
        return gradient


class FoldedEmbeddings(StaticEmbeddings):
    """`StaticEmbeddings` whose weights are part of the vectors."""

    def call(self, input_ids, token_type_ids=None, dropout=None):
        return ops.take(self.word_embeddings, input_ids, axis=0)


def fold(model):
    """Makes the model that is exported in place of a static one: one table instead of two.

    Args:
        model: a `Model` whose encoder is static. It is not changed.

    Returns:
        A `Model` with the same head and outputs.
    """
    encoder = Encoder(model.config, (FoldedEmbeddings, None))
    source = model.encoder.embeddings
    weights = source.token_weights.numpy()
    encoder.embeddings.word_embeddings.assign(source.word_embeddings.numpy() * weights[:, None])
    return Model(encoder, model.head, seed=None, name="folded")
