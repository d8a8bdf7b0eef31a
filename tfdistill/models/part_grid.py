"""The parts of a model by multipliers of its width and depth. Imports no TensorFlow.

In DynaBERT (Hou et al., 2020, arXiv:2004.04037, section 2) the width of a part counts attention
heads and feed-forward neurons; the hidden size stays. Its layers are spread over the whole model.
"""

import dataclasses
import json
import math
from pathlib import Path

from tfdistill.models.configs.config_files import read_json
from tfdistill.models.part_shapes import PartShape, SpreadShape, require_parts
from tfdistill.system.errors import UserError

GRID = "parts.json"  # in the folder of a student that was trained like that
FULL = "full"
WIDTHS, DEPTHS = (1.0, 0.75, 0.5, 0.25), (1.0, 0.75, 0.5)


@dataclasses.dataclass(frozen=True)
class PartGrid:
    """The parts of a student that a phase trains, all of them in each step.

    Args:
        widths: multipliers of the number of heads and of neurons, falling, the first 1.
        depths: multipliers of the number of layers, falling, the first 1.
    """

    widths: tuple = WIDTHS
    depths: tuple = (1.0,)

    def space(self, config):
        """The parts of a student.

        Args:
            config: EncoderConfig of the student.

        Returns:
            `GridSpace`. Of multipliers that give equal numbers the first one counts.

        Raises:
            UserError: the model type has no parts.
        """
        require_parts(config)
        whole = PartShape.of(config)
        layers, sizes = {}, {}
        for depth in self.depths:
            layers.setdefault(_share(depth, whole.layers), depth)
        for width in self.widths:
            pair = _share(width, whole.heads), _share(width, whole.intermediate)
            sizes.setdefault(pair, width)
        return GridSpace(whole, tuple(sizes.items()), tuple(layers.items()))

    def write(self, folder):
        """Writes the multipliers beside a student; `folder` is its folder."""
        text = json.dumps(dataclasses.asdict(self), indent=2) + "\n"
        (Path(folder) / GRID).write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, folder):
        """Reads what `write` wrote.

        Args:
            folder: of the student.

        Returns:
            `PartGrid`.

        Raises:
            UserError: the folder has no such file, or another content.
        """
        values = read_json(Path(folder) / GRID)
        try:
            found = cls(**{name: tuple(map(float, each)) for name, each in values.items()})
            for each in (found.widths, found.depths):
                if each[:1] != (1.0,) or not all(0 < multiplier <= 1 for multiplier in each):
                    raise ValueError("multipliers must begin with 1 and be above 0, at most 1")
            return found
        except (TypeError, ValueError, OverflowError) as error:
            raise UserError(f"{Path(folder) / GRID}: {error}") from None


@dataclasses.dataclass(frozen=True)
class GridSpace:
    """The parts of a model, a grid of widths and depths.

    Attributes:
        whole: `PartShape` of the whole model.
        widths: tuple of ((heads, neurons), multiplier).
        depths: tuple of (layers, multiplier).
    """

    whole: PartShape
    widths: tuple
    depths: tuple

    def shape(self, width, depth):
        """The `PartShape` at two places."""
        (heads, neurons), _ = self.widths[width]
        layers, _ = self.depths[depth]
        return SpreadShape(layers, self.whole.width, neurons, heads, self.whole.head_size)

    @property
    def smallest(self):
        """The `PartShape` of the smallest part."""
        return self.shape(len(self.widths) - 1, len(self.depths) - 1)

    @property
    def middle(self):
        """The `PartShape` in the middle of both axes."""
        return self.shape(len(self.widths) // 2, len(self.depths) // 2)

    def shapes(self):
        """All parts: dict of names, such as "full", "w50" and "w25d75", to `PartShape`s."""
        return {
            part_name(width, depth): self.shape(row, column)
            for column, (_, depth) in enumerate(self.depths)
            for row, (_, width) in enumerate(self.widths)
        }


def part_name(width, depth):
    """The name of a part: w and its width in percent, d and its depth; without what is whole.

    Args:
        width, depth: multipliers.
    """
    parts = [f"{key}{100 * share:g}" for key, share in (("w", width), ("d", depth)) if share < 1]
    return "".join(parts) or FULL


def named_shape(folder, part, config):
    """The shape of a part of a student in a folder.

    Args:
        folder: of the student.
        part: its name.
        config: EncoderConfig of the student.

    Returns:
        `PartShape`.

    Raises:
        UserError: the student has no such part.
    """
    if not (Path(folder) / GRID).is_file():
        raise UserError(
            f"`part`={part}: {folder} has no {GRID}: leave it out; only students of "
            "`recipe`=dynabert have parts"
        )
    shapes = PartGrid.read(folder).space(config).shapes()
    if part not in shapes:
        raise UserError(f"`part`={part}: {folder} has the parts {', '.join(shapes)}: name one")
    return shapes[part]


def _share(multiplier, number):
    """A share of a number of units, rounded, at least 1."""
    return max(1, math.floor(multiplier * number + 0.5))
