"""The head of extractive question answering."""

from tfdistill.models.configs.model_types import get_model_type
from tfdistill.models.configs.task_heads import SPANS
from tfdistill.models.heads.answer_rules import ANSWERS_KEY, AnswerRules
from tfdistill.models.heads.small import SmallHead


class SpanHead(SmallHead):
    """Scores of every token as the first and the last of an answer.

    The logits are float32 (batch, length, 2): start and end. It is the head of Hugging Face's
    `ForQuestionAnswering`.

    Args:
        config: EncoderConfig.
        dropout: rate of the dropout before the dense layer.
        answer_rules: `AnswerRules`; None: the usual ones.

    Attributes:
        answer_rules: how answers are read from the logits; may be set.
    """

    architecture = SPANS
    dense_name = "qa_outputs"
    task = "question_answering"

    def __init__(self, config, dropout=0.0, answer_rules=None):
        super().__init__(config, outputs=2, dropout=dropout)
        self.answer_rules = answer_rules or AnswerRules()

    @classmethod
    def of(cls, config, values):
        """The head that a config.json describes.

        Args:
            config: EncoderConfig.
            values: dict, the content of config.json.

        Returns:
            A head with fresh weights.

        Raises:
            UserError: its rules for answers are damaged.
        """
        heads = get_model_type(config.model_type).heads
        rate = heads.dropout(cls.architecture, config, values)
        return cls(config, rate, AnswerRules.of(values.get(ANSWERS_KEY)))

    def pool(self, hidden, inputs, dropout=None):
        return hidden

    def config_values(self):
        heads = get_model_type(self.config.model_type).heads
        rate = heads.dropout_values(self.architecture, self.dropout_rate)
        return rate | {ANSWERS_KEY: self.answer_rules.values()}
