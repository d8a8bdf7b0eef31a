"""Loss scaling: without it most gradients are too small for float16."""

import keras
import tensorflow as tf

FIRST_SCALE = 2.0**15
STEPS_TO_GROW = 2_000
LARGEST_SCALE = 2.0**24
MOST_SKIPS = 20  # in a row; from the largest scale, that is a factor of a million


class LossScale:
    """Dynamic loss scaling for float16 (Micikevicius et al., 2018, section 3.2).

    A step whose gradients overflow is skipped and halves the factor; enough steps in a row without
    an overflow double it. `MOST_SKIPS` in a row, or an overflow at a factor of 1, are no matter of
    scale.

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
        # Below zero: skips in a row.
        self._good_steps = keras.Variable(0.0, name="good_steps", **options)
        self.variables = [self._scale, self._good_steps]

    @property
    def value(self):
        """The factor: float32 scalar."""
        return self._scale.value

    def update(self, finite, going=True):
        """Updates the factor at the end of a step.

        Args:
            finite: bool scalar, whether all gradients of the step were finite.
            going: bool scalar; if it is false, nothing changes.

        Returns:
            A bool scalar: whether an overflow in this step is due to the factor, so that the step
            is skipped. If it is false, an overflow changes nothing.
        """
        scale, steps = self._scale.value + 0.0, self._good_steps.value + 0.0
        good_steps, skips = tf.maximum(steps, 0.0) + 1.0, tf.minimum(steps, 0.0) - 1.0
        may_skip = (scale > 1.0) & (skips > -MOST_SKIPS)
        grows = good_steps >= self._steps_to_grow
        larger = tf.where(grows, tf.minimum(2.0 * scale, LARGEST_SCALE), scale)
        changes = going & (finite | may_skip)
        new_scale = tf.where(finite, larger, tf.maximum(0.5 * scale, 1.0))
        new_steps = tf.where(finite, tf.where(grows, 0.0, good_steps), skips)
        self._scale.assign(tf.where(changes, new_scale, scale))
        self._good_steps.assign(tf.where(changes, new_steps, steps))
        return may_skip


def loss_scale_for(precision, first_scale=None):
    """A `LossScale` if the precision needs one, else None.

    Args:
        precision: "float32", "bfloat16" (which has the range of float32) or "float16".
        first_scale: as `LossScale`.
    """
    return LossScale(first_scale) if precision == "float16" else None
