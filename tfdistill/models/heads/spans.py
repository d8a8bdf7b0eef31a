"""The head of extractive question answering."""

from tfdistill.models.configs.model_types import get_model_type
from tfdistill.models.configs.task_heads import SPANS
from tfdistill.models.heads.small import SmallHead


class SpanHead(SmallHead):
    """Scores of every token as the first and the last of an answer.

    The logits are float32 (batch, length, 2): start and end. It is the head of Hugging Face's
    `ForQuestionAnswering`.

    Args:
        config: EncoderConfig.
        dropout: rate of the dropout before the dense layer.
    """

    architecture = SPANS
    dense_name = "qa_outputs"
    task = "question_answering"

    def __init__(self, config, dropout=0.0):
        super().__init__(config, outputs=2, dropout=dropout)

    @classmethod
    def of(cls, config, values):
        """The head that a config.json describes.

        Args:
            config: EncoderConfig.
            values: dict, the content of config.json.

        Returns:
            A head with fresh weights.
        """
        rules = get_model_type(config.model_type).heads
        return cls(config, rules.dropout(cls.architecture, config, values))

    def pool(self, hidden, inputs):
        return hidden

    def config_values(self):
        rules = get_model_type(self.config.model_type).heads
        return rules.dropout_values(self.architecture, self.dropout_rate)
