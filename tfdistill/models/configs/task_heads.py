"""How a model type has the heads of tasks with labels, in Hugging Face's files."""

import dataclasses
from collections.abc import Mapping

# Ends of Hugging Face's class names.
CLASSIFICATION = "ForSequenceClassification"
TOKENS = "ForTokenClassification"
SPANS = "ForQuestionAnswering"


@dataclasses.dataclass(frozen=True)
class TaskHeads:
    """The heads of tasks with labels of a model type.

    Args:
        pooler: full name of the dense layer between the first token and the classifier; "" for a
            model type without.
        pooler_activation: its activation, a name of `models.activations`.
        pooler_dropout: (key, rate), as in `dropouts`, of the dropout before it; None: no dropout.
        classifier: name of the classifier of `ForSequenceClassification`.
        pooling: pooling of a fresh head: "pooler", or "cls" for the first token alone.
        pooler_key: key of config.json that says whether there is a pooler; "" where there always
            is one.
        next_sentence: name of the layer of `ForPreTraining` that says whether a segment follows
            another; "" for a model type without.
        compares: whether a fresh head compares the texts of a pair (`pooling.compared_texts`).
        dropouts: dict of ends of class names to (key of config.json with the rate, rate where the
            key is missing) of the dropout before the head. A key of "" is not read, and the rate
            None stands for the encoder's `hidden_dropout_prob`. Other heads have no dropout.
    """

    pooler: str = ""
    pooler_activation: str = "tanh"
    pooler_dropout: tuple | None = None
    classifier: str = "classifier"
    pooling: str = "cls"
    pooler_key: str = ""
    next_sentence: str = ""
    compares: bool = False
    dropouts: Mapping = dataclasses.field(default_factory=dict)

    def dropout(self, architecture, config, values):
        """The rate of the dropout before a head.

        Args:
            architecture: end of the class name.
            config: EncoderConfig.
            values: dict, the content of config.json.

        Returns:
            float.
        """
        return _rate(self.dropouts.get(architecture), config, values)

    def dropout_before_pooler(self, config, values):
        """The rate of the dropout before the pooler: a float; arguments as for `dropout`."""
        return _rate(self.pooler_dropout, config, values)

    def dropout_values(self, architecture, rate):
        """The entry of config.json with a rate: a dict, empty where no key holds it."""
        key, _ = self.dropouts.get(architecture, ("", 0.0))
        return {key: rate} if key else {}


def _rate(rule, config, values):
    key, rate = rule or ("", 0.0)
    if values.get(key) is not None:
        return values[key]
    return config.hidden_dropout_prob if rate is None else rate
