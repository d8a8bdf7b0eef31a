"""The description of a model type, and the registry of all types.

A model type is one file, such as `configs/bert.py`: it makes a `ModelType` and registers it.
Everything else, from reading checkpoints to the starts of students, looks the type up here. The
descriptions import TensorFlow only when the layers are needed, so that a run can be planned
without it.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import NamedTuple

from tfdistill.models.configs.task_heads import TaskHeads
from tfdistill.system.errors import UserError


class Parts(NamedTuple):
    """The Keras layers of a model type.

    Attributes:
        embeddings: class of the embeddings, made by (config); see `models.embeddings.Embeddings`.
        block: class of one layer, made by (config, index, name); see
            `models.layers.TransformerLayer`. None for a type without layers.
        head: class of the masked-LM head, made by (config); see
            `models.heads.masked_lm.MaskedLanguageModelHead`. A type without that head has
            `models.heads.masked_lm.no_head`, which refuses.
        exported: function of a `Model` to the one that TFLite files are written from, with the same
            logits; None: itself.
        text_head: class of the head of whole texts; None: `ClassificationHead`.
    """

    embeddings: type
    block: type | None
    head: type
    exported: Callable | None = None
    text_head: type | None = None


@dataclasses.dataclass(frozen=True)
class HuggingFaceFormat:
    """Hugging Face's names in the config.json and the checkpoints of a model type.

    Args:
        class_prefix: beginning of the class names, such as "Bert" in `BertForMaskedLM`.
        prefix: beginning of the encoder's tensor names; None: the model type; "": none.
        encoder_tensors: function of the encoder to a dict of tensor names, without the prefix, to
            (variable, whether the file holds it transposed).
        head_tensors: the same of the masked-LM head; its names are complete.
        head_prefix: beginning of the names of the head's tensors; "": no masked-LM head.
        decoder: name of the vocabulary projection, which is tied to the word embeddings.
        renamed_tensors: dict of other names that checkpoints may use to the names of this format.
        keys: dict of config fields to keys of config.json, where they differ.
        aliases: fields of `keys` that are also read under their own names, which then win.
        constants: dict of fields that config.json does not hold to the value that they always
            have.
        defaults: dict of fields to the value of a missing key, where it is not the config's.
        required: dict of keys to the only value that is supported. A missing key is accepted.
        stated: keys of `required` that may not be missing, since they mean another value then.
        written: dict of further keys of config.json to their values.
    """

    class_prefix: str
    encoder_tensors: Callable
    head_tensors: Callable
    prefix: str | None = None
    head_prefix: str = "cls.predictions."
    decoder: str = "cls.predictions.decoder.weight"
    renamed_tensors: Mapping = dataclasses.field(default_factory=dict)
    keys: Mapping = dataclasses.field(default_factory=dict)
    aliases: tuple = ()
    constants: Mapping = dataclasses.field(default_factory=dict)
    defaults: Mapping = dataclasses.field(default_factory=dict)
    required: Mapping = dataclasses.field(default_factory=dict)
    stated: tuple = ()
    written: Mapping = dataclasses.field(default_factory=dict)

    def keys_of(self, field):
        """The keys of config.json that a field is read from; the last one present wins."""
        if field in self.constants:
            return ()
        key = self.keys.get(field, field)
        return (key, field) if field in self.aliases else (key,)


@dataclasses.dataclass(frozen=True)
class StartRules:
    """How students of a model type may start.

    Args:
        narrower: fields that a student may have smaller than the teacher whose layers it takes.
            Width reduction works on `TransformerLayer` only; empty rules it out.
        same_layers: fields that must equal the teacher's where layers are copied.
        same_embeddings: fields that must equal the teacher's where only the embeddings and the
            head are copied.
        inherited: fields that a student whose shape is given by name takes from its teacher.
        embedding_layers: attributes of the embeddings, beside tables and norm, that are copied.
        context: what reads the neighbors of a token, which the start from text sets up:
            "attention", "trigrams" (of the embeddings), or "" for neither.
    """

    narrower: tuple = ()
    same_layers: tuple = ("hidden_size",)
    same_embeddings: tuple = ("hidden_size",)
    inherited: tuple = ("max_position_embeddings",)
    embedding_layers: tuple = ()
    context: str = ""


@dataclasses.dataclass(frozen=True)
class ModelType:
    """Everything that the package knows about a model type.

    Args:
        name: Hugging Face's `model_type`.
        family: types of one family can take layers from each other.
        config: class of the configs, `EncoderConfig` or a subclass.
        parts: function without arguments that imports the layers and returns `Parts`.
        hugging_face: `HuggingFaceFormat`.
        starts: `StartRules`.
        named_shape: function of (name, model_type, vocab_size) to a config, or None for an
            unknown name.
        shape_names: names that `named_shape` knows.
        shape_example: a shape in the notation that `named_shape` reads.
        heads: `TaskHeads`.
        learns_text: whether models of the type are trained for masked LM here. Others are read, and
            trained for tasks with labels.
        alias: a second name, for settings; "" for none.
        tasks: names of the tasks that models of the type learn; empty: all that it has heads for.
        has_layers: whether tokens read each other. Without layers, a model knows of a text only
            which tokens it has; its start is made of a teacher's vectors of single tokens.
        own_words: whether a student made here has a vocabulary of its own, of the words of the
            training texts, and starts from word vectors instead of a teacher's layers.
        learning_rate: default of a student's peak rate for tasks with labels; 0: by its width.
        has_loop: whether its graph has a loop. TensorFlow's converter cannot write such a model in
            integers alone.

    Example:
        from tfdistill.models.configs.model_types import get_model_type

        bert = get_model_type("bert")
        config = bert.named_shape("tiny", model_type="bert", vocab_size=1000)
        config.hidden_size  # 128
    """

    name: str
    family: str
    config: type
    parts: Callable
    hugging_face: HuggingFaceFormat
    starts: StartRules
    named_shape: Callable
    shape_names: tuple = ()
    shape_example: str = ""
    heads: TaskHeads = TaskHeads()
    learns_text: bool = True
    alias: str = ""
    tasks: tuple = ()
    has_layers: bool = True
    own_words: bool = False
    learning_rate: float = 0.0
    has_loop: bool = False

    @property
    def tensor_prefix(self):
        """The beginning of the names of the encoder's tensors in checkpoints."""
        prefix = self.hugging_face.prefix
        prefix = self.name if prefix is None else prefix
        return f"{prefix}." if prefix else ""

    @property
    def is_own(self):
        """Whether transformers has no such type."""
        return self.name.startswith("tfdistill_")


