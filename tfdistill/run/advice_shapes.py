"""Shapes of students for a teacher: their parameters, their files, and which fit a budget."""

import dataclasses
import math
from typing import NamedTuple

from tfdistill.deployment.operators import VOCABULARY
from tfdistill.models.configs.model_types import get_model_type
from tfdistill.run.advice_models import config_of_known
from tfdistill.run.verdict import SPEED
from tfdistill.system.errors import UserError

# Model types with BERT's block, whose parameters `Size` counts.
COUNTED = "bert", "distilbert", "electra", "roberta", "xlm-roberta"
# Layers, width and inner width of the feed-forward parts of published students, by their names.
PUBLISHED = {
    "DistilBERT": (6, 768, 3072),
    "BERT-medium": (8, 512, 2048),
    "MiniLM-L12": (12, 384, 1536),
    "MiniLM-L6": (6, 384, 1536),
    "BERT-small": (4, 512, 2048),
    "MiniLM-L3": (3, 384, 1536),
    "TinyBERT-4": (4, 312, 1200),
    "BERT-mini": (4, 256, 1024),
    "BERT-tiny": (2, 128, 512),
}
SHARES = {2: "half of the teacher's layers", 3: "a third of its layers", 4: "a quarter of them"}
_OPERATORS, _OPERATORS_OF_A_LAYER = 36, 41  # in each signature of a file
_BYTES_OF_AN_OPERATOR = 220  # with its tensors and their names


