"""The BiLSTM of distilled students (Tang et al., 2019), arXiv:1903.12136.

Hugging Face has no such model. The folder has its files with names of our own; the LSTM's tensors
have the names and layouts of `torch.nn.LSTM`.
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
from tfdistill.models.configs.task_heads import CLASSIFICATION, TOKENS, TaskHeads
from tfdistill.models.configs.values import require
from tfdistill.models.hugging_face.tensor_names import dense_tensors

# The paper, section 4.2: 150 units each way, or 300, and 200 or more in the layer before the
# classifier. Its code has 300 for pairs.
NAMED_SHAPES = {"bilstm": "H-150_F-200", "bilstm_wide": "H-300_F-200"}
_SHAPE = re.compile(r"H-(\d+)_F-(\d+)")
_POOLER = "pooler.dense"
_SUFFIXES = ("", "_reverse")  # of the names of the two directions


@dataclasses.dataclass(frozen=True)
class BiLstmConfig(EncoderConfig):
    """Shape and constants of a BiLSTM.

    Args:
        hidden_size: width of a token's state: the units of both directions together.
        intermediate_size: units of the layer between the final states and the classifier.
        hidden_act: activation of that layer.
        hidden_dropout_prob: dropout before the classifier, the only one.
        embedding_size: width of the word embeddings.
        compares_pairs: whether the model is for pairs of texts: each is read alone, and the head
            compares the two. Else a second text is read behind the first.

    Raises:
        UserError: a value is out of range or not of its type.
    """

    HAS_POSITIONS = KNOWS_TYPES = False
    LAYERS_IN_WORDS = "an LSTM each way, {intermediate_size:,} units before the classifier"

    model_type: str = "tfdistill_bilstm"
    hidden_size: int = 300
    num_hidden_layers: int = 1
    num_attention_heads: int = 1
    intermediate_size: int = 200
    hidden_act: str = "relu"
    attention_probs_dropout_prob: float = 0.0
    max_position_embeddings: int = 4096
    initializer_range: float = 0.05
    embedding_size: int = 128
    compares_pairs: bool = False

    def __post_init__(self):
        super().__post_init__()
        width = self.hidden_size
        require(
            type(width) is int and width > 0 and width % 2 == 0,
            "hidden_size must be an even number above 0, the units of both directions",
        )
        require(type(self.compares_pairs) is bool, "compares_pairs must be true or false")

    @property
    def units(self):
        """Units of each direction."""
        return self.hidden_size // 2

    @property
    def sizes(self):
        """Fields that must be whole numbers above 0, and may be any."""
        return ("vocab_size", "intermediate_size", "embedding_size")

    @property
    def fewest_numbers(self):
        """The word embeddings, and what the gates of both directions read of them."""
        return (self.vocab_size + 4 * self.hidden_size) * self.embedding_size

    def with_dropout(self, rate):
        """The same shape with other dropout."""
        return dataclasses.replace(self, hidden_dropout_prob=rate)


def named_shape(name, model_type, vocab_size):
    """A shape by name.

    Args:
        name: a key of `NAMED_SHAPES`, or a shape such as "H-150_F-200": units of each direction,
            and of the layer before the classifier.
        model_type: "tfdistill_bilstm".
        vocab_size: int.

    Returns:
        BiLstmConfig, or None for an unknown name.
    """
    match = _SHAPE.fullmatch(NAMED_SHAPES.get(name, name))
    if not match:
        return None
    units, dense = map(int, match.groups())
    return BiLstmConfig(
        model_type=model_type,
        vocab_size=vocab_size,
        hidden_size=2 * units,
        intermediate_size=dense,
    )


def encoder_tensors(encoder):
    """Names of an encoder's variables; see `HuggingFaceFormat`."""
    named = {"embeddings.word_embeddings.weight": (encoder.embeddings.word_embeddings, False)}
    for suffix, direction in zip(_SUFFIXES, encoder.blocks[0].directions, strict=True):
        inputs = dense_tensors("inputs", direction.inputs)
        named[f"lstm.weight_ih_l0{suffix}"] = inputs["inputs.weight"]
        named[f"lstm.bias_ih_l0{suffix}"] = inputs["inputs.bias"]
        named[f"lstm.weight_hh_l0{suffix}"] = (direction.recurrent, True)
    return named


def _parts():
    from tfdistill.models.bilstm import BiLstmLayer, WordEmbeddings
    from tfdistill.models.heads.final_states import FinalStatesHead
    from tfdistill.models.heads.masked_lm import no_head

    return Parts(WordEmbeddings, BiLstmLayer, no_head, text_head=FinalStatesHead)


MODEL_TYPE = ModelType(
    name="tfdistill_bilstm",
    alias="bilstm",
    family="tfdistill_bilstm",
    config=BiLstmConfig,
    parts=_parts,
    hugging_face=HuggingFaceFormat(
        class_prefix="TfdistillBiLstm",
        encoder_tensors=encoder_tensors,
        head_tensors=lambda head: {},
        prefix="bilstm",
        head_prefix="",
        constants={
            "num_hidden_layers": 1,
            "num_attention_heads": 1,
            "attention_probs_dropout_prob": 0.0,
            "max_position_embeddings": 4096,
            "type_vocab_size": 2,
            "layer_norm_eps": 1e-12,
        },
    ),
    starts=StartRules(),
    named_shape=named_shape,
    shape_names=tuple(NAMED_SHAPES),
    shape_example="H-150_F-200",
    heads=TaskHeads(
        pooler=_POOLER,
        pooler_activation="relu",
        pooling="pooler",
        dropouts=dict.fromkeys((CLASSIFICATION, TOKENS), ("", None)),
    ),
    learns_text=False,
    own_words=True,
    learning_rate=1e-3,
    has_loop=True,
    tasks=("text_classification", "regression", "token_classification"),
)
