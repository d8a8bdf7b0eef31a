"""Heads with few outputs, such as classes, whose logits are held as they are."""

import keras
from keras import ops

from tfdistill.models.dense import dense


class SmallHead(keras.layers.Layer):
    """A dense layer on the hidden state of [CLS].

    It is also the base of other heads with few outputs: they override `logits` and `tensors`.
    Losses read their logits directly, as the signal "logits", and need not compute them in chunks.

    Args:
        config: EncoderConfig.
        outputs: number of logits.

    Attributes:
        architecture: end of Hugging Face's class name, as in `BertForSequenceClassification`.
        extra_inputs: names of the inputs beside those of the encoder: int32 (batch, any).
        has_vocabulary: False: no projection to the vocabulary.
    """

    architecture = "ForSequenceClassification"
    extra_inputs = ()
    has_vocabulary = False

    def __init__(self, config, outputs):
        super().__init__(name="head")
        self.dense = dense(outputs, "dense")
        self.dense.build((None, config.hidden_size))

    def logits(self, hidden, inputs, embeddings):
        """Computes the logits.

        Args:
            hidden: (batch, length, hidden), the encoder's last hidden states.
            inputs: dict of the batch's tensors.
            embeddings: the model's `Embeddings`.

        Returns:
            float32 (batch, outputs).
        """
        return ops.cast(self.dense(hidden[:, 0]), "float32")

    def export_logits(self, hidden, inputs, embeddings):
        """The same for exported models."""
        return self.logits(hidden, inputs, embeddings)

    def tensors(self):
        """Names in a Hugging Face checkpoint.

        Returns:
            dict of names to (variable, whether the file holds it transposed).
        """
        return {
            "classifier.weight": (self.dense.kernel, True),
            "classifier.bias": (self.dense.bias, False),
        }
