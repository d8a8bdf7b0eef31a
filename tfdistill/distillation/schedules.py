"""Numbers that change while a phase runs: weights and temperatures."""

import dataclasses
import math

from tfdistill.system.errors import UserError

SHAPES = ("linear", "cosine")


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A number that changes from one value to another over the steps of a phase.

    A constant is a plain float. A schedule supports arithmetic with plain numbers: `1 - alpha` and
    `2 * alpha` are schedules, too.

    Args:
        begin: value at the first step.
        end: value at the last step.
        shape: "linear", or "cosine": half a cosine, slow at both ends (Loshchilov & Hutter, 2017,
            equation 5).
    """

    begin: float
    end: float
    shape: str = "linear"

    def __post_init__(self):
        if self.shape not in SHAPES:
            raise ValueError(
                f"the shape of a schedule is {' or '.join(SHAPES)}, not {self.shape!r}"
            )

    def _changed(self, function, number):
        """The schedule with a linear function applied to both ends."""
        if not isinstance(number, int | float):
            return NotImplemented
        return Schedule(function(self.begin, number), function(self.end, number), self.shape)

    def __add__(self, number):
        return self._changed(lambda own, other: own + other, number)

    def __sub__(self, number):
        return self._changed(lambda own, other: own - other, number)

    def __rsub__(self, number):
        return self._changed(lambda own, other: other - own, number)

    def __mul__(self, number):
        return self._changed(lambda own, other: own * other, number)

    def __truediv__(self, number):
        return self._changed(lambda own, other: own / other, number)

    def __neg__(self):
        return -1 * self

    __radd__, __rmul__ = __add__, __mul__

    def at(self, progress):
        """The value at a point of the phase.

        Args:
            progress: float scalar, 0 at the first step and 1 at the last.

        Returns:
            A float32 scalar.
        """
        import tensorflow as tf  # imported late: recipes are read before TensorFlow is loaded

        progress = tf.cast(progress, tf.float32)
        if self.shape == "cosine":
            progress = 0.5 - 0.5 * tf.cos(math.pi * progress)
        return self.begin + (self.end - self.begin) * progress


def value_at(number, progress):
    """The value of a `Schedule` at `progress`; a plain number itself."""
    return number.at(progress) if isinstance(number, Schedule) else number


def parse_schedules(text):
    """Parses the setting `schedules`.

    Args:
        text: "NAME=SHAPE:BEGIN:END", several separated by commas.

    Returns:
        dict of names to `Schedule`s.

    Raises:
        UserError: the text has another form, or names a number twice.
    """
    found = {}
    for item in filter(None, text.split(",")):
        name, _, rest = item.partition("=")
        name = name.strip()
        if name in found:
            raise UserError(f"`schedules` names {name} twice: leave one of the two out")
        try:
            shape, begin, end = rest.split(":")
            found[name] = Schedule(float(begin), float(end), shape)
        except ValueError:
            raise UserError(
                f"`schedules`: {item!r} is not NAME=SHAPE:BEGIN:END with one of the shapes "
                f"{', '.join(SHAPES)}, such as alpha_ce=linear:5:1"
            ) from None
    return found
