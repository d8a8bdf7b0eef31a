"""Loss scaling, without which most gradients are too small for float16."""

import keras
import tensorflow as tf

FIRST_SCALE = 2.0**15
STEPS_TO_GROW = 2_000
LARGEST_SCALE = 2.0**24


class LossScale:
    """A factor on the loss that goes as high as float16 bears (Micikevicius et al., 2018, 3.2).

    A step whose gradients overflow is not taken, and halves the factor; `STEPS_TO_GROW` steps
    without one double it.

    Args:
        first_scale: the factor of the first step; None: `FIRST_SCALE`.

    Attributes:
        variables: what a checkpoint must hold.
    """

    def __init__(self, first_scale=None):
        # Floats, though one counts: int32 variables lie on the CPU, where XLA on a GPU cannot
        # reach, and Metal has no int64 arithmetic.
        options = dict(dtype="float32", trainable=False, aggregation="only_first_replica")
        self._scale = keras.Variable(first_scale or FIRST_SCALE, name="loss_scale", **options)
        self._good_steps = keras.Variable(0.0, name="good_steps", **options)
        self.variables = [self._scale, self._good_steps]

    @property
    def value(self):
        """The factor: float32 scalar."""
        return self._scale.value

    def update(self, finite):
        """Ends a step.

        Args:
            finite: bool scalar, whether all its gradients were finite.

        Returns:
            A bool scalar: the factor cannot be the cause, for it is 1 already.
        """
        scale, good_steps = self._scale.value + 0.0, self._good_steps.value + 1.0
        grows = good_steps >= STEPS_TO_GROW
        larger = tf.where(grows, tf.minimum(2.0 * scale, LARGEST_SCALE), scale)
        self._scale.assign(tf.where(finite, larger, tf.maximum(0.5 * scale, 1.0)))
        self._good_steps.assign(tf.where(finite & ~grows, good_steps, 0.0))
        return scale <= 1.0


def loss_scale_for(precision, first_scale=None):
    """A `LossScale` where the precision needs one, else None.

    Args:
        precision: "float32", "bfloat16", which reaches as far as float32, or "float16".
        first_scale: as `LossScale`.
    """
    return LossScale(first_scale) if precision == "float16" else None
