"""Heads of masked language models: from hidden states to logits over the vocabulary."""

import functools

import keras
import tensorflow as tf
from keras import ops

from tfdistill.models.activations import ACTIVATIONS
from tfdistill.models.dense import dense
from tfdistill.models.normalization import LayerNormalization
from tfdistill.system.errors import UserError


def gather_rows(hidden, positions):
    """Selects the hidden states at given positions.

    Args:
        hidden: (batch, length, size).
        positions: int32 (batch, masked).

    Returns:
        (batch, masked, size).
    """
    # In float32, because the gradient sums rows, and Metal has no other kernel for it.
    rows = tf.gather(ops.cast(hidden, "float32"), ops.cast(positions, "int32"), batch_dims=1)
    return ops.cast(rows, hidden.dtype)


def project(rows, kernel):
    """Computes rows kernel^T in the type of the rows.

    Args:
        rows: (…, width).
        kernel: (vocab, width).

    Returns:
        float32 (…, vocab).
    """
    product = tf.matmul(rows, ops.cast(kernel, rows.dtype), transpose_b=True)
    return ops.cast(product, "float32")


class MaskedLanguageModelHead(keras.layers.Layer):
    """Dense, activation and norm before the tied vocabulary projection (Devlin et al., 2019, A.2).

    Args:
        config: EncoderConfig.

    Attributes:
        architecture: end of Hugging Face's class name.
        bias: variable (vocab,), added to the logits.
        extra_inputs: names of the inputs beside those of the encoder: int32 (batch, masked), the
            positions to predict.
        has_vocabulary: True: losses read the rows before the projection and compute the logits in
            chunks.
        labels: (): it has no classes beside the tokens.
        task, note: "": exported files do not name it, and it is Hugging Face's.
        answer_rules: None, as of all heads but that of question answering.
        output_name: name of the logits in exported files.
    """

    architecture = "ForMaskedLM"
    labels, task, note, answer_rules, output_name = (), "", "", None, "logits"
    extra_inputs = ("masked_positions",)
    has_vocabulary = True

    def __init__(self, config):
        super().__init__(name="head")
        self.config = config
        self.dense = dense(config.hidden_size, "dense")
        self.activation = ACTIVATIONS[config.hidden_act]
        self.layer_norm = LayerNormalization(config.layer_norm_eps)
        self.build()

    def build(self, input_shape=None):
        shape = (None, None, self.config.hidden_size)
        self.dense.build(shape)
        self.layer_norm.build(shape)
        self.bias = self.add_weight(
            shape=(self.config.vocab_size,), initializer="zeros", name="bias", autocast=False
        )

    def call(self, hidden):
        return self.layer_norm(self.activation(self.dense(hidden)))

    def transform(self, hidden):
        """Computes the input of the vocabulary projection.

        Args:
            hidden: (..., hidden), the encoder's last hidden states.

        Returns:
            (..., hidden).
        """
        return self(hidden)

    def decoder_kernel(self, embeddings):
        """The vocabulary projection: the word embeddings, a variable (vocab, hidden)."""
        return embeddings.word_embeddings

    def project(self, transformed, embeddings):
        """Projects to the vocabulary; what follows the product is float32.

        Args:
            transformed: (..., hidden), of `transform`; the product has its type.
            embeddings: the model's embeddings.

        Returns:
            float32 (..., vocab).
        """
        # Rank 2: a batched product would compute the gradient of the table once per row.
        rows = ops.reshape(transformed, (-1, self.config.hidden_size))
        logits = self._project_rows(rows, embeddings)
        return ops.reshape(logits, (*ops.shape(transformed)[:-1], self.config.vocab_size))

    def _project_rows(self, rows, embeddings):
        return project(rows, embeddings.word_embeddings) + self.bias

    def select(self, inputs):
        """Selects the masked positions: see `SmallHead.select`.

        Args:
            inputs: dict of the batch's tensors, perhaps with "masked_positions", int32
                (batch, masked).
        """
        if "masked_positions" not in inputs:
            return None
        return functools.partial(gather_rows, positions=inputs["masked_positions"])

    def logits(self, hidden, inputs, embeddings, dropout=None):
        """Computes the logits.

        Args:
            hidden: (batch, rows, hidden), the last hidden states of the rows of `select`.
            inputs: dict of the batch's tensors.
            embeddings: the model's embeddings.
            dropout: ignored: the head has none.

        Returns:
            float32 (batch, rows, vocab).
        """
        return self.project(self.transform(hidden), embeddings)

    def export_logits(self, hidden, inputs, embeddings):
        """The same for exported models: one product in the file, and nothing behind it.

        A reshape of the logits would copy them. Other rows than a single one are of rank 2 all the
        way.
        """
        if hidden.shape[:2] == (1, 1):
            return self._project_rows(self.transform(hidden), embeddings)
        rows = self.transform(tf.reshape(hidden, (-1, self.config.hidden_size)))
        logits = self.project(rows, embeddings)  # (batch * masked, vocab)
        shape = tf.concat([tf.shape(hidden)[:2], [self.config.vocab_size]], axis=0)
        return tf.reshape(logits, shape)  # (batch, masked, vocab)


class RobertaHead(MaskedLanguageModelHead):
    """RoBERTa's head: its activation is GELU, whatever that of the layers is.

    Args:
        config: RobertaConfig.
    """

    def __init__(self, config):
        super().__init__(config)
        self.activation = ACTIVATIONS["gelu"]


def no_head(config):
    """Stands for the masked-LM head of a model type that has none here.

    Args:
        config: EncoderConfig.

    Raises:
        UserError: always.
    """
    raise UserError(
        f"models of type {config.model_type} have no masked-LM head here: use them for tasks with "
        "labels, or as teachers whose hidden states are read"
    )


class MobileBertHead(MaskedLanguageModelHead):
    """MobileBERT's head: only a part of its vocabulary projection is tied.

    Args:
        config: MobileBertConfig.

    Attributes:
        extra_kernel: variable (vocab, hidden - embedding), the part of the projection beside the
            word embeddings.
    """

    def build(self, input_shape=None):
        super().build(input_shape)
        config = self.config
        self.extra_kernel = self.add_weight(
            shape=(config.vocab_size, config.hidden_size - config.embedding_size),
            initializer="zeros",
            name="extra_kernel",
            autocast=False,
        )

    def decoder_kernel(self, embeddings):
        """The whole vocabulary projection.

        Args:
            embeddings: the model's `TrigramEmbeddings`.

        Returns:
            (vocab, hidden).
        """
        words = ops.convert_to_tensor(embeddings.word_embeddings)
        return (
            tf.concat((words, self.extra_kernel), axis=1) if self.extra_kernel.shape[1] else words
        )

    def _project_rows(self, rows, embeddings):
        # Two products: the word embeddings stay one table, which a file need not hold twice.
        split = self.config.embedding_size
        logits = project(rows[..., :split], embeddings.word_embeddings)
        if self.extra_kernel.shape[1]:
            logits = logits + project(rows[..., split:], self.extra_kernel)
        return logits + self.bias
