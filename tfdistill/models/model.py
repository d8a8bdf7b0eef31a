"""Models: an encoder, and a head that turns its hidden states into a task's logits."""

import keras
import numpy as np

from tfdistill.models.configs.model_types import get_model_type
from tfdistill.models.encoder import LAST, SELECTED, Encoder
from tfdistill.models.heads.masked_lm import gather_rows
from tfdistill.models.heads.next_sentence import NextSentenceHead
from tfdistill.models.inputs import as_batch


class Model(keras.Model):
    """An encoder and the head of a task.

    All variables exist once it is constructed, and the paths of the encoder's
    ("encoder/layer_0/…") are the same for every model.

    Args:
        encoder: `Encoder`.
        head: the head, a layer such as `SmallHead`; or None.
        seed: int, seed of the fresh weights; None leaves the matrices at zero, to be filled.
        name: str.
        next_sentence: a `NextSentenceHead` beside a head of masked LM; or None.

    Attributes:
        encoder: `Encoder`.
        head: the head, or None.
        next_sentence: the `NextSentenceHead`, or None.
        config: EncoderConfig of the encoder.

    Example:
        from tfdistill.models.configs.encoder_config import EncoderConfig
        from tfdistill.models.encoder import Encoder
        from tfdistill.models.heads.small import SmallHead
        from tfdistill.models.model import Model

        shape = EncoderConfig(
            hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
        )
        classifier = Model(Encoder(shape), SmallHead(shape, outputs=3), seed=1)
        classifier({"input_ids": [[2, 11, 4, 3]]})["logits"].shape  # (1, 3)
    """

    def __init__(self, encoder, head=None, seed=0, name="model", next_sentence=None):
        super().__init__(name=name)
        self.config = encoder.config
        self.encoder = encoder
        self.head = head
        self.next_sentence = next_sentence
        self.built = True
        if seed is not None:
            initialize_weights(self, seed)

    def __call__(self, inputs, *args, **options):
        """`call`, for lists and arrays of ids, too (see `inputs.as_batch`)."""
        return super().__call__(as_batch(inputs, self.config), *args, **options)

    def call(self, inputs, taps=(LAST,), dropout=None, keep_layers=None, layers=None):
        """Encodes a batch and computes the logits of the head.

        Args:
            inputs: as `Encoder.call`, and the head's `extra_inputs`.
            taps: as `Encoder.call`. With no tap of the last layer, as in (), it computes only the
                rows that the head reads, and "last_hidden_state" is left out if those are not all.
            dropout, keep_layers, layers: as `Encoder.call`.

        Returns:
            The encoder's dict, and where there is a head "logits", float32.
        """
        options = dict(taps=taps, dropout=dropout, keep_layers=keep_layers, layers=layers)
        if self.head is None:
            return self.encode(inputs, **options)
        rows, outputs = self.encode_rows(inputs, **options)
        return {**outputs, "logits": self.logits(rows, inputs, dropout)}

    def encode(self, inputs, **options):
        """Encodes a batch: arguments and result as `Encoder.call`."""
        return self.encoder(inputs, **options)

    def encode_rows(self, inputs, **options):
        """Encodes a batch for the head, and computes no more of the last layer than is asked for.

        Args:
            inputs: as `call`.
            **options: of `Encoder.call`.

        Returns:
            (last hidden states of the rows that the head reads (batch, rows, hidden), dict of
            `Encoder.call`).
        """
        select = self.head.select(inputs)
        outputs = self.encode(inputs, select=select, **options)
        rows = outputs[LAST] if select is None else outputs.pop(SELECTED)
        return rows, outputs

    @property
    def decoder_kernel(self):
        """(vocab, hidden): the head's projection to the vocabulary; else the word embeddings."""
        embeddings, head = self.encoder.embeddings, self.head
        if head is None or not head.has_vocabulary:
            return embeddings.word_embeddings
        return head.decoder_kernel(embeddings)

    def logits(self, hidden, inputs, dropout=None):
        """Computes the logits of the head.

        Args:
            hidden: (batch, rows, hidden), of `encode_rows`.
            inputs: dict of the batch's tensors.
            dropout: DropoutKey, or None for inference.

        Returns:
            float32, (batch, …), in the shape that the head gives them.
        """
        return self.head.logits(hidden, inputs, self.encoder.embeddings, dropout)


class MaskedLanguageModel(Model):
    """An encoder with a masked-LM head, whose decoder is the word-embedding table.

    Its logits are float32 (batch, masked, vocab) for inputs with "masked_positions", int32
    (batch, masked), and (batch, length, vocab) without.

    Args:
        config: EncoderConfig.
        with_head: whether there is a head.
        seed: seed of the fresh weights; None leaves the matrices at zero, to be filled.
        next_sentence: pooling of a `NextSentenceHead`; "" for none.

    Attributes:
        encoder: `Encoder`.
        head: `MaskedLanguageModelHead`, or None.
        next_sentence: `NextSentenceHead`, or None.
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

    def __init__(self, config, with_head=True, seed=0, next_sentence=""):
        # The encoder's variables are made before the head's: checkpoints count on the order.
        encoder = Encoder(config)
        head = get_model_type(config.model_type).parts().head(config) if with_head else None
        pairs = NextSentenceHead(config, next_sentence) if next_sentence else None
        super().__init__(encoder, head, seed, name="masked_language_model", next_sentence=pairs)

    def next_sentence_logits(self, inputs):
        """Says of pairs of segments whether the second follows the first.

        Args:
            inputs: as `call`, with "token_type_ids".

        Returns:
            float32 (batch, 2): scores of "it follows" and "it does not".
        """
        inputs = as_batch(inputs, self.config)
        first = self.encode(inputs, select=self.next_sentence.select(inputs))[SELECTED]
        return self.next_sentence.logits(first, inputs, self.encoder.embeddings)

    def gather(self, hidden, positions):
        """Selects hidden states: see `gather_rows`."""
        return gather_rows(hidden, positions)


def initialize_weights(model, seed):
    """Fills a model with fresh weights: N(0, initializer_range) matrices, zero biases.

    Follows the appendix of Devlin et al. (2019) in Hugging Face's form: a normal that is not
    truncated, and a zero row for [PAD].

    Args:
        model: `Model`.
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
        model: `Model`.

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
