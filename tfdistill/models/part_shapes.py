"""Shapes of the parts of a model, which a super-student trains. Imports no TensorFlow.

A part is some layers, usually the first, and of each layer the first units of every kind
(AutoTinyBERT, Yin et al., 2021, section 3.2). All layers of a part have the same sizes.
"""

import dataclasses
import itertools
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

from tfdistill.models.configs.config_files import read_json
from tfdistill.models.configs.model_types import get_model_type
from tfdistill.models.configs.stored_heads import padded_heads
from tfdistill.system.errors import UserError

RANGES = "super_student.json"  # in the folder of a super-student
CURE = "train the super-student again, or write there what the run had"
# Shares of the largest sizes that the smallest ones have by default.
WIDTH_SHARE, INTERMEDIATE_SHARE, HEAD_SHARE = 1 / 4, 1 / 8, 1 / 4


class PartShape(NamedTuple):
    """The shape of a part; ints, or float32 scalars where shapes differ from step to step.

    Attributes:
        layers: number of layers.
        width: hidden size.
        intermediate: neurons of each feed-forward part.
        heads: attention heads of each layer.
        head_size: dimensions of each head.
        spread: whether the layers are spread over the whole model; else they are its first ones.
    """

    spread = False

    layers: Any
    width: Any
    intermediate: Any
    heads: Any
    head_size: Any

    @classmethod
    def of(cls, config):
        """The shape of a whole model; `config` is its EncoderConfig."""
        return cls(
            config.num_hidden_layers,
            config.hidden_size,
            config.intermediate_size,
            config.num_attention_heads,
            config.head_size,
        )

    def layer_places(self, depth):
        """The layers of the whole model that a part has.

        Args:
            depth: int, layers of the whole model.

        Returns:
            tuple of int, ascending; the first is 0.
        """
        step = depth / self.layers if self.spread else 1
        return tuple(math.floor(place * step) for place in range(self.layers))

    def config(self, whole):
        """The config of a part.

        Args:
            whole: EncoderConfig of the whole model.

        Returns:
            EncoderConfig.

        Raises:
            UserError: the part is larger than the whole, models of this type have no parts, or
                Hugging Face's classes have no place for its heads (see `attention_padding`).
        """
        require_parts(whole)
        for name, size, most in zip(self._fields, self, PartShape.of(whole), strict=True):
            if not 1 <= size <= most:
                raise UserError(f"a part of this model has 1 to {most} {name}, not {size}")
        return dataclasses.replace(
            whole,
            num_hidden_layers=self.layers,
            hidden_size=self.width,
            intermediate_size=self.intermediate,
            num_attention_heads=self.heads,
            attention_head_size=self.head_size,
        )


class SpreadShape(PartShape):
    """The shape of a part whose layers are spread over the whole model.

    Layer i of l is the layer floor(i L / l) of L (DynaBERT, Hou et al., 2020, section 2.2).
    """

    __slots__ = ()
    spread = True


def require_parts(config):
    """Refuses models whose layers cannot run as a part.

    Args:
        config: EncoderConfig.

    Raises:
        UserError: they cannot.
    """
    if not get_model_type(config.model_type).starts.narrower:
        raise UserError(
            f"`student_type`={config.model_type} has no smaller parts: use bert or distilbert"
        )


