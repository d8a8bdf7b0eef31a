"""The parts of a recipe: phases, and the weighted terms of each phase's loss."""

import dataclasses
import re
from collections.abc import Mapping
from types import MappingProxyType

from tfdistill.distillation.schedules import Schedule
from tfdistill.models.part_grid import PartGrid
from tfdistill.models.part_shapes import PartRanges
from tfdistill.system.errors import UserError

NONE, SHARED, PER_LAYER, FIXED = ("none", "shared", "per_layer", "fixed")
ORTHOGONAL = "orthogonal"
PROJECTIONS = NONE, SHARED, PER_LAYER, FIXED, ORTHOGONAL
# As `relation_heads` of the loss "relations": the models' own attention heads, not split again.
ATTENTION_HEADS = "attention"


@dataclasses.dataclass(frozen=True)
class Term:
    """One weighted loss.

    Args:
        loss: name of a loss (see `losses.LOSSES`).
        weight: factor of the loss in the sum; may be a `Schedule`.
        options: keyword arguments of the loss, such as `temperature`, which may be a `Schedule`.
        layers: the layers that a loss of layers compares: the name of a map or a list of the
            teacher's layers (see `layer_maps.layer_map`), or a tuple of pairs (student's layer,
            teacher's layer), from 0, or from -1 backwards. The loss is the sum over the pairs.
        over_layers: "sum", or "mean" to divide the loss by the number of pairs.
        projection: the learned map from the student's width to the teacher's, for losses of hidden
            states: "none", "shared" by the layers of this term, "per_layer", or "fixed": shared,
            and not trained after its least-squares start; or "orthogonal": fixed, with orthonormal
            rows or columns, and none for equal widths (of vectors of whole texts).
        name: name of the term in metrics, unique in its phase; "": the loss's name.
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
    """A part of the training that minimizes one weighted sum of losses.

    Args:
        name: shown in TensorBoard and the report.
        terms: the `Term`s of the sum; terms of weight 0 are not computed.
        share: share of the student's steps that this phase takes.
        trainable: the parts of the student that are trained, such as "head", "encoder/embeddings",
            "encoder/layer_0" or "encoder/layer_-1/output" (in the last layer); empty: all parts.
            Projections are always trained.
        learning_rate: factor of the run's learning rate.
        rates: (part, further factor of the learning rate) for parts of the student; if several
            include a variable, the last one applies.
        each_layer: whether the phase is repeated for each of the student's layers, the first layer
            first; it then compares and trains that layer (see `progressive.unfold`).
        lower_rate: with `each_layer`, factor of the learning rate for everything below that layer;
            0 freezes it.
        fresh_optimizer: whether the optimizer's moments start at zero; otherwise they continue from
            the phase before.
        constant_rate: whether the learning rate stays the same, without warm-up and decay.
        measured: whether the validation split is measured during the phase. Of a phase that leaves
            the head untrained, metrics would say nothing.
        parts: the parts of the student that the steps train: `PartRanges`, drawn anew in each step
            (see `drawn_parts`), or a `PartGrid`, all of them in each step; None: every step trains
            the whole student.
        own_teacher: whether the teacher is the student as the phase before has left it, at the
            width of each part of the `PartGrid` and with all layers.
        rewired: whether the student's heads and neurons are sorted by importance before its first
            step (see `starts.width.rewiring`); of the first phase.
    """

    name: str
    terms: tuple[Term, ...]
    share: float = 1.0
    trainable: tuple[str, ...] = ()
    learning_rate: float = 1.0
    rates: tuple[tuple[str, float], ...] = ()
    each_layer: bool = False
    lower_rate: float = 0.0
    fresh_optimizer: bool = True
    constant_rate: bool = False
    measured: bool = True
    parts: PartRanges | PartGrid | None = None
    own_teacher: bool = False
    rewired: bool = False

    def __post_init__(self):
        names = [term.name for term in self.active_terms]
        if len(set(names)) < len(names):
            raise ValueError(f"a phase names each term once, not {names}")
        if not self.share > 0:
            raise ValueError(f"phase {self.name!r} has a share of {self.share}, which must be > 0")
        if isinstance(self.trainable, str):
            raise ValueError(f"trainable is a tuple, such as ({self.trainable!r},)")
        if self.own_teacher and not isinstance(self.parts, PartGrid):
            raise ValueError(f"phase {self.name!r} has its own teacher, but no PartGrid")

    @property
    def active_terms(self):
        """The terms with a weight other than 0."""
        return tuple(term for term in self.terms if term.weight)


def require_loss(phase):
    """Checks that a phase has a term with a weight other than 0.

    Args:
        phase: a `Phase`.

    Raises:
        UserError: it has none.
    """
    if not phase.active_terms:
        losses = ", ".join(term.loss for term in phase.terms)
        raise UserError(
            f"`recipe`: every loss has the weight 0 in phase {phase.name!r}: give one of {losses} "
            "a weight (the settings that begin with alpha)"
        )


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A way to train a student, as data: phases with weighted losses.

    Args:
        name: value of the setting `recipe`.
        phases: the `Phase`s in their order, each with its own name.
        source: the paper that describes it.
    """

    name: str
    phases: tuple[Phase, ...]
    source: str

    def __post_init__(self):
        names = [phase.name for phase in self.phases]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"the phases of {self.name!r} need names of their own, not {names}")


def trained_by(phase, student):
    """The variables that a phase trains.

    Args:
        phase: a `Phase`.
        student: a `MaskedLanguageModel`; its frozen variables are not trained.

    Returns:
        list of Keras variables, in the student's order.

    Raises:
        UserError: a part that the phase names has no variable to train.
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
    """Factors of a phase's learning rate, one for each variable.

    Args:
        phase: a `Phase`.
        variables: the Keras variables that are trained, including those of projections.
        depth: number of layers of the student.

    Returns:
        list of float.

    Raises:
        UserError: a part has no variable to train.
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
        f"`recipe`: phase {phase.name!r} names {part!r} in {field}, but the student has no such "
        f"part to train; its parts are {', '.join(parts)}"
    )


def _inside(part, variables, depth):
    start = _from_the_first(part, depth).rstrip("/") + "/"
    return [variable for variable in variables if f"{variable.path}/".startswith(start)]


def _from_the_first(part, depth):
    """A part's path, with a negative layer index replaced by the index from the first layer."""
    return re.sub(r"(?<=/layer_)-\d+", lambda found: str(depth + int(found[0])), part)


def _is_pair(pair):
    return isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(n, int) for n in pair)
