"""Static encoders: a vector and a weight for each token, and no layers (after Model2Vec).

A token has the same vector in every text, as in Model2Vec (Tulkens and van Dongen, 2024), whose
names of tensors the files have: the package model2vec reads the folder of a sentence encoder.
"""

import dataclasses
import re

from tfdistill.models.configs.encoder_config import EncoderConfig
from tfdistill.models.configs.model_types import (
    HuggingFaceFormat,
    ModelType,
    Parts,
    StartRules,
)
from tfdistill.models.configs.task_heads import CLASSIFICATION, TaskHeads
from tfdistill.models.configs.values import require

NAME = "tfdistill_static"
SHAPE = "H-256"  # the usual width, as of Model2Vec


@dataclasses.dataclass(frozen=True)
class StaticConfig(EncoderConfig):
    """Shape and constants of a static encoder.

    Args:
        hidden_size: width of the vectors.
        hidden_dropout_prob: rate of the dropout before the head of a task.
        uncounted_ids: ids that the mean over a text leaves out: the special tokens that frame a
            text, and the unknown token.
        sep_token_id: id of the token between two texts of a pair.

    Raises:
        UserError: a value is out of range or not of its type.
    """

    HAS_POSITIONS = False
    LAYERS_IN_WORDS = ""
    WITHOUT_TOKENS = {"pad_token_id": 0, "uncounted_ids": (), "sep_token_id": 0}

    model_type: str = NAME
    hidden_size: int = 256
    num_hidden_layers: int = 0
    num_attention_heads: int = 1
    intermediate_size: int = 1
    type_vocab_size: int | None = 0
    uncounted_ids: tuple = ()
    sep_token_id: int = 0

    def __post_init__(self):
        super().__post_init__()
        given = self.uncounted_ids
        require(isinstance(given, list | tuple), "uncounted_ids must be a list of ids")
        object.__setattr__(self, "uncounted_ids", tuple(given))
        for token in (*self.uncounted_ids, self.sep_token_id):
            require(
                type(token) is int and 0 <= token < self.vocab_size,
                "uncounted_ids and sep_token_id must be ids of the vocabulary",
            )

    @property
    def fewest_numbers(self):
        return self.vocab_size * self.hidden_size

    def for_tokenizer(self, tokenizer):
        ids = tokenizer.role_ids
        uncounted = {token for role, token in ids.items() if role != "mask"}
        return dataclasses.replace(
            super().for_tokenizer(tokenizer),
            uncounted_ids=tuple(sorted(uncounted)),
            sep_token_id=ids["sep"],
        )


def named_shape(name, model_type, vocab_size):
    """A shape by its width, "H-256".

    Args:
        name: str.
        model_type: "tfdistill_static".
        vocab_size: int.

    Returns:
        A `StaticConfig`, or None for another notation.
    """
    match = re.fullmatch(r"H-(\d+)", name)
    return match and StaticConfig(vocab_size=vocab_size, hidden_size=int(match.group(1)))


def encoder_tensors(encoder):
    """Names of an encoder's variables, those of model2vec; see `HuggingFaceFormat`."""
    embeddings = encoder.embeddings
    return {
        "embeddings": (embeddings.word_embeddings, False),
        "weights": (embeddings.token_weights, False),
    }


def _parts():
    from tfdistill.models.heads.masked_lm import no_head
    from tfdistill.models.static import StaticEmbeddings, fold

    return Parts(StaticEmbeddings, None, no_head, exported=fold)


MODEL_TYPE = ModelType(
    name=NAME,
    alias="static",
    family=NAME,
    config=StaticConfig,
    parts=_parts,
    hugging_face=HuggingFaceFormat(
        class_prefix="Static",
        encoder_tensors=encoder_tensors,
        head_tensors=lambda head: {},
        prefix="",
        head_prefix="",
        constants={
            "num_hidden_layers": 0,
            "num_attention_heads": 1,
            "intermediate_size": 1,
            "type_vocab_size": 0,
        },
    ),
    starts=StartRules(inherited=()),
    named_shape=named_shape,
    shape_names=(),
    shape_example=SHAPE,
    heads=TaskHeads(
        pooling="mean", compares=True, dropouts={CLASSIFICATION: ("classifier_dropout", None)}
    ),
    learns_text=False,
    tasks=("text_classification", "regression", "sentence_embedding"),
    has_layers=False,
    learning_rate=3e-3,
)
