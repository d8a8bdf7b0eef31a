"""Numbers that change while a phase runs: weights and temperatures."""

import dataclasses
import math

from tfdistill.errors import UserError

SHAPES = ("linear", "cosine")


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A number that goes from one value to another over the steps of a phase.

    A constant is a plain float.

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
            raise ValueError(f"a schedule is {' or '.join(SHAPES)}, not {self.shape!r}")

    def __rsub__(self, number):
        """What is left of a number, as of 1 - alpha."""
        return Schedule(number - self.begin, number - self.end, self.shape)

    def at(self, progress):
        """The value at a point of the phase.

        Args:
            progress: float scalar, 0 at the first step and 1 at the last.

        Returns:
            A float32 scalar.
        """
        import tensorflow as tf  # only here: recipes are read before it is imported

        progress = tf.cast(progress, tf.float32)
        if self.shape == "cosine":
            progress = 0.5 - 0.5 * tf.cos(math.pi * progress)
        return self.begin + (self.end - self.begin) * progress


def value_at(number, progress):
    """A float as it is, a `Schedule` at `progress`."""
    return number.at(progress) if isinstance(number, Schedule) else number


def parse_schedules(text):
    """Reads what `--schedules` takes.

    Args:
        text: "NAME=SHAPE:BEGIN:END", several separated by commas.

    Returns:
        dict of names to `Schedule`s.

    Raises:
        UserError: it is written otherwise.
    """
    found = {}
    for item in filter(None, text.split(",")):
        name, _, rest = item.partition("=")
        try:
            shape, begin, end = rest.split(":")
            found[name.strip()] = Schedule(float(begin), float(end), shape)
        except ValueError:
            raise UserError(
                f"--schedules: {item!r} is no NAME=SHAPE:BEGIN:END with a shape out of "
                f"{', '.join(SHAPES)}, such as alpha_ce=linear:5:1"
            ) from None
    return found
