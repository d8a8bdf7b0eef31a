"""The shape of an encoder: one dataclass with Hugging Face's BERT names, and named sizes."""

import dataclasses
import json
import re
from pathlib import Path

from tfdistill.errors import UserError

MODEL_TYPES = ("bert", "distilbert")

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
_DISTILBERT_NAMES = {
    "hidden_size": "dim",
    "num_hidden_layers": "n_layers",
    "num_attention_heads": "n_heads",
    "intermediate_size": "hidden_dim",
    "hidden_act": "activation",
    "hidden_dropout_prob": "dropout",
    "attention_probs_dropout_prob": "attention_dropout",
}

# layers, width, heads; the intermediate size is four times the width.
_NAMED_SIZES = {
    "tiny": (2, 128, 2),
    "mini": (4, 256, 4),
    "small": (4, 512, 8),
    "medium": (8, 512, 8),
    "base": (12, 768, 12),
}


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
    """

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
        _require(
            self.model_type in MODEL_TYPES,
            f"model_type {self.model_type!r} is not supported; use one of {', '.join(MODEL_TYPES)}",
        )
        if self.type_vocab_size is None:
            object.__setattr__(self, "type_vocab_size", 2 if self.model_type == "bert" else 0)
        for name in (
            "vocab_size",
            "hidden_size",
            "num_hidden_layers",
            "num_attention_heads",
            "intermediate_size",
            "max_position_embeddings",
        ):
            value = getattr(self, name)
            _require(_is_integer(value) and value > 0, f"{name} must be a whole number above 0")
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
            value = getattr(self, name)
            _require(_is_number(value) and 0 <= value < 1, f"{name} must lie in [0, 1)")
        for name in ("layer_norm_eps", "initializer_range"):
            value = getattr(self, name)
            _require(_is_number(value) and value > 0, f"{name} must be a number above 0")
        _require(
            self.hidden_act in HIDDEN_ACTS,
            f"hidden_act {self.hidden_act!r} is not supported; use one of {', '.join(HIDDEN_ACTS)}",
        )
        _require(
            self.hidden_size % self.num_attention_heads == 0,
            f"hidden_size {self.hidden_size} is not a multiple of "
            f"num_attention_heads {self.num_attention_heads}",
        )
        _require(
            _is_integer(self.pad_token_id) and 0 <= self.pad_token_id < self.vocab_size,
            "pad_token_id must be an id of the vocabulary",
        )
        self._require_token_types()

    def _require_token_types(self):
        _require(_is_integer(self.type_vocab_size), "type_vocab_size must be a whole number")
        if self.model_type == "bert":
            _require(
                self.type_vocab_size > 0, "type_vocab_size must be above 0 for model_type bert"
            )
        else:
            _require(self.type_vocab_size == 0, "distilbert has no token types: type_vocab_size 0")
            _require(self.layer_norm_eps == 1e-12, "distilbert fixes layer_norm_eps at 1e-12")

    @property
    def head_size(self):
        """Width of one attention head."""
        return self.hidden_size // self.num_attention_heads

    @classmethod
    def from_hugging_face(cls, values):
        """Read the content of a Hugging Face config.json.

        Args:
            values: dict; keys that say nothing about the shape are ignored, missing ones take
                Hugging Face's defaults.

        Returns:
            EncoderConfig.

        Raises:
            UserError: an unsupported model type, a variant of BERT that this encoder is not, or a
                value out of range.
        """
        model_type = values.get("model_type", "bert")
        _require(
            values.get("position_embedding_type", "absolute") == "absolute",
            "only absolute position embeddings are supported (position_embedding_type)",
        )
        for name in ("is_decoder", "add_cross_attention"):
            _require(not values.get(name), f"{name} is true: only encoders are supported")
        # Hugging Face's own default depth, which differs from BERT's.
        fields = {"num_hidden_layers": 6} if model_type == "distilbert" else {}
        for field in dataclasses.fields(cls):
            names = [field.name]
            if model_type == "distilbert":
                names.append(_DISTILBERT_NAMES.get(field.name, field.name))
            for name in names:
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
        values = {_DISTILBERT_NAMES.get(name, name): value for name, value in values.items()}
        return {
            "architectures": ["DistilBertForMaskedLM"],
            **values,
            "sinusoidal_pos_embds": False,
            "tie_weights_": True,
        }


def named_config(name, model_type="bert", vocab_size=30522):
    """A shape by name.

    Args:
        name: "tiny", "mini", "small", "medium", "base" (the sizes of Turc et al., 2019,
            "Well-Read Students Learn Better", and BERT base), or a shape written out in the style
            of the same release, "L-4_H-128_A-2" (layers, width, heads), optionally followed by
            "_I-512" (intermediate size; four times the width when left out).
        model_type: "bert" or "distilbert".
        vocab_size: number of tokens.

    Returns:
        EncoderConfig.

    Raises:
        UserError: an unknown name or an impossible shape.
    """
    intermediate = None
    if name in _NAMED_SIZES:
        layers, width, heads = _NAMED_SIZES[name]
    else:
        match = re.fullmatch(r"L-(\d+)_H-(\d+)_A-(\d+)(?:_I-(\d+))?", name)
        _require(
            match,
            f"--student_config/--teacher_config: {name!r} is neither a file nor a known size; use "
            f"a JSON file, one of {', '.join(_NAMED_SIZES)}, or a shape like L-4_H-128_A-2",
        )
        layers, width, heads, intermediate = (
            int(part) if part else None for part in match.groups()
        )
    return EncoderConfig(
        model_type=model_type,
        vocab_size=vocab_size,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * width if intermediate is None else intermediate,
    )


def config_file(name_or_json_path):
    """The file that an argument of `read_config` means.

    Args:
        name_or_json_path: as there.

    Returns:
        `Path`, or None where it is a name: of a size, whatever folder is called so.
    """
    path = Path(name_or_json_path)
    if (path / "config.json").is_file():
        return path / "config.json"
    return path if path.is_file() or path.suffix == ".json" else None


def read_config(name_or_json_path, model_type):
    """A shape by name or from a Hugging Face config.json.

    Args:
        name_or_json_path: a name for `named_config`, a JSON file, or a directory that holds a
            config.json.
        model_type: "bert" or "distilbert"; a JSON that names another type is refused.

    Returns:
        EncoderConfig.

    Raises:
        UserError: an unknown name, a file that cannot be read, or a JSON of another model type.
    """
    path = config_file(name_or_json_path)
    if path is None:
        return named_config(str(name_or_json_path), model_type)
    values = read_json(path)
    found = values.get("model_type", model_type)
    _require(
        found == model_type,
        f"{path} describes a {found}, not a {model_type}; change --student_type or the file",
    )
    if model_type == "bert":
        foreign = sorted(set(values) & set(_DISTILBERT_NAMES.values()))
        _require(
            not foreign,
            f"{path} uses DistilBERT's names ({', '.join(foreign)}); change --student_type to "
            "distilbert or use BERT's names",
        )
    return config_of(values | {"model_type": model_type}, path)


def read_json(path):
    """Read a JSON object.

    Args:
        path: a file.

    Returns:
        dict.

    Raises:
        UserError: the file is missing, unreadable, or holds no JSON object.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read {path}: {reason}") from error
    if not isinstance(values, dict):
        raise UserError(f"{path} holds no JSON object; a Hugging Face config.json is needed")
    return values


def config_of(values, path):
    """`EncoderConfig.from_hugging_face` whose complaints name the file.

    Args:
        values: dict, the content of config.json.
        path: the file it was read from.

    Returns:
        EncoderConfig.

    Raises:
        UserError: as `from_hugging_face`, with the file's name in front.
    """
    try:
        return EncoderConfig.from_hugging_face(values)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _is_integer(value):
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def _require(condition, message):
    if not condition:
        raise UserError(message)
