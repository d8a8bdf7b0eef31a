"""Loss scaling: without it most gradients are too small for float16."""

import keras
import tensorflow as tf

FIRST_SCALE = 2.0**15
STEPS_TO_GROW = 2_000
LARGEST_SCALE = 2.0**24


class LossScale:
    """Dynamic loss scaling for float16 (Micikevicius et al., 2018, section 3.2).

    A step whose gradients overflow is skipped and halves the factor; enough steps in a row without
    an overflow double it.

    Args:
        first_scale: factor of the first step; None: `FIRST_SCALE`.
        steps_to_grow: steps without an overflow after which the factor doubles.

    Attributes:
        variables: the Keras variables that a checkpoint must hold.
    """

    def __init__(self, first_scale=None, steps_to_grow=STEPS_TO_GROW):
        self._steps_to_grow = steps_to_grow
        # The counter is a float, too: int32 variables are on the CPU, where XLA on a GPU cannot
        # read them, and Metal has no int64 arithmetic.
        options = dict(dtype="float32", trainable=False, aggregation="only_first_replica")
        self._scale = keras.Variable(first_scale or FIRST_SCALE, name="loss_scale", **options)
        self._good_steps = keras.Variable(0.0, name="good_steps", **options)
        self.variables = [self._scale, self._good_steps]

    @property
    def value(self):
        """The factor: float32 scalar."""
        return self._scale.value

    def update(self, finite):
        """Updates the factor at the end of a step.

        Args:
            finite: bool scalar, whether all gradients of the step were finite.

        Returns:
            A bool scalar: whether the factor was 1 already, so that it cannot cause an overflow.
        """
        scale, good_steps = self._scale.value + 0.0, self._good_steps.value + 1.0
        grows = good_steps >= self._steps_to_grow
        larger = tf.where(grows, tf.minimum(2.0 * scale, LARGEST_SCALE), scale)
        self._scale.assign(tf.where(finite, larger, tf.maximum(0.5 * scale, 1.0)))
        self._good_steps.assign(tf.where(finite & ~grows, good_steps, 0.0))
        return scale <= 1.0


def loss_scale_for(precision, first_scale=None):
    """A `LossScale` if the precision needs one, else None.

    Args:
        precision: "float32", "bfloat16" (which has the range of float32) or "float16".
        first_scale: as `LossScale`.
    """
    return LossScale(first_scale) if precision == "float16" else None
