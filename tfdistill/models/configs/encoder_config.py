"""The config of an encoder: a dataclass with Hugging Face's BERT names."""

import dataclasses

from tfdistill.models.configs.model_types import get_model_type
from tfdistill.models.configs.stored_heads import ATTENTION, padded_heads, stored_attention
from tfdistill.models.configs.values import is_integer, is_number, require

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
MOST = 1 << 24  # of each size: far above every model, and small enough to compute with


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
        attention_head_size: width of an attention head; None: the hidden size is divided among the
            heads, as in Hugging Face's classes. Other numbers are stored with padding (see
            `hugging_face.attention_padding`) and exist where the layers are `TransformerLayer`s.
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

    ATTENTION_SIZE = "hidden_size"  # field with the width that attention reads and writes
    LAYERS_IN_WORDS = (
        "{num_attention_heads} heads, feed-forward {intermediate_size:,}"  # of reports
    )
    HAS_POSITIONS = True  # whether there is a table of position embeddings
    KNOWS_TYPES = True  # whether token types, where there are any, have embeddings
    WITHOUT_TOKENS = {"pad_token_id": 0}  # fields with ids, in a shape of no tokenizer
    uncounted_ids = ()  # ids that the mean over a text leaves out, beside padding

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
    attention_head_size: int | None = None

    def __post_init__(self):
        require(
            get_model_type(self.model_type).config is type(self),
            f"{type(self).__name__} does not describe a {self.model_type}: use "
            f"{get_model_type(self.model_type).config.__name__}",
        )
        if self.type_vocab_size is None:
            types = self._format.constants.get("type_vocab_size", 2)
            object.__setattr__(self, "type_vocab_size", types)
        if self.attention_head_size == self._divided_size:  # one description of each shape
            object.__setattr__(self, "attention_head_size", None)
        self._require_values()

    def _require_values(self):
        constants = self._format.constants
        for name in (*self.sizes, "type_vocab_size"):
            value = getattr(self, name)
            right = name in constants or (is_integer(value) and value > 0)
            require(right, f"{name} must be a whole number above 0")
            require(
                name in constants or value <= MOST, f"{name} is {str(value)[:20]}, over {MOST:,}"
            )
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
            value = getattr(self, name)
            require(is_number(value) and 0 <= value < 1, f"{name} must lie in [0, 1)")
        for name in ("layer_norm_eps", "initializer_range"):
            value = getattr(self, name)
            require(is_number(value) and value > 0, f"{name} must be a number above 0")
        for name, value in constants.items():
            require(
                getattr(self, name) == value, f"{name} of a {self.model_type} is always {value}"
            )
        require(
            self.hidden_act in HIDDEN_ACTS,
            f"hidden_act {self.hidden_act!r} is not supported; use one of {', '.join(HIDDEN_ACTS)}",
        )
        self._require_heads()
        require(
            is_integer(self.pad_token_id) and 0 <= self.pad_token_id < self.vocab_size,
            "pad_token_id must be an id of the vocabulary",
        )

    def _require_heads(self):
        heads, size, width = self.num_attention_heads, self.attention_head_size, self.stream_size
        if size is None:
            require(
                self._divided_size,
                f"{self.ATTENTION_SIZE} {width} is not a multiple of num_attention_heads {heads}",
            )
            return
        free = "num_attention_heads" in get_model_type(self.model_type).starts.narrower
        require(free, f"attention_head_size of a {self.model_type} is always the default")
        whole = is_integer(size) and size > 0
        require(whole, "attention_head_size must be a whole number above 0")
        require(
            padded_heads(width, heads, size),
            f"{heads} attention heads of {size} do not fit in a {self.ATTENTION_SIZE} of {width} "
            "that is divided into equal heads: use fewer or smaller ones",
        )

    @property
    def _divided_size(self):
        """The stream's width, divided among the heads; None if there is a rest."""
        integers = is_integer(self.stream_size) and is_integer(self.num_attention_heads)
        if not integers or self.num_attention_heads < 1:
            return None
        size, rest = divmod(self.stream_size, self.num_attention_heads)
        return None if rest else size

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
        return self.num_attention_heads * self.head_size

    @property
    def stream_size(self):
        """Width that attention reads and writes."""
        return getattr(self, self.ATTENTION_SIZE)

    @property
    def head_size(self):
        """Width of one attention head."""
        return self.attention_head_size or self.stream_size // self.num_attention_heads

    @property
    def fewest_numbers(self):
        """A lower bound on the numbers in the tensors of such an encoder: int."""
        width = getattr(self, "embedding_size", self.hidden_size)
        layer = self.stream_size * (self.hidden_size + self.intermediate_size)
        rows = self._position_rows + self.type_vocab_size
        tables = self.vocab_size * width + rows * min(width, self.hidden_size)
        return tables + self.num_hidden_layers * layer

    @property
    def _position_rows(self):
        return self.max_position_embeddings

    def for_tokenizer(self, tokenizer):
        """The same config with the ids that it knows of a tokenizer.

        Args:
            tokenizer: the `TextTokenizer`.
        """
        return dataclasses.replace(self, pad_token_id=tokenizer.pad_id)

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
        classes = values.get("architectures") or []
        named = isinstance(classes, list) and all(isinstance(each, str) for each in classes)
        require(named, f"architectures={classes!r} is no list of names of classes")
        for key, value in kind.hugging_face.required.items():
            given = values.get(key)
            require(
                given == value or (given is None and key not in kind.hugging_face.stated),
                f"{key}={given!r} is not supported: only {value!r} is",
            )
        fields = dict(kind.hugging_face.defaults)
        for field in dataclasses.fields(kind.config):
            for key in kind.hugging_face.keys_of(field.name):
                if values.get(key) is not None and field.name != "attention_head_size":
                    fields[field.name] = values[key]
        fields |= stored_attention(values)
        return kind.config(**{**fields, "model_type": kind.name})

    def to_hugging_face(self):
        """The content of config.json, as Hugging Face's AutoModelForMaskedLM reads it.

        Returns:
            dict of JSON values.
        """
        fields = {
            self._format.keys.get(name, name): value
            for name, value in dataclasses.asdict(self).items()
            if name not in self._format.constants and name != "attention_head_size"
        }
        if self.attention_head_size is not None:
            heads = self._format.keys.get("num_attention_heads", "num_attention_heads")
            fields[heads] = padded_heads(self.stream_size, self.num_attention_heads, self.head_size)
            fields[ATTENTION] = {"heads": self.num_attention_heads, "head_size": self.head_size}
        architecture = f"{self._format.class_prefix}ForMaskedLM"
        return {"architectures": [architecture], **fields, **self._format.written}
