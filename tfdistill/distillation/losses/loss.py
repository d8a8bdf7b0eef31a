"""The interface of a loss, and the registry of all losses that recipes can name.

A `Loss` holds everything that other modules need to know about a loss: its formula, the signals it
reads, the elements that its mean runs over, its description in reports, and how it works with
several teachers and with a teacher cache.
"""

import dataclasses
from collections.abc import Callable, Mapping

import tensorflow as tf

from tfdistill.distillation.losses.means import total
from tfdistill.distillation.signals import TeacherSignals

# Keys of a batch: weights of all tokens and of the masked tokens, 0 for padding.
TOKENS, MASKED = "attention_mask", "masked_weights"


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Everything a loss computes with in one step.

    Args:
        student: dict of the student's signals (see `signals.compute_signals`).
        teachers: `TeacherSignals`; None for a loss without a teacher.
        batch: dict of the batch's tensors.
        normalizer: float scalar, the number of valid elements that the mean runs over.
        pairs: (student's layer, teacher's layer) for a loss that compares layers.
        project: function of a pair's index and the student's hidden states (batch, length, hidden)
            that returns them in the teacher's width.
    """

    student: Mapping
    teachers: TeacherSignals | None
    batch: Mapping
    normalizer: tf.Tensor
    pairs: tuple[tuple[int, int], ...] = ()
    project: Callable | None = None

    @property
    def teacher(self):
        """Signals of the first teacher: a dict."""
        return self.teachers.signals[0]


class Loss:
    """Base class of the losses. A subclass sets the attributes and implements `compute`.

    The keyword arguments of `compute` are the options that a recipe's `Term` may give; the other
    methods get the same options.

    Attributes:
        name: what recipes call it; its curve in TensorBoard is `loss_<name>`.
        description: one line for the report and TensorBoard.
        needs_teacher: whether it compares the student with a teacher.
        needs_head: whether it reads the logits of the models' heads.
        same_tokens: whether student and teacher need the same token ids. Without, the teacher may
            have a tokenizer of its own, if its signals come with the batch.
        same_heads: whether student and teacher need the same number of attention heads.
        compares_layers: whether it compares layers, which the recipe's term then maps.
        skips_last_layer: whether the student's last layer is left out.
        takes_projection: whether a projection may bring the student's hidden states to the
            teacher's width; `hidden_pairs` then returns them.
        mean_of_teachers: whether it learns from the mean of several teachers' probabilities, or of
            the logits of their small heads. Other losses compare with the first teacher.
        refuses_several_teachers: the reason why there may be only one teacher; "" if there may be
            several.
        not_cached: the reason why a teacher cache cannot replace the teacher; "" if it can, and
            then `cached_signals` says what it stores.

    Example:
        import tensorflow as tf

        from tfdistill.distillation.losses import Loss, register
        from tfdistill.distillation.losses.means import mean_over

        @register
        class AbsoluteDistance(Loss):
            name = "l1"
            description = "absolute distance of the last hidden states"

            def signals(self):
                return ("last_hidden_state",)

            def compute(self, comparison):
                student = comparison.student["last_hidden_state"]  # (batch, length, hidden)
                teacher = comparison.teacher["last_hidden_state"]
                distance = tf.reduce_mean(tf.abs(student - teacher), axis=-1)
                mask = comparison.batch["attention_mask"]  # (batch, length), 1 for real tokens
                return mean_over(distance, mask, comparison.normalizer)
    """

    name = ""
    description = ""
    needs_teacher = True
    needs_head = False
    same_tokens = True
    same_heads = False
    compares_layers = False
    skips_last_layer = False
    takes_projection = False
    mean_of_teachers = False
    refuses_several_teachers = ""
    not_cached = "a cache holds logits and hidden states only"

    def signals(self, **options):
        """Names of the signals that the models must return (see `signals.compute_signals`)."""
        raise NotImplementedError

    def count(self, batch, **options):
        """Number of valid elements of a batch: a float32 scalar; by default its real tokens."""
        return total(batch[TOKENS])

    def compute(self, comparison, **options):
        """The loss: a float32 scalar, the mean over valid elements.

        Args:
            comparison: a `Comparison`. The mean divides by its `normalizer`, which is the sum of
                `count` over all micro-batches and devices.
        """
        raise NotImplementedError

    def hidden_pairs(self, comparison):
        """The compared hidden states, for a loss that takes a projection.

        Returns:
            list of (student's, teacher's), each float (batch, length, hidden).
        """
        raise NotImplementedError

    def check(self, student, teacher, **options):
        """Checks the options against the shapes of the two models.

        Args:
            student, teacher: `EncoderConfig`.

        Raises:
            UserError: the loss cannot compare these models.
        """

    def cached_signals(self, pairs, **options):
        """What replaces the teacher for this loss: a list of objects such as `CachedStates`.

        Args:
            pairs: (student's layer, teacher's layer) for a loss that compares layers.

        Raises:
            UserError: an option rules a cache out.
        """
        raise NotImplementedError


LOSSES = {}  # name to `Loss`


def register(loss):
    """Class decorator: adds a loss to those that recipes can name.

    Args:
        loss: a subclass of `Loss` that takes no arguments.

    Returns:
        The class.

    Raises:
        ValueError: it has no name, or another class has registered the name.
    """
    if not loss.name:
        raise ValueError(f"the loss {loss.__name__} needs a name")
    known = type(LOSSES.get(loss.name, loss()))
    # By name, not identity: a user's file may be run more than once.
    if (known.__module__, known.__qualname__) != (loss.__module__, loss.__qualname__):
        raise ValueError(f"there is already a loss named {loss.name!r}")
    LOSSES[loss.name] = loss()
    return loss
