"""Heads with few outputs, such as classes, whose logits are held as they are."""

import keras
from keras import ops

from tfdistill.models.dense import dense
from tfdistill.models.dropout import stateless_dropout


class SmallHead(keras.layers.Layer):
    """A dense layer on the hidden state of [CLS].

    It is also the base of other heads with few outputs: they override `pool` or `tensors`. Losses
    read their logits directly, as the signal "logits", and need not compute them in chunks.

    Args:
        config: EncoderConfig.
        outputs: number of logits.
        dropout: rate of the dropout before the dense layer.
        name: str.

    Attributes:
        architecture: end of Hugging Face's class name, as in `BertForSequenceClassification`.
        extra_inputs: names of the inputs beside those of the encoder: int32 (batch, any).
        has_vocabulary: False: no projection to the vocabulary.
        labels: tuple of the classes' names, in the order of the logits; () for none.
        task: name of the task that exported files tell; "" for a head of no task in particular.
        answer_rules: `AnswerRules` of a head of question answering; None for other heads.
        note: a line on what Hugging Face's class of the model does otherwise; "" for nothing.
        dense_name: Hugging Face's name of the dense layer.
        output_name: name of the logits in exported files.
    """

    architecture = "ForSequenceClassification"
    dense_name, output_name = "classifier", "logits"
    extra_inputs = ()
    has_vocabulary = False
    labels, task, note, answer_rules = (), "", "", None

    def __init__(self, config, outputs, dropout=0.0, name="head"):
        super().__init__(name=name)
        self.config, self.dropout_rate = config, dropout
        # The encoder's dropouts have the sites below.
        self.site = 3 * config.num_hidden_layers + 1
        self.dense = dense(outputs, "dense")
        self.build()

    def build(self, input_shape=None):
        self.dense.build((None, self.input_size))

    @property
    def input_size(self):
        """Width of what the dense layer reads."""
        return self.config.hidden_size

    def select(self, inputs):
        """The rows that the head reads, for which alone the encoder's last layer is computed.

        Args:
            inputs: dict of the batch's tensors.

        Returns:
            A function of (batch, length, size) to (batch, rows, size); None: all rows.
        """
        return None

    def pool(self, hidden, inputs, dropout=None):
        """Chooses what the dense layer reads; arguments as for `logits`."""
        return hidden[:, 0]

    def logits(self, hidden, inputs, embeddings, dropout=None):
        """Computes the logits.

        Args:
            hidden: (batch, rows, hidden), the last hidden states of the rows of `select`.
            inputs: dict of the batch's tensors.
            embeddings: the model's `Embeddings`.
            dropout: DropoutKey, or None for inference.

        Returns:
            float32 (batch, outputs).
        """
        pooled = self.pool(hidden, inputs, dropout)
        pooled = stateless_dropout(pooled, self.dropout_rate, dropout, self.site)
        return ops.cast(self.dense(pooled), "float32")

    def export_logits(self, hidden, inputs, embeddings):
        """The same for exported models."""
        return self.logits(hidden, inputs, embeddings)

    def tensors(self):
        """Names in a Hugging Face checkpoint.

        Returns:
            dict of names to (variable, whether the file holds it transposed).
        """
        return {
            f"{self.dense_name}.weight": (self.dense.kernel, True),
            f"{self.dense_name}.bias": (self.dense.bias, False),
        }

    def config_values(self):
        """What config.json says about the head: a dict of JSON values."""
        return {}

    def fresh(self, config):
        """A head of the same kind for another encoder, with fresh weights.

        Args:
            config: EncoderConfig.
        """
        if self.task:
            return self.of(config, config.to_hugging_face() | self.config_values())
        return SmallHead(config, self.dense.units, self.dropout_rate)

    def arrange(self, labels):
        """Puts the outputs into the order of a task's classes.

        Args:
            labels: tuple of all names of `labels`, in the new order.
        """
        order = [self.labels.index(label) for label in labels]
        self.dense.kernel.assign(self.dense.kernel.numpy()[:, order])
        self.dense.bias.assign(self.dense.bias.numpy()[order])
        self.labels = tuple(labels)