@dataclasses.dataclass(frozen=True)
class PartSpace:
    """All shapes that a super-student trains.

    Every shape has a place in Hugging Face's classes, which divide the width among equal heads.

    Args:
        layers: ascending ints.
        widths: ascending ints.
        intermediates: ascending ints.
        attention: for each width (fewest, most), of heads or of dimensions of each head.
        whole: `PartShape` of the whole model.
        whole_heads: whether the number of heads varies; otherwise the size of all heads does.
    """

    layers: tuple
    widths: tuple
    intermediates: tuple
    attention: tuple
    whole: PartShape
    whole_heads: bool

    @property
    def smallest(self):
        """The smallest `PartShape`."""
        return self.shape(0, 0, 0, 0)

    @property
    def middle(self):
        """The `PartShape` in the middle of each range."""
        width = len(self.widths) // 2
        fewest, most = self.attention[width]
        sizes = len(self.layers), len(self.intermediates), most - fewest + 1
        layers, intermediate, attention = (size // 2 for size in sizes)
        return self.shape(layers, width, intermediate, attention)

    def shape(self, layers, width, intermediate, attention):
        """The `PartShape` at four places; that of the attention counts from the fewest."""
        units = self.attention[width][0] + attention
        _, _, _, heads, head_size = self.whole
        return PartShape(
            self.layers[layers],
            self.widths[width],
            self.intermediates[intermediate],
            *((units, head_size) if self.whole_heads else (heads, units)),
        )

    def places(self, shape):
        """The layers' and widths' places of a `PartShape`, and its units of attention.

        Returns:
            (place of the layers, of the width, of the neurons; heads, or dimensions of each).
        """
        return (
            self.layers.index(shape.layers),
            self.widths.index(shape.width),
            self.intermediates.index(shape.intermediate),
            shape.heads if self.whole_heads else shape.head_size,
        )

    def nearest(self, layers, width, intermediate, units):
        """The `PartShape` nearest to what `places` returns, where that lies outside."""
        layers, width, intermediate = (
            min(max(place, 0), len(sizes) - 1)
            for place, sizes in (
                (layers, self.layers),
                (width, self.widths),
                (intermediate, self.intermediates),
            )
        )
        fewest, most = self.attention[width]
        return self.shape(layers, width, intermediate, min(max(units, fewest), most) - fewest)

    def shapes(self):
        """Yields every `PartShape`."""
        sizes = range(len(self.layers)), range(len(self.widths)), range(len(self.intermediates))
        for layers, width, neurons in itertools.product(*sizes):
            fewest, most = self.attention[width]
            for attention in range(most - fewest + 1):
                yield self.shape(layers, width, neurons, attention)

    def __len__(self):
        """The number of shapes."""
        attention = sum(most - fewest + 1 for fewest, most in self.attention)
        return len(self.layers) * attention * len(self.intermediates)


@dataclasses.dataclass(frozen=True)
class PartRanges:
    """Which parts of a student are trained, before its shape is known.

    Args:
        whole_heads: whether parts have fewer heads; otherwise all heads of a part are smaller.
        layers: fewest layers.
        width: smallest hidden size; 0: a quarter of the largest.
        intermediate: smallest number of neurons; 0: an eighth of the largest.
        step: distance of hidden sizes, and of numbers of neurons. Where heads become smaller, the
            distance of hidden sizes is the next multiple of the number of heads.
        sandwich: whether each step trains the largest part, the smallest and two drawn ones (Yu
            and Huang, 2019, "Universally Slimmable Networks", section 3.2); otherwise a single
            drawn one.
    """

    whole_heads: bool = True
    layers: int = 1
    width: int = 0
    intermediate: int = 0
    step: int = 16
    sandwich: bool = False

    def write(self, folder):
        """Writes the ranges beside a super-student, for the search; `folder` is its folder."""
        text = json.dumps(dataclasses.asdict(self), indent=2) + "\n"
        (Path(folder) / RANGES).write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, folder):
        """Reads what `write` wrote.

        Args:
            folder: of the super-student.

        Returns:
            `PartRanges`.

        Raises:
            UserError: the folder has no such file, or another content.
        """
        file = Path(folder) / RANGES
        values = read_json(file)
        for field in dataclasses.fields(cls):
            value = values.get(field.name)
            least = 0 if field.name in ("width", "intermediate") else 1
            if type(value) is not field.type or (field.type is int and value < least):
                what = "true or false" if field.type is bool else f"a whole number from {least}"
                raise UserError(f"{file}: {field.name} must be {what}, not {value!r}: {CURE}")
        if unknown := values.keys() - {field.name for field in dataclasses.fields(cls)}:
            raise UserError(f"{file}: {', '.join(sorted(unknown))} is unknown: {CURE}")
        return cls(**values)

    def space(self, config):
        """The shapes of the parts of a student.

        Args:
            config: EncoderConfig of the student.

        Returns:
            `PartSpace`.

        Raises:
            UserError: a smallest size is larger than the student's, or the model type has no parts.
        """
        require_parts(config)
        whole = PartShape.of(config)
        for name in ("layers", "width", "intermediate"):
            least, most = getattr(self, name), getattr(whole, name)
            if least > most:
                raise UserError(f"`super_{name}`={least} is over the {most} of the whole student")
        # One whole head must fit, or the smallest dimension of all heads.
        fits = whole.head_size if self.whole_heads else whole.heads
        # Whole numbers: a step of hundreds of digits has no float.
        width_step = self.step if self.whole_heads else whole.heads * -(-self.step // whole.heads)
        width = max(self.width or math.ceil(whole.width * WIDTH_SHARE), fits)
        intermediate = self.intermediate or math.ceil(whole.intermediate * INTERMEDIATE_SHARE)
        widths = _down_from(whole.width, width, width_step)
        return PartSpace(
            layers=tuple(range(self.layers, whole.layers + 1)),
            widths=widths,
            intermediates=_down_from(whole.intermediate, intermediate, self.step),
            attention=tuple(self._attention(whole, width) for width in widths),
            whole=whole,
            whole_heads=self.whole_heads,
        )

    def _attention(self, whole, width):
        """(fewest, most) heads, or dimensions of each head, that a width has a place for."""

        def fit(units):
            heads, size = (units, whole.head_size) if self.whole_heads else (whole.heads, units)
            return padded_heads(width, heads, size)

        limit, share = (whole.heads, 0) if self.whole_heads else (whole.head_size, HEAD_SHARE)
        most = max(units for units in range(1, limit + 1) if fit(units))
        return min(max(1, math.ceil(limit * share)), most), most


def _down_from(largest, smallest, step):
    return tuple(range(largest, smallest - 1, -step))[::-1]
