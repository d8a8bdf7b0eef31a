"""The shapes whose files are timed for a latency model: those it is fitted to, and unseen ones."""

import dataclasses
import math
import random
from typing import Any

from tfdistill.deployment.operators import POOLER, VOCABULARY
from tfdistill.models.configs.stored_heads import padded_heads
from tfdistill.system.errors import UserError

SEED = 0
WIDTH_STEP, NEURON_STEP = 4, 4  # every fourth number: also such that fill no vector register
SMALLEST_WIDTH, SMALLEST_NEURONS, SMALLEST_WORDS = 1 / 6, 1 / 16, 1 / 16  # of the largest
HEAD_SIZES = 16, 32, 64
SMALLEST_HEAD = 8
# Converters leave matrices of fewer than 1,024 numbers in float32: 64 x 16 is the least.
LEAST_WIDTH, LEAST_ATTENTION = 64, 16
POOLED = 0.2  # share of shapes whose head reads [CLS]
CUT = 0.3  # share of shapes with fewer tokens in the vocabulary than the largest
_AXES = 8
# Heads, their size, width, neurons and words of templates: no two numbers are equal, and none is
# a rank, a number of classes or types, or 1.
_TEMPLATES = (5, 11, 70, 90, 130), (7, 13, 98, 118, 150), (9, 17, 162, 190, 210)


@dataclasses.dataclass(frozen=True)
class TimedShape:
    """A shape of a table.

    Args:
        config: its `EncoderConfig`.
        head: `operators.VOCABULARY` or `operators.POOLER`.
        unseen: whether the model is tested with it, instead of fitted to it.
    """

    config: Any
    head: str
    unseen: bool

    @property
    def name(self):
        """Its sizes, such as "L-2_H-128_A-2_S-64_I-512_V-30522", and "_cls" without the row."""
        config = self.config
        text = (
            f"L-{config.num_hidden_layers}_H-{config.hidden_size}_A-{config.num_attention_heads}"
            f"_S-{config.head_size}_I-{config.intermediate_size}_V-{config.vocab_size}"
        )
        return text + ("_cls" if self.head == POOLER else "")


def timed_shapes(largest, fitted, unseen):
    """Draws shapes, always the same ones for the same arguments.

    Those to fit begin with the largest and the smallest shape; the others are a Latin hypercube
    (McKay et al., 1979), which spreads every size evenly. The unseen ones are drawn independently.

    Args:
        largest: `EncoderConfig` of the largest shape.
        fitted, unseen: numbers of shapes.

    Returns:
        list of `TimedShape`s, the largest first; fewer where two draws of a small one are equal.
    """
    draws = random.Random(SEED)
    spread = [_strata(fitted - 2, draws) for _ in range(_AXES)]
    points = [[0.0] * _AXES, *zip(*spread, strict=True)]
    others = [[draws.random() for _ in range(_AXES)] for _ in range(unseen)]
    found = [TimedShape(largest, VOCABULARY, False)]
    found += [_shape(largest, point, False) for point in points]
    found += [_shape(largest, point, True) for point in others]
    by_name = {}
    for each in found:
        by_name.setdefault(each.name, each)
    return list(by_name.values())


def _strata(count, draws):
    """One number in each of `count` equal parts of [0, 1), in any order."""
    found = [(place + draws.random()) / count for place in range(count)]
    draws.shuffle(found)
    return found


def _shape(largest, point, unseen):
    """The shape at a point of the unit cube, which is the smallest at 0."""
    layers, width, neurons, regime, heads, size, words, pooled = point
    width = _between(SMALLEST_WIDTH, largest.hidden_size, width, WIDTH_STEP, LEAST_WIDTH)
    neurons = _between(SMALLEST_NEURONS, largest.intermediate_size, neurons, NEURON_STEP)
    heads, size = _attention(largest, width, regime, heads, size)
    tokens = largest.vocab_size
    if words < CUT:
        tokens = _between(SMALLEST_WORDS, tokens, words / CUT, 1)
    config = dataclasses.replace(
        largest,
        num_hidden_layers=1 + int(layers * largest.num_hidden_layers),
        hidden_size=width,
        intermediate_size=neurons,
        num_attention_heads=heads,
        attention_head_size=size,
        vocab_size=tokens,
    )
    return TimedShape(config, POOLER if pooled < POOLED else VOCABULARY, unseen)


def _between(least, most, share, step, floor=1):
    """A size from `least` x `most` to `most`, even in its logarithm: a multiple of a step."""
    least = max(least, min(floor / most, 1.0))
    return min(most, math.ceil(most * least ** (1 - share) / step) * step)


def _attention(largest, width, regime, heads, size):
    """(heads, size of each): whole heads of a usual size, or all heads of any size."""
    most = largest.num_attention_heads
    if regime < 1 / 2:
        sizes = [each for each in HEAD_SIZES if each <= width]
        size = sizes[int(size * len(sizes))]
        fitting = [n for n in range(1, most + 1) if padded_heads(width, n, size)]
        return fitting[int(heads * len(fitting))], size
    fitting = [n for n in range(1, most + 1) if width % n == 0 and width // n >= SMALLEST_HEAD]
    heads = fitting[int(heads * len(fitting))]
    least, whole = max(SMALLEST_HEAD, math.ceil(LEAST_ATTENTION / heads)), width // heads
    return heads, round(least + size * (whole - least))


def template_of(shape, lengths):
    """The shape of the same depth and head whose file is made into that of a shape by `resize`.

    Args:
        shape: a `TimedShape`.
        lengths: of the files' rows. Neither they nor the positions may equal one of the sizes.

    Returns:
        (`TimedShape`, dict of its sizes to those of `shape`).
    """
    own = shape.config
    for heads, size, width, neurons, words in _TEMPLATES:
        if own.num_attention_heads == 1:  # converters then leave out transposes
            heads, size = 1, heads * size
        config = dataclasses.replace(
            own,
            hidden_size=width,
            intermediate_size=neurons,
            num_attention_heads=heads,
            attention_head_size=size,
            vocab_size=words,
        )
        sizes = {
            heads: own.num_attention_heads,
            size: own.head_size,
            heads * size: own.attention_size,
            width: own.hidden_size,
            neurons: own.intermediate_size,
            words: own.vocab_size,
        }
        if sizes.keys().isdisjoint((*lengths, own.max_length)):
            return TimedShape(config, shape.head, False), sizes
    raise UserError(f"`tokens`={','.join(map(str, lengths))}: leave out some lengths")
