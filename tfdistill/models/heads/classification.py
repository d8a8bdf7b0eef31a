"""The head of classification and regression of whole texts."""

from keras import ops

from tfdistill.models.activations import ACTIVATIONS
from tfdistill.models.active_part import active_units
from tfdistill.models.configs.model_types import get_model_type
from tfdistill.models.configs.task_heads import CLASSIFICATION
from tfdistill.models.dense import dense
from tfdistill.models.dropout import stateless_dropout
from tfdistill.models.heads.label_names import label_values, labels_of
from tfdistill.models.heads.pooling import compared_texts, counted_tokens, mean_of_tokens
from tfdistill.models.heads.small import SmallHead
from tfdistill.system.errors import UserError

CLS, MEAN, POOLER, COMPARE = POOLINGS = ("cls", "mean", "pooler", "compare")
POOLING_KEY = "tfdistill_pooling"  # of config.json, where Hugging Face's keys cannot say it
REGRESSION, SINGLE_LABEL = "regression", "single_label_classification"
_ONE_NUMBER = ("LABEL_0",)


class ClassificationHead(SmallHead):
    """Scores of classes, or one number, from the pooled hidden states of a text.

    The head of Hugging Face's `ForSequenceClassification`.

    Args:
        config: EncoderConfig.
        labels: tuple of the classes' names, in the order of the logits; () for one number.
        pooling: "cls": the hidden state of the first token. "mean": the mean over the real tokens.
            "pooler": the first token after a dense layer and the model type's activation
            (`TaskHeads`), such as BERT's tanh. "compare": of a pair, the means over both texts and
            what they have in common (`compared_texts`). "": as the model type usually has it.
        dropout: rate of the dropout before the classifier; None: the encoder's
            `hidden_dropout_prob`.
        pooler_dropout: rate of the dropout before the pooler; None: as the model type has it.
        name: str.

    Attributes:
        pooler: the dense layer of "pooler"; else None.

    Raises:
        UserError: an unknown pooling.

    Example:
        from tfdistill.models.configs.config_files import named_config
        from tfdistill.models.encoder import Encoder
        from tfdistill.models.heads.classification import ClassificationHead
        from tfdistill.models.model import Model

        shape = named_config("L-2_H-32_A-2")
        model = Model(Encoder(shape), ClassificationHead(shape, ("bad", "good"), "mean"), seed=1)
        model({"input_ids": [[101, 2307, 102]]})["logits"].shape  # (1, 2)
    """

    architecture = CLASSIFICATION

    def __init__(self, config, labels, pooling="", dropout=None, pooler_dropout=None, name="head"):
        self.rules = get_model_type(config.model_type).heads
        self.pooling = pooling or self.rules.pooling
        if self.pooling not in POOLINGS:
            raise UserError(f"`pooling`={pooling} is not one of {', '.join(POOLINGS)}")
        if self.pooling == POOLER and not self.rules.pooler:
            raise UserError(
                f"`pooling`={pooling}: a {config.model_type} has no pooler; use another"
            )
        if self.pooling == COMPARE and not self.rules.compares:
            raise UserError(
                f"`pooling`={pooling}: a {config.model_type} reads both texts of a pair at once: "
                "use another"
            )
        rate = config.hidden_dropout_prob if dropout is None else dropout
        self.dense_name = self.rules.classifier
        super().__init__(config, outputs=len(labels) or 1, dropout=rate, name=name)
        self.labels = tuple(labels)
        if pooler_dropout is None:
            values = self.rules.dropout_values(self.architecture, rate)
            pooler_dropout = self.rules.dropout_before_pooler(config, values)
        self.pooler_dropout = pooler_dropout

    @property
    def task(self):
        return "text_classification" if self.labels else "regression"

    @classmethod
    def of(cls, config, values):
        """The head that a config.json describes.

        Args:
            config: EncoderConfig.
            values: dict, the content of config.json.

        Returns:
            A head with fresh weights.

        Raises:
            UserError: a text may have several of the classes, or a value is damaged.
        """
        labels, kind = labels_of(values), values.get("problem_type")
        if kind == REGRESSION or (kind is None and len(labels) == 1):
            if len(labels) != 1:
                raise UserError("a regression with several outputs is not supported")
            labels = ()
        elif kind not in (None, SINGLE_LABEL):
            raise UserError(f"problem_type {kind!r} is not supported: only {SINGLE_LABEL!r} is")
        rules = get_model_type(config.model_type).heads
        rate = rules.dropout(cls.architecture, config, values)
        before = rules.dropout_before_pooler(config, values)
        return cls(config, labels, pooling_of_head(config, values), rate, before)

    @property
    def pooler_sizes(self):
        """(width of what the pooler reads, its units)."""
        return self.config.hidden_size, self.config.hidden_size

    def build(self, input_shape=None):
        super().build(input_shape)
        self.pooler = None
        if self.pooling == POOLER:
            width, units = self.pooler_sizes
            self.pooler = dense(units, "pooler")
            self.pooler.build((None, width))

    @property
    def input_size(self):
        return self.config.hidden_size * (4 if self.pooling == COMPARE else 1)

    def select(self, inputs):
        return None if self.pooling in (MEAN, COMPARE) else _first_row

    def pool(self, hidden, inputs, dropout=None):
        if self.pooling == MEAN:
            return mean_of_tokens(hidden, counted_tokens(inputs, self.config))
        if self.pooling == COMPARE:
            return compared_texts(hidden, inputs, self.config)
        if self.pooler is None:
            return hidden[:, 0]
        # Rank 3: Metal computes a ReLU after MatMul and BiasAdd of rank 2 wrongly.
        first = stateless_dropout(hidden[:, :1], self.pooler_dropout, dropout, self.site + 1)
        states = ACTIVATIONS[self.rules.pooler_activation](self.pooler(first))[:, 0]
        active = active_units("width", self.config.hidden_size)
        return states if active is None else states * ops.cast(active, states.dtype)

    def tensors(self):
        return self.pooler_tensors() | super().tensors()

    def pooler_tensors(self):
        """The part of `tensors` that belongs to the pooler, which encoders may bring along."""
        if self.pooler is None:
            return {}
        name = self.rules.pooler
        return {
            f"{name}.weight": (self.pooler.kernel, True),
            f"{name}.bias": (self.pooler.bias, False),
        }

    def config_values(self):
        values = label_values(self.labels or _ONE_NUMBER)
        values["problem_type"] = SINGLE_LABEL if self.labels else REGRESSION
        if self.rules.pooler_dropout:
            values[self.rules.pooler_dropout[0]] = self.pooler_dropout
        values |= self.rules.dropout_values(self.architecture, self.dropout_rate)
        if self.rules.pooler_key:
            values[self.rules.pooler_key] = self.pooling == POOLER
        return values if self.is_portable else values | {POOLING_KEY: self.pooling}

    @property
    def note(self):
        kind = self.config.model_type
        if self.is_portable:
            return ""
        if get_model_type(kind).is_own:
            return f"a {kind} model is tfdistill's own: transformers does not load the folder"
        return (
            f"`pooling`={self.pooling} of a {kind} is tfdistill's own: "
            "transformers loads the folder with a fresh pooler and other predictions"
        )

    @property
    def is_portable(self):
        """Whether Hugging Face's class of the model computes the same logits."""
        return self.pooling == POOLER or (self.pooling == CLS and bool(self.rules.pooler_key))


def text_head_of(config):
    """The class of the heads of whole texts: `ClassificationHead`, or the model type's own.

    Args:
        config: EncoderConfig.
    """
    return get_model_type(config.model_type).parts().text_head or ClassificationHead


def pooling_of_head(config, values):
    """The pooling of a head that is in a checkpoint.

    Args:
        config: EncoderConfig.
        values: dict, the content of config.json.

    Returns:
        One of `POOLINGS`.
    """
    if values.get(POOLING_KEY):
        return values[POOLING_KEY]
    key = get_model_type(config.model_type).heads.pooler_key
    return CLS if key and not values.get(key, True) else POOLER


def _first_row(hidden):
    return hidden[:, :1]
