"""The head of token classification."""

from tfdistill.models.configs.model_types import get_model_type
from tfdistill.models.configs.task_heads import TOKENS
from tfdistill.models.heads.label_names import label_values, labels_of
from tfdistill.models.heads.small import SmallHead


class TokenHead(SmallHead):
    """Scores of tags at every token: logits float32 (batch, length, tags).

    The head of Hugging Face's `ForTokenClassification`.

    Args:
        config: EncoderConfig.
        labels: tuple of the tags' names, in the order of the logits.
        dropout: rate of the dropout before the classifier; None: the encoder's
            `hidden_dropout_prob`.
    """

    architecture = TOKENS
    task = "token_classification"

    def __init__(self, config, labels, dropout=None):
        rate = config.hidden_dropout_prob if dropout is None else dropout
        super().__init__(config, outputs=len(labels), dropout=rate)
        self.labels = tuple(labels)

    @classmethod
    def of(cls, config, values):
        """The head that a config.json describes.

        Args:
            config: EncoderConfig.
            values: dict, the content of config.json.

        Returns:
            A head with fresh weights.

        Raises:
            UserError: the names of the tags are damaged.
        """
        rules = get_model_type(config.model_type).heads
        rate = rules.dropout(cls.architecture, config, values)
        return cls(config, labels_of(values), rate)

    def pool(self, hidden, inputs, dropout=None):
        return hidden

    def config_values(self):
        rules = get_model_type(self.config.model_type).heads
        rate = rules.dropout_values(self.architecture, self.dropout_rate)
        return label_values(self.labels) | rate
