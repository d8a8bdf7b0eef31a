"""The shape of an encoder: one dataclass with Hugging Face's BERT names, and named sizes."""

import dataclasses

from tfdistill.system.errors import UserError

# Names of Hugging Face's `hidden_act` that models.layers implements.
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

# Field of EncoderConfig -> the name DistilBERT's config.json uses for it.
DISTILBERT_NAMES = {
    "hidden_size": "dim",
    "num_hidden_layers": "n_layers",
    "num_attention_heads": "n_heads",
    "intermediate_size": "hidden_dim",
    "hidden_act": "activation",
    "hidden_dropout_prob": "dropout",
    "attention_probs_dropout_prob": "attention_dropout",
}
# Of a DistilBERT, Hugging Face reads these names of BERT's too, before DistilBERT's own, and no
# others; the constants are the same in every DistilBERT, whatever its file says.
DISTILBERT_ALIASES = ("hidden_size", "num_hidden_layers", "num_attention_heads")
_DISTILBERT_CONSTANTS = ("type_vocab_size", "layer_norm_eps")


@dataclasses.dataclass(frozen=True)
class EncoderConfig:
    """Shape and constants of an encoder, under Hugging Face's BERT names for every model type.

    Args:
        model_type: "bert" or "distilbert".
        type_vocab_size: number of token types; left out, 2 for BERT and 0 for DistilBERT, which
            has none.
        hidden_act: activation of the feed-forward part and of the masked-LM head; "gelu" is the
            exact one (erf), "gelu_new" the tanh approximation.
        hidden_dropout_prob, attention_probs_dropout_prob: rates between 0 and 1.
        layer_norm_eps: added to the variance; DistilBERT fixes it at 1e-12.
        initializer_range: standard deviation of fresh weights.

    Raises:
        UserError: a value is out of range or not of its type.

    Example:
        import dataclasses

        import tfdistill

        teacher = tfdistill.EncoderConfig(
            hidden_size=128, num_hidden_layers=6, num_attention_heads=2, intermediate_size=512
        )
        student = dataclasses.replace(teacher, num_hidden_layers=2)
    """

    TYPES = ("bert", "distilbert")
    ATTENTION_SIZE = "hidden_size"
    # Fields in which a student may be narrower than the teacher that it takes layers from; those
    # that must be the teacher's, and those that must be where it takes embeddings and head alone;
    # those that a student whose shape is a name has from its teacher.
    NARROWER = ("hidden_size", "num_attention_heads", "intermediate_size")
    OF_LAYERS = ("hidden_act",)
    OF_EMBEDDINGS = ("hidden_size",)
    INHERITED = ("max_position_embeddings", "hidden_act")

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
            self.model_type in self.TYPES,
            f"model_type {self.model_type!r} is not supported; use one of {', '.join(self.TYPES)}",
        )
        if self.type_vocab_size is None:
            object.__setattr__(self, "type_vocab_size", 0 if self.model_type == "distilbert" else 2)
        for name in self.sizes:
            value = getattr(self, name)
            require(_is_integer(value) and value > 0, f"{name} must be a whole number above 0")
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
            value = getattr(self, name)
            require(_is_number(value) and 0 <= value < 1, f"{name} must lie in [0, 1)")
        for name in ("layer_norm_eps", "initializer_range"):
            value = getattr(self, name)
            require(_is_number(value) and value > 0, f"{name} must be a number above 0")
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
        self._require_token_types()

    def _require_token_types(self):
        require(_is_integer(self.type_vocab_size), "type_vocab_size must be a whole number")
        if self.model_type == "distilbert":
            require(self.type_vocab_size == 0, "distilbert has no token types: type_vocab_size 0")
            require(self.layer_norm_eps == 1e-12, "distilbert fixes layer_norm_eps at 1e-12")
        else:
            least = f"type_vocab_size must be above 0 for model_type {self.model_type}"
            require(self.type_vocab_size > 0, least)

    @property
    def sizes(self):
        """Fields that must be whole numbers above 0."""
        return (
            "vocab_size",
            "hidden_size",
            "num_hidden_layers",
            "num_attention_heads",
            "intermediate_size",
            "max_position_embeddings",
        )

    @property
    def attention_size(self):
        """Width of all attention heads together."""
        return getattr(self, self.ATTENTION_SIZE)

    @property
    def head_size(self):
        """Width of one attention head."""
        return self.attention_size // self.num_attention_heads

    def with_dropout(self, rate):
        """The same shape with other dropout, of hidden states and attention."""
        return dataclasses.replace(
            self, hidden_dropout_prob=rate, attention_probs_dropout_prob=rate
        )

    @classmethod
    def from_hugging_face(cls, values):
        """Read the content of a Hugging Face config.json.

        Args:
            values: dict; keys that Hugging Face does not read for the model type are ignored,
                missing ones take Hugging Face's defaults.

        Returns:
            EncoderConfig.

        Raises:
            UserError: an unsupported model type, a variant of BERT that this encoder is not, or a
                value out of range.
        """
        model_type = values.get("model_type", "bert")
        kind = "absolute" if model_type == "distilbert" else values.get("position_embedding_type")
        require(
            kind in (None, "absolute"),
            "only absolute position embeddings are supported (position_embedding_type)",
        )
        for name in ("is_decoder", "add_cross_attention"):
            require(not values.get(name), f"{name} is true: only encoders are supported")
        # Hugging Face's own default depth, which differs from BERT's.
        fields = {"num_hidden_layers": 6} if model_type == "distilbert" else {}
        for field in dataclasses.fields(cls):
            for name in _names_in_file(field.name, model_type):
                if values.get(name) is not None:
                    fields[field.name] = values[name]
        return cls(**{**fields, "model_type": model_type})

    def to_hugging_face(self):
        """The content of config.json, as Hugging Face's AutoModelForMaskedLM reads it.

        Returns:
            dict of JSON values.
        """
        values = dataclasses.asdict(self)
        if self.model_type == "bert":
            return {"architectures": ["BertForMaskedLM"], **values}
        del values["type_vocab_size"], values["layer_norm_eps"]
        values = {DISTILBERT_NAMES.get(name, name): value for name, value in values.items()}
        return {
            "architectures": ["DistilBertForMaskedLM"],
            **values,
            "sinusoidal_pos_embds": False,
            "tie_weights_": True,
        }


def _names_in_file(field, model_type):
    """What config.json may call a field; of several names the last that is there counts."""
    if model_type != "distilbert":
        return (field,)
    if field in _DISTILBERT_CONSTANTS:
        return ()
    own = DISTILBERT_NAMES.get(field, field)
    return (own, field) if field in DISTILBERT_ALIASES else (own,)


def _is_integer(value):
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def require(condition, message):
    """Raises `UserError` with a message unless a condition holds."""
    if not condition:
        raise UserError(message)
