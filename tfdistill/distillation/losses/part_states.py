"""The hidden states of a part and of its whole (DynaBERT, Hou et al., 2020, section 2.1 and 2.2).

A part may lack layers, so the states are compared where a layer of the part reads them.
"""

import tensorflow as tf

from tfdistill.distillation.losses.hidden import hidden_mse
from tfdistill.distillation.losses.loss import TOKENS, Loss, register
from tfdistill.models.active_part import active_layers
from tfdistill.system.errors import UserError


def part_states_mse(*, student_states, teacher_states, mask, active=None, normalizer=None):
    """Squared distance of what the active layers read, and of the last states.

    Args:
        student_states, teacher_states: equally long lists of float (batch, length, hidden): the
            embeddings, and what each layer of the whole model returns. What a layer that is left
            out returns is its input.
        mask: (batch, length), 1 for real tokens.
        active: float32 (layers,), 1 for a layer that the student has; None: it has all.
        normalizer: replaces the number of real tokens.

    Returns:
        A float32 scalar: the sum of `hidden_mse`.
    """
    pairs = list(zip(student_states, teacher_states, strict=True))
    weights = [1.0] * len(pairs) if active is None else [*tf.unstack(active), 1.0]
    return tf.add_n(
        [
            weight
            * hidden_mse(
                student_hidden=student, teacher_hidden=teacher, mask=mask, normalizer=normalizer
            )
            for weight, (student, teacher) in zip(weights, pairs, strict=True)
        ]
    )


@register
class PartStates(Loss):
    """`part_states_mse`."""

    name = "part_states"
    description = "squared distance of what the part's layers read, and of the last hidden states"
    not_cached = "its teacher may be a part, too"

    def signals(self):
        return ("hidden_states",)

    def compute(self, comparison):
        student, teacher = comparison.student["hidden_states"], comparison.teacher["hidden_states"]
        return part_states_mse(
            student_states=student,
            teacher_states=teacher,
            mask=comparison.batch[TOKENS],
            active=active_layers(len(student) - 1),
            normalizer=comparison.normalizer,
        )

    def check(self, student, teacher):
        for name in ("num_hidden_layers", "hidden_size"):
            sizes = getattr(student, name), getattr(teacher, name)
            if sizes[0] != sizes[1]:
                raise UserError(
                    f"`student_config`: the loss {self.name!r} compares a student with a teacher "
                    f"of its own shape: {name} is {sizes[0]} in the student and {sizes[1]} in the "
                    "teacher: leave `student_config` out"
                )