class Size(NamedTuple):
    """The sizes of a BERT, and what follows from them.

    Args:
        layers, width, heads: as in a shape's name, L-3_H-384_A-12.
        inner: width of the feed-forward parts.
        vocabulary, positions, types: rows of the tables of embeddings.
        attention: width of all heads together; 0: `width`.
    """

    layers: int
    width: int
    heads: int
    inner: int
    vocabulary: int
    positions: int = 512
    types: int = 2
    attention: int = 0

    @classmethod
    def of(cls, config):
        """The sizes of an `EncoderConfig`."""
        return cls(
            config.num_hidden_layers,
            config.hidden_size,
            config.num_attention_heads,
            config.intermediate_size,
            config.vocab_size,
            config.max_position_embeddings,
            config.type_vocab_size,
            config.attention_size if config.attention_head_size else 0,
        )

    def applied_to(self, config):
        """An `EncoderConfig` with this shape, and all else as in another one."""
        return dataclasses.replace(
            config,
            num_hidden_layers=self.layers,
            hidden_size=self.width,
            num_attention_heads=self.heads,
            intermediate_size=self.inner,
        )

    @property
    def name(self):
        """The shape in the notation of `student_config`."""
        inner = "" if self.inner == 4 * self.width else f"_I-{self.inner}"
        return f"L-{self.layers}_H-{self.width}_A-{self.heads}{inner}"

    @property
    def matrices(self):
        """Numbers in the matrices of all layers."""
        return self.layers * self.width * (4 * self._attention + 2 * self.inner)

    @property
    def _attention(self):
        return self.attention or self.width

    @property
    def parameters(self):
        """Parameters of the encoder, without a head."""
        tables = (self.vocabulary + self.positions + self.types) * self.width
        return tables + self.matrices + self._vectors

    @property
    def masked_lm_parameters(self):
        """Parameters with the masked-LM head, whose table is that of the embeddings."""
        return self.parameters + self.width**2 + 3 * self.width + self.vocabulary

    @property
    def _vectors(self):
        """Numbers in biases and norms."""
        of_layer = 3 * self._attention + 6 * self.width + self.inner
        return self.layers * of_layer + 2 * self.width

    def multiply_adds(self, tokens):
        """Multiply-adds of the layers for a text of so many tokens."""
        return tokens * (self.matrices + 2 * self.layers * tokens * self._attention)

    def int8_bytes(self, lengths, head=""):
        """The size of the int8 TFLite file, but for the classes.

        Matrices have one byte per number, a scale of four for each column, and everything else is
        float32; each length has positions and operators of its own.

        Args:
            lengths: of the file's rows.
            head: `POOLER`, `VOCABULARY` for masked LM, or "" for a head without large matrices.

        Returns:
            int.
        """
        integers = self.vocabulary * self.width + self.matrices
        floats = self._vectors + (sum(lengths) + self.types) * self.width + self.vocabulary
        scales = self.layers * (3 * self._attention + 2 * self.width + self.inner)
        if head:
            integers += self.width**2
            scales += self.width
            floats += 2 * self.width
        # A table that is also multiplied has a scale and a zero point (8 bytes) for each row, too.
        own = (4 + 4 + 8) * self.vocabulary if head == VOCABULARY else 0
        operators = len(lengths) * (_OPERATORS + _OPERATORS_OF_A_LAYER * self.layers)
        return integers + 4 * (floats + scales) + own + _BYTES_OF_AN_OPERATOR * operators


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A shape for a student.

    Args:
        size: its `Size`.
        origin: what it is, such as "TinyBERT-4".
        bytes: size of its int8 file.
        milliseconds: time of a text, or None where it was not measured.
    """

    size: Size
    origin: str
    bytes: int
    milliseconds: float | None = None

    def described(self):
        """dict for JSON."""
        return {
            "shape": self.size.name,
            "origin": self.origin,
            "parameters": self.size.parameters,
            "int8_bytes": self.bytes,
            "milliseconds": self.milliseconds,
        }


def is_counted(config):
    """Whether `Size` counts the parameters of a model: BERT's block, embeddings of its width.

    Args:
        config: its `EncoderConfig`.
    """
    width = getattr(config, "embedding_size", config.hidden_size)  # ELECTRA has one of its own
    return config.model_type in COUNTED and width == config.hidden_size


def size_of_teacher(config, name):
    """The sizes of a teacher.

    Args:
        config: its `EncoderConfig`.
        name: its folder or name.

    Returns:
        `Size`.

    Raises:
        UserError: it has other blocks than BERT, or embeddings of another width.
    """
    if not is_counted(config):
        raise UserError(
            f"`teacher`={name} is a {config.model_type}: students are advised for "
            f"{', '.join(COUNTED)} with embeddings as wide as the layers; choose a "
            "`student_config` yourself"
        )
    return Size.of(config)


def smaller(models, teacher):
    """Leaves out published models that have as many parameters as the teacher, or more.

    Args:
        models: list of dicts with `name`, a key of `advice_models.KNOWN`.
        teacher: its `Size`.

    Returns:
        list of the others, and of those whose parameters are not counted.
    """

    def fits(name):
        config = config_of_known(name)
        return not is_counted(config) or Size.of(config).parameters < teacher.parameters

    return [each for each in models if fits(each["name"])]


def candidates(config, lengths, head=""):
    """The shapes that a student of a teacher may have, the one with most computation first.

    They have half, a third or a quarter of the teacher's layers at its width, or are published
    shapes that are no deeper and narrower, with a number of heads that a start from the teacher
    allows. All take at most 1 / 1.5 of the teacher's multiply-adds.

    Args:
        config: `EncoderConfig` of the teacher.
        lengths, head: as for `Size.int8_bytes`.

    Returns:
        list of `Candidate`s.
    """
    teacher, tokens = Size.of(config), lengths[-1]
    most = teacher.multiply_adds(tokens) / SPEED
    found = {}
    for share, origin in SHARES.items():
        found.setdefault(teacher._replace(layers=math.ceil(teacher.layers / share)), origin)
    if get_model_type(config.model_type).starts.narrower:
        for origin, (layers, width, inner) in PUBLISHED.items():
            heads = _heads(teacher, width)
            fits = layers <= teacher.layers and width < teacher.width and inner <= teacher.inner
            if fits and heads:
                size = teacher._replace(layers=layers, width=width, heads=heads, inner=inner)
                found.setdefault(size, origin)
    kept = [size for size in found if size.multiply_adds(tokens) <= most]
    kept.sort(key=lambda size: -size.multiply_adds(tokens))
    return [Candidate(size, found[size], size.int8_bytes(lengths, head)) for size in kept]


def _heads(teacher, width):
    """The most heads of a narrower student that starts from the teacher; 0 for none."""
    largest = teacher.width // teacher.heads
    fitting = range(1, teacher.heads + 1)
    return max((n for n in fitting if width % n == 0 and width // n <= largest), default=0)


def choose(found, budget_mb, budget_ms, instead=""):
    """Chooses the shape with most computation that fits; without budgets, half of the layers.

    Args:
        found: list of `candidates`, with times if there is a `budget_ms`.
        budget_mb, budget_ms: settings; 0 for no limit.
        instead: end of the message that none fits, as `advice_small.instead` makes it.

    Returns:
        A `Candidate`.

    Raises:
        UserError: none fits.
    """
    if not found:
        raise UserError(
            "`teacher` is too small for a student of 1 / 1.5 of its time: use it itself"
        )
    if not budget_mb and not budget_ms:
        return next((each for each in found if each.origin == SHARES[2]), found[0])
    small = [each for each in found if not budget_mb or each.bytes <= 1e6 * budget_mb]
    if not small:
        least = min(found, key=lambda each: each.bytes)
        raise UserError(
            f"`budget_mb`={budget_mb:g}: the smallest shape, {least.size.name}, has "
            f"{least.bytes / 1e6:.1f} MB, of which the {least.size.vocabulary:,} tokens of the "
            f"vocabulary take most: give more, or a teacher with a smaller vocabulary{instead}"
        )
    fast = [each for each in small if not budget_ms or each.milliseconds <= budget_ms]
    if not fast:
        least = min(small, key=lambda each: each.milliseconds)
        raise UserError(
            f"`budget_ms`={budget_ms:g}: {least.size.name} takes {least.milliseconds:.2f} ms here, "
            f"and no shape that fits takes less: give more, or a smaller `length`{instead}"
        )
    return fast[0]
