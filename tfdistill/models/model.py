"""The masked language model: an encoder, and the head that turns its rows into logits."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tfdistill.models.architectures import ARCHITECTURES
from tfdistill.models.encoder import Encoder
from tfdistill.models.inputs import as_batch


class MaskedLanguageModel(keras.Model):
    """An encoder with a masked-LM head whose decoder is the word-embedding table.

    All variables exist once it is constructed, and their paths ("encoder/layer_0/…") are the same
    for every model.

    Args:
        config: EncoderConfig.
        with_head: whether there is a head.
        seed: seed of the fresh weights; None leaves the matrices at zero, to be filled.

    Attributes:
        encoder: `Encoder`.
        head: the masked-LM head, or None.
        config: EncoderConfig.

    Example:
        import tfdistill

        shape = tfdistill.EncoderConfig(
            hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
        )
        model = tfdistill.MaskedLanguageModel(shape, seed=1)
        ids, mask = tfdistill.load_tokenizer().encode("The whale [MASK] the ship.", length=16)
        out = model({"input_ids": [ids], "attention_mask": [mask]}, taps={"hidden_states"})
        out["logits"].shape  # (1, 16, 30522)
        len(out["hidden_states"])  # 3: the embeddings and each layer's output
    """

    def __init__(self, config, with_head=True, seed=0):
        super().__init__(name="masked_language_model")
        self.config = config
        self.encoder = Encoder(config)
        self.head = ARCHITECTURES[config.model_type].head(config) if with_head else None
        self.built = True
        if seed is not None:
            initialize_weights(self, seed)

    def __call__(self, inputs, *args, **options):
        """`call`, for lists and arrays of ids, too (see `inputs.as_batch`)."""
        return super().__call__(as_batch(inputs, self.config), *args, **options)

    def call(self, inputs, taps=(), dropout=None, keep_layers=None, layers=None):
        """Encodes a batch and projects it to the vocabulary.

        Args:
            inputs: as `Encoder.call`; with "masked_positions", int32 (batch, masked), logits are
                computed at those positions only.
            taps, dropout, keep_layers, layers: as `Encoder.call`.

        Returns:
            The encoder's dict, and where there is a head "logits", float32 (batch, masked, vocab)
            with masked positions and (batch, length, vocab) without.
        """
        outputs = self.encode(
            inputs, taps=taps, dropout=dropout, keep_layers=keep_layers, layers=layers
        )
        if self.head is None:
            return outputs
        rows = outputs["last_hidden_state"]
        if "masked_positions" in inputs:
            rows = self.gather(rows, inputs["masked_positions"])  # (batch, masked, hidden)
        return {**outputs, "logits": self.project(self.head.transform(rows))}

    def encode(self, inputs, **options):
        """Encodes a batch: arguments and result as `Encoder.call`."""
        return self.encoder(inputs, **options)

    @property
    def decoder_kernel(self):
        """(vocab, hidden): the word embeddings, which are the decoder too, or a part of it."""
        embeddings = self.encoder.embeddings
        return self.head.decoder_kernel(embeddings) if self.head else embeddings.word_embeddings

    def project(self, transformed):
        """Logits over the vocabulary.

        Args:
            transformed: (..., hidden), from `head.transform`.

        Returns:
            float32 (..., vocab).
        """
        # Rank 2: a batched product would make the gradient of the table once per row.
        rows = ops.reshape(transformed, (-1, self.config.hidden_size))
        logits = self.head.logits(rows, self.encoder.embeddings)
        return ops.reshape(logits, (*ops.shape(transformed)[:-1], self.config.vocab_size))

    def gather(self, hidden, positions):
        """Rows of a batch at given positions.

        Args:
            hidden: (batch, length, size).
            positions: int32 (batch, masked).

        Returns:
            (batch, masked, size).
        """
        # In float32, for the sums of the gradient; Metal has no others.
        rows = tf.gather(ops.cast(hidden, "float32"), ops.cast(positions, "int32"), batch_dims=1)
        return ops.cast(rows, hidden.dtype)


def initialize_weights(model, seed):
    """Fills a model with fresh weights: N(0, initializer_range) matrices, zero biases.

    Follows the appendix of Devlin et al. (2019) in Hugging Face's form: a normal that is not
    truncated, and a zero row for [PAD].

    Args:
        model: `MaskedLanguageModel`.
        seed: int; equal seeds give equal weights.
    """
    generator = np.random.default_rng(seed)
    for variable in model.weights:
        if len(variable.shape) == 2:
            fresh = generator.standard_normal(variable.shape, dtype=np.float32)
            fresh *= model.config.initializer_range
            if variable is model.encoder.embeddings.word_embeddings:
                fresh[model.config.pad_token_id] = 0
            variable.assign(fresh)


def parameters(model):
    """Counts a model's parameters, shared ones once.

    Args:
        model: `MaskedLanguageModel`.

    Returns:
        dict: "total", and "without_embeddings" for all but the word, position and token-type
        tables.
    """
    total = sum(int(np.prod(variable.shape)) for variable in model.weights)
    embeddings = model.encoder.embeddings
    tables = (
        embeddings.word_embeddings,
        embeddings.position_embeddings,
        embeddings.token_type_embeddings,
    )
    tabled = sum(int(np.prod(table.shape)) for table in tables if table is not None)
    return {"total": total, "without_embeddings": total - tabled}
