"""What a recipe is made of: phases, and in each the weighted terms of its loss."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType


@dataclasses.dataclass(frozen=True)
class Term:
    """One weighted loss.

    Args:
        loss: a name in `terms.LOSSES`.
        weight: factor of the loss in the sum.
        options: keyword arguments of the loss, such as `temperature`.
    """

    loss: str
    weight: float
    options: Mapping = dataclasses.field(default_factory=lambda: MappingProxyType({}))


@dataclasses.dataclass(frozen=True)
class Phase:
    """A stretch of training with one sum of losses.

    Args:
        name: shown in TensorBoard and the report.
        terms: the `Term`s of the sum; those of weight 0 cost nothing.
        share: share of the student's steps that this phase takes.
    """

    name: str
    terms: tuple[Term, ...]
    share: float = 1.0

    @property
    def active_terms(self):
        """The terms that weigh something."""
        return tuple(term for term in self.terms if term.weight)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A published way to make a student, as data.

    Args:
        name: what `--recipe` takes.
        phases: the `Phase`s in their order.
        source: the paper.
    """

    name: str
    phases: tuple[Phase, ...]
    source: str
