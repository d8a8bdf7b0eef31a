"""The head of sentence encoders: one vector for each text."""

import keras
from keras import ops

from tfdistill.models.configs.model_types import get_model_type
from tfdistill.models.heads.classification import CLS, MEAN
from tfdistill.models.heads.pooling import counted_tokens, mean_of_tokens
from tfdistill.models.hugging_face.sentence_encoders import read_modules
from tfdistill.models.normalization import inverse_norms
from tfdistill.system.errors import UserError

POOLINGS = MEAN, CLS


class EmbeddingHead(keras.layers.Layer):
    """A vector for each text: its hidden states pooled, and divided by their length (L2 norm).

    It has no weights, so it fits every encoder. It computes what the modules Transformer, Pooling
    and Normalize of sentence-transformers do.

    Args:
        config: EncoderConfig.
        pooling: "mean": the mean over the real tokens. "cls": the hidden state of the first token.
        normalize: whether vectors have length 1.
        max_length: most tokens of a text that the encoder was trained with; None if unknown.

    Attributes:
        architecture, extra_inputs, has_vocabulary, labels, task, note, answer_rules: as of
            `SmallHead`.
        output_name: name of the output in exported files.

    Raises:
        UserError: an unknown pooling.

    Example:
        from tfdistill.models.configs.config_files import named_config
        from tfdistill.models.encoder import Encoder
        from tfdistill.models.heads.embedding import EmbeddingHead
        from tfdistill.models.model import Model

        shape = named_config("L-2_H-32_A-2")
        model = Model(Encoder(shape), EmbeddingHead(shape), seed=1)
        model({"input_ids": [[101, 2307, 102]]})["logits"].shape  # (1, 32), of length 1
    """

    architecture, task, output_name = "Model", "sentence_embedding", "embedding"
    extra_inputs, labels = (), ()
    has_vocabulary, answer_rules, note = False, None, ""

    def __init__(self, config, pooling=MEAN, normalize=True, max_length=None):
        super().__init__(name="head")
        if pooling not in POOLINGS:
            raise UserError(
                f"`pooling`={pooling}: a sentence encoder has {' or '.join(POOLINGS)}: set one"
            )
        self.config, self.pooling, self.normalize = config, pooling, normalize
        self.max_length = max_length
        self.built = True

    @classmethod
    def of_folder(cls, directory, config, pooling=""):
        """The head of a model directory.

        Args:
            directory: `Path`. The files of sentence-transformers name the pooling, and say whether
                vectors are normalized. Without them, vectors are normalized.
            config: EncoderConfig.
            pooling: "mean" or "cls" for a folder without these files; "": the mean.

        Returns:
            An `EmbeddingHead`.

        Raises:
            UserError: the folder has modules that are not supported, or another pooling.
        """
        modules = read_modules(directory)
        if modules is None:
            return cls(config, pooling or MEAN)
        if pooling not in ("", modules.pooling):
            raise UserError(
                f"`pooling`={pooling}: it was trained with {modules.pooling}: leave it out"
            )
        return cls(config, modules.pooling, modules.normalize, modules.max_length)

    def fresh(self, config):
        """The head for another encoder, as of `SmallHead`."""
        return EmbeddingHead(config, self.pooling, self.normalize, self.max_length)

    def select(self, inputs):
        """The rows that the head reads, as of `SmallHead`."""
        return None if self.pooling == MEAN else (lambda hidden: hidden[:, :1])

    def logits(self, hidden, inputs, embeddings, dropout=None):
        """Computes the vectors; arguments as of `SmallHead`.

        Returns:
            float32 (batch, hidden).
        """
        pooled = self.pool(hidden, inputs)
        return pooled * inverse_norms(pooled) if self.normalize else pooled

    def pool(self, hidden, inputs):
        """The vectors before they are brought to length 1; arguments and result as `logits`."""
        hidden = ops.cast(hidden, "float32")
        if self.pooling == CLS:
            return hidden[:, 0]
        return mean_of_tokens(hidden, counted_tokens(inputs, self.config))

    def export_logits(self, hidden, inputs, embeddings):
        """The same for exported models."""
        return self.logits(hidden, inputs, embeddings)

    def tensors(self):
        """Names in a Hugging Face checkpoint: none."""
        return {}

    def config_values(self):
        """What config.json says about the head; see also `sentence_encoders.write_modules`."""
        if get_model_type(self.config.model_type).has_layers:
            return {}
        # For model2vec, which otherwise cuts texts by their characters.
        return {"normalize": self.normalize, "max_length": None}