MODEL_TYPES = {}


def register(model_type):
    """Adds a model type to `MODEL_TYPES`.

    Args:
        model_type: `ModelType`.
    """
    MODEL_TYPES[model_type.name] = model_type


def types_for_text():
    """Names of the model types that are trained for masked LM here: a list of str."""
    return [name for name, each in MODEL_TYPES.items() if each.learns_text]


def require_pairs_of(config, model):
    """Refuses a model that cannot tell whether a segment follows another.

    Args:
        config: `EncoderConfig`.
        model: what the message calls it.

    Raises:
        UserError: its type has no head for pairs of segments, or it has fewer than two token types.
    """
    cure = "use a bert or mobilebert with two token types, or leave `nsp` out"
    if not get_model_type(config.model_type).heads.next_sentence:
        raise UserError(
            f"`nsp`: {model} is a {config.model_type}, which has no token types and no pooler for "
            f"pairs of segments: {cure}"
        )
    if config.type_vocab_size < 2:
        raise UserError(f"`nsp`: {model} has {config.type_vocab_size} token types: {cure}")


def get_model_type(name, setting="model_type"):
    """Looks a model type up.

    Args:
        name: Hugging Face's `model_type`, or the `alias` of a type.
        setting: the setting that names it, for the error message.

    Returns:
        `ModelType`.

    Raises:
        UserError: there is no such type.
    """
    if not isinstance(name, str):
        raise UserError(f"`{setting}`={name!r:.80} is no name of a model type")
    found = MODEL_TYPES.get(name) or next(
        (each for each in MODEL_TYPES.values() if name and each.alias == name), None
    )
    if found is None:
        known = sorted(each.alias or each.name for each in MODEL_TYPES.values())
        raise UserError(f"`{setting}`={name} is not supported: use one of {', '.join(known)}")
    return found
