"""The config of an encoder: a dataclass with Hugging Face's BERT names."""

import dataclasses

from tfdistill.models.configs.model_types import get_model_type
from tfdistill.system.errors import UserError

# Hugging Face's `hidden_act` values that models.activations implements.
HIDDEN_ACTS = (
    "gelu",
    "gelu_python",
    "gelu_new",
    "gelu_pytorch_tanh",
    "gelu_fast",
    "relu",
    "silu",
    "swish",
    "tanh",
)


@dataclasses.dataclass(frozen=True)
class EncoderConfig:
    """Shape and constants of an encoder, under Hugging Face's BERT names for every model type.

    Args:
        model_type: "bert", "distilbert", or another type that uses this class.
        max_position_embeddings: rows of the position table.
        type_vocab_size: number of token types; by default 2, and 0 for DistilBERT.
        hidden_act: activation of the feed-forward part and of the masked-LM head; "gelu" is the
            exact one (erf), "gelu_new" the tanh approximation.
        hidden_dropout_prob, attention_probs_dropout_prob: rates between 0 and 1.
        layer_norm_eps: added to the variance; always 1e-12 in a DistilBERT.
        initializer_range: standard deviation of fresh weights.

    Raises:
        UserError: a value is out of range or has the wrong type.

    Example:
        import dataclasses

        import tfdistill

        teacher = tfdistill.EncoderConfig(
            hidden_size=128, num_hidden_layers=6, num_attention_heads=2, intermediate_size=512
        )
        student = dataclasses.replace(teacher, num_hidden_layers=2)
    """

    ATTENTION_SIZE = "hidden_size"  # field with the width of all attention heads together
    HAS_POSITIONS = True  # whether there is a table of position embeddings

    model_type: str = "bert"
    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int | None = None
    layer_norm_eps: float = 1e-12
    initializer_range: float = 0.02
    pad_token_id: int = 0

    def __post_init__(self):
        require(
            get_model_type(self.model_type).config is type(self),
            f"{type(self).__name__} does not describe a {self.model_type}: use "
            f"{get_model_type(self.model_type).config.__name__}",
        )
        if self.type_vocab_size is None:
            types = self._format.constants.get("type_vocab_size", 2)
            object.__setattr__(self, "type_vocab_size", types)
        self._require_values()

    def _require_values(self):
        constants = self._format.constants
        for name in (*self.sizes, "type_vocab_size"):
            value = getattr(self, name)
            right = name in constants or (_is_integer(value) and value > 0)
            require(right, f"{name} must be a whole number above 0")
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
            value = getattr(self, name)
            require(_is_number(value) and 0 <= value < 1, f"{name} must lie in [0, 1)")
        for name in ("layer_norm_eps", "initializer_range"):
            value = getattr(self, name)
            require(_is_number(value) and value > 0, f"{name} must be a number above 0")
        for name, value in constants.items():
            require(
                getattr(self, name) == value, f"{name} of a {self.model_type} is always {value}"
            )
        require(
            self.hidden_act in HIDDEN_ACTS,
            f"hidden_act {self.hidden_act!r} is not supported; use one of {', '.join(HIDDEN_ACTS)}",
        )
        require(
            self.attention_size % self.num_attention_heads == 0,
            f"{self.ATTENTION_SIZE} {self.attention_size} is not a multiple of "
            f"num_attention_heads {self.num_attention_heads}",
        )
        require(
            _is_integer(self.pad_token_id) and 0 <= self.pad_token_id < self.vocab_size,
            "pad_token_id must be an id of the vocabulary",
        )

    @property
    def _format(self):
        return get_model_type(self.model_type).hugging_face

    @property
    def sizes(self):
        """Names of the fields that must be whole numbers above 0."""
        return (
            "vocab_size",
            "hidden_size",
            "num_hidden_layers",
            "num_attention_heads",
            "intermediate_size",
            "max_position_embeddings",
        )

    @property
    def max_length(self):
        """Most tokens of a row."""
        return self.max_position_embeddings

    @property
    def attention_size(self):
        """Width of all attention heads together."""
        return getattr(self, self.ATTENTION_SIZE)

    @property
    def head_size(self):
        """Width of one attention head."""
        return self.attention_size // self.num_attention_heads

    def with_dropout(self, rate):
        """The same config with another dropout rate, for hidden states and attention."""
        return dataclasses.replace(
            self, hidden_dropout_prob=rate, attention_probs_dropout_prob=rate
        )

    def as_type(self, model_type):
        """The same shape as another model type of the family.

        Args:
            model_type: such as "distilbert".

        Returns:
            EncoderConfig. Where the type changes, values that some types fix are the type's own.
        """
        if model_type == self.model_type:
            return self
        return dataclasses.replace(
            self, model_type=model_type, type_vocab_size=None, layer_norm_eps=1e-12
        )

    @classmethod
    def from_hugging_face(cls, values):
        """Reads the content of a Hugging Face config.json.

        Args:
            values: dict; keys that Hugging Face does not read for the model type are ignored,
                missing ones take Hugging Face's defaults.

        Returns:
            EncoderConfig.

        Raises:
            UserError: an unsupported model type, a variant that the encoder does not compute, or a
                value out of range.
        """
        kind = get_model_type(values.get("model_type", "bert"))
        for key, value in kind.hugging_face.required.items():
            given = values.get(key)
            require(
                given == value or (given is None and key not in kind.hugging_face.stated),
                f"{key}={given!r} is not supported: only {value!r} is",
            )
        fields = dict(kind.hugging_face.defaults)
        for field in dataclasses.fields(kind.config):
            for key in kind.hugging_face.keys_of(field.name):
                if values.get(key) is not None:
                    fields[field.name] = values[key]
        return kind.config(**{**fields, "model_type": kind.name})

    def to_hugging_face(self):
        """The content of config.json, as Hugging Face's AutoModelForMaskedLM reads it.

        Returns:
            dict of JSON values.
        """
        fields = {
            self._format.keys.get(name, name): value
            for name, value in dataclasses.asdict(self).items()
            if name not in self._format.constants
        }
        architecture = f"{self._format.class_prefix}ForMaskedLM"
        return {"architectures": [architecture], **fields, **self._format.written}


def _is_integer(value):
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def require(condition, message):
    """Raises `UserError` with a message unless a condition holds."""
    if not condition:
        raise UserError(message)
