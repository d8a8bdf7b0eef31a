"""What a recipe is made of: phases, and in each the weighted terms of its loss."""

import dataclasses
import re
from collections.abc import Mapping
from types import MappingProxyType

from tfdistill.distillation.schedules import Schedule
from tfdistill.system.errors import UserError

NONE, SHARED, PER_LAYER, FIXED = PROJECTIONS = ("none", "shared", "per_layer", "fixed")
TEXT_ALONE = ("mlm",)  # the losses that read no teacher
ATTENTION_HEADS = "attention"  # as relation heads: those of the models, not split again


@dataclasses.dataclass(frozen=True)
class Term:
    """One weighted loss.

    Args:
        loss: a name in `terms.LOSSES`.
        weight: factor of the loss in the sum; may be a `Schedule`.
        options: keyword arguments of the loss, such as `temperature`, which may be a `Schedule`.
        layers: for losses of layers, which are compared: the name of a map or a list of the
            teacher's layers (see `layer_maps.layer_map`), or a tuple of pairs (student's layer,
            teacher's layer), from 0, or from -1 backwards. The loss is the sum over the pairs.
        projection: for losses of hidden states, the learned map from the student's width to the
            teacher's: "none", "shared" by the layers of this term, "per_layer"; or "fixed": shared,
            and it stays the least squares of both models before the phase.
        name: what metrics call it; "": the loss's name. Of one phase's terms no two share it.
    """

    loss: str
    weight: float | Schedule
    options: Mapping = dataclasses.field(default_factory=lambda: MappingProxyType({}))
    layers: str | tuple[tuple[int, int], ...] = ()
    over_layers: str = "sum"
    projection: str = NONE
    name: str = ""

    def __post_init__(self):
        if self.projection not in PROJECTIONS:
            raise ValueError(f"a projection is one of {PROJECTIONS}, not {self.projection!r}")
        if self.over_layers not in ("sum", "mean"):
            raise ValueError(f"over_layers is sum or mean, not {self.over_layers!r}")
        if not isinstance(self.layers, str) and not all(map(_is_pair, self.layers)):
            raise ValueError(f"layers are a map's name or pairs of numbers, not {self.layers!r}")
        if not self.name:
            object.__setattr__(self, "name", self.loss)


@dataclasses.dataclass(frozen=True)
class Phase:
    """A stretch of training with one sum of losses.

    Args:
        name: shown in TensorBoard and the report.
        terms: the `Term`s of the sum; those of weight 0 cost nothing.
        share: share of the student's steps that this phase takes.
        trainable: the parts of the student that learn, such as "head", "encoder/embeddings",
            "encoder/layer_0" or "encoder/layer_-1/output", the last layer's; empty: all of it.
            Projections learn anyway.
        learning_rate: factor of the run's learning rate.
        rates: factors of that for parts of the student; where two hold a part, the last counts.
        each_layer: whether it is taken once for each of the student's layers, from the first, of
            which it then compares that one (see `unfold`).
        fresh_optimizer: whether moments start at zero; else they go on from the phase before.
    """

    name: str
    terms: tuple[Term, ...]
    share: float = 1.0
    trainable: tuple[str, ...] = ()
    learning_rate: float = 1.0
    rates: tuple[tuple[str, float], ...] = ()
    each_layer: bool = False
    fresh_optimizer: bool = True

    def __post_init__(self):
        names = [term.name for term in self.active_terms]
        if len(set(names)) < len(names):
            raise ValueError(f"a phase names each term once, not {names}")
        if not self.share > 0:
            raise ValueError(f"phase {self.name!r} has a share of {self.share}, which must be > 0")
        if isinstance(self.trainable, str):
            raise ValueError(f"trainable is a tuple, such as ({self.trainable!r},)")

    @property
    def active_terms(self):
        """The terms that weigh something."""
        return tuple(term for term in self.terms if term.weight)


def require_loss(phase):
    """Refuses a phase whose terms all weigh nothing.

    Args:
        phase: a `Phase`.

    Raises:
        UserError: it is one.
    """
    if not phase.active_terms:
        losses = ", ".join(term.loss for term in phase.terms)
        raise UserError(
            f"--recipe: every loss weighs 0 in phase {phase.name!r}: give one of {losses} a weight "
            "(--alpha_…)"
        )


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A published way to make a student, as data.

    Args:
        name: what `--recipe` takes.
        phases: the `Phase`s in their order, each with a name of its own.
        source: the paper.
    """

    name: str
    phases: tuple[Phase, ...]
    source: str

    def __post_init__(self):
        names = [phase.name for phase in self.phases]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"the phases of {self.name!r} need names of their own, not {names}")


def trained_by(phase, student):
    """The variables that learn in a phase.

    Args:
        phase: a `Phase`.
        student: a `MaskedLanguageModel`, of which some may be frozen.

    Returns:
        list of those that the phase names, in their order.

    Raises:
        UserError: nothing is left of a part that the phase names.
    """
    variables = list(student.trainable_variables)
    if not phase.trainable:
        return variables
    found = []
    for part in phase.trainable:
        inside = _inside(part, variables, student.config.num_hidden_layers)
        if not inside:
            _refuse(phase, "trainable", part, variables)
        found += inside
    return [variable for variable in variables if any(variable is one for one in found)]


def rates_of(phase, variables, depth):
    """Factors of the phase's learning rate, one for each variable.

    Args:
        phase: a `Phase`.
        variables: Keras variables, those of projections among them.
        depth: layers of the student.

    Returns:
        list of float.

    Raises:
        UserError: nothing that learns is in a part.
    """
    rates = {id(variable): 1.0 for variable in variables}
    for part, rate in phase.rates:
        inside = _inside(part, variables, depth)
        if not inside:
            _refuse(phase, "rates", part, variables)
        rates |= {id(variable): rate for variable in inside}
    return [rates[id(variable)] for variable in variables]


def _refuse(phase, field, part, variables):
    parts = sorted({"/".join(v.path.split("/")[:-1]) for v in variables})
    raise UserError(
        f"--recipe: phase {phase.name!r} names {part!r} in {field}, and no such part of the "
        f"student can learn; there are {', '.join(parts)}"
    )


def _inside(part, variables, depth):
    start = _from_the_first(part, depth).rstrip("/") + "/"
    return [variable for variable in variables if f"{variable.path}/".startswith(start)]


def _from_the_first(part, depth):
    """A part's path, with a layer that is counted from the last counted from the first."""
    return re.sub(r"(?<=/layer_)-\d+", lambda found: str(depth + int(found[0])), part)


def _is_pair(pair):
    return isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(n, int) for n in pair)
