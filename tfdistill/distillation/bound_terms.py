"""Terms bound to two models: their pairs of layers, their projections, their values."""

import inspect

from tfdistill.data.spare_rows import alike
from tfdistill.distillation.drawn_parts import check_parts
from tfdistill.distillation.layer_maps import layer_map
from tfdistill.distillation.losses import LOSSES, Comparison
from tfdistill.distillation.phases import NONE, require_loss
from tfdistill.distillation.projections import Projections
from tfdistill.distillation.schedules import value_at
from tfdistill.distillation.signals import (
    PAIR_LOGITS,
    VOCABULARY_SIGNALS,
    TeacherSignals,
)
from tfdistill.system.errors import UserError


class BoundTerm:
    """A term of a phase, bound to a student and a teacher.

    Args:
        term: a `Term`.
        student, teacher: `EncoderConfig`; the teacher's may be None for a loss without a teacher.

    Attributes:
        name: name of the term.
        loss: its `Loss`.
        options: options of the loss.
        pairs: (student's layer, teacher's layer), from 0, for a loss that compares layers.
        projections: `Projections`; None until `make_projections`.

    Raises:
        UserError: the loss cannot compare these two models.
    """

    def __init__(self, term, student, teacher):
        self._term, self.name, self.loss = term, term.name, LOSSES[term.loss]
        self.options = term.options
        self._student, self._teacher = student, teacher
        self.pairs = ()
        self.projections = None
        if self.loss.needs_teacher:
            self.pairs = self._pair_layers(student, teacher)
            self._check(student, teacher)

    def _pair_layers(self, student, teacher):
        depths = student.num_hidden_layers, teacher.num_hidden_layers
        if not self.loss.compares_layers:
            return ()
        if not depths[0]:
            raise UserError(
                f"`recipe`: the loss {self._term.loss!r} compares layers, and a "
                f"{student.model_type} student has none: use `recipe`=static"
            )
        pairs = self._term.layers
        if isinstance(pairs, str):
            pairs = enumerate(layer_map(pairs, depths[1], depths[0]))
        pairs = tuple(self._place(pair, depths) for pair in pairs)
        if self.loss.skips_last_layer:
            pairs = tuple(pair for pair in pairs if pair[0] < depths[0] - 1)
        if not pairs and not self._term.layers:
            raise UserError(
                f"`recipe`: the loss {self._term.loss!r} compares layers, but its term names none; "
                "add layers='uniform', for example"
            )
        if not pairs:
            raise UserError(
                f"`student_config`: the loss {self._term.loss!r} leaves the last layer out, and "
                f"this student has {depths[0]} layer; use at least 2"
            )
        return pairs

    def _place(self, pair, depths):
        for index, depth, model in zip(pair, depths, ("student", "teacher"), strict=True):
            if not -depth <= index < depth:
                raise UserError(
                    f"`recipe`, `relation_layer`: the loss {self._term.loss!r} names layer {index} "
                    f"of a {model} with {depth} layers, which are numbered from 0"
                )
        return tuple(index % depth for index, depth in zip(pair, depths, strict=True))

    def _check(self, student, teacher):
        widths = student.hidden_size, teacher.hidden_size
        unprojected = self.loss.takes_projection and self._term.projection == NONE
        if unprojected and widths[0] != widths[1]:
            raise UserError(
                f"`student_config`: the loss {self._term.loss!r} needs the teacher's width of "
                f"{widths[1]}, the student has {widths[0]}; `projection`=shared learns a map "
                "between them"
            )
        heads = student.num_attention_heads, teacher.num_attention_heads
        if self.loss.same_heads and heads[0] != heads[1]:
            raise UserError(
                f"`student_config`: the loss {self._term.loss!r} compares head by head: the "
                f"teacher has {heads[1]} attention heads, the student {heads[0]}; use {heads[1]}, "
                "or `recipe`=minilm, or for a super-student `super_terms`=logits, which work with "
                "any number"
            )
        self.loss.check(student, teacher, **self.options)

    def make_projections(self, seed):
        """Makes the term's projections, with fresh weights from a seed."""
        widths = self._student.hidden_size, (self._teacher or self._student).hidden_size
        self.projections = Projections(
            self._term.projection, len(self.pairs), widths, self.name, seed
        )

    def hidden_pairs(self, student, teacher, batch):
        """The pairs of hidden states that the loss compares.

        Args:
            student, teacher: dicts of signals.
            batch: dict of the batch's tensors.

        Returns:
            list of (student's, teacher's), each float (batch, length, hidden).
        """
        teachers = TeacherSignals((teacher,), shares=(1.0,), vocabulary=self._teacher.vocab_size)
        return self.loss.hidden_pairs(Comparison(student, teachers, batch, None, self.pairs))

    def signals(self):
        """Names of the signals that the models must return: a set."""
        return set(self.loss.signals(**self.options))

    def cached_signals(self):
        """What a teacher cache stores for this term (see `Loss.cached_signals`): a list."""
        return self.loss.cached_signals(self.pairs, **self.options)

    def count(self, batch):
        """Number of valid elements of a batch: a float32 scalar."""
        return self.loss.count(batch, **self.options)

    def weight(self, progress):
        """The term's weight at a point of the phase (see `Schedule.at`)."""
        return value_at(self._term.weight, progress)

    def compute(self, student, teachers, batch, normalizer, progress):
        """The term's value, without its weight.

        Args:
            student: dict of signals.
            teachers: `TeacherSignals`; None for a loss without a teacher.
            batch: dict of the batch's tensors.
            normalizer: float scalar, the number of valid elements of the whole batch.
            progress: see `Schedule.at`.

        Returns:
            A float32 scalar.
        """
        options = {name: value_at(value, progress) for name, value in self.options.items()}
        comparison = Comparison(student, teachers, batch, normalizer, self.pairs, self.projections)
        value = self.loss.compute(comparison, **options)
        return value / len(self.pairs) if self._term.over_layers == "mean" else value


def bind_terms(phase, student, teacher, seed):
    """Binds the terms of a phase to two models and makes their projections.

    Args:
        phase: a `Phase`.
        student: a `MaskedLanguageModel`.
        teacher: a `MaskedLanguageModel`, or None.
        seed: seed of the fresh projections.

    Returns:
        list of `BoundTerm`; terms of weight 0 are left out.

    Raises:
        UserError: a term cannot compare these two models.
    """
    found = check_phase(phase, student.config, teacher.config if teacher is not None else None)
    for number, term in enumerate(found):
        _check_heads(term, student, teacher)
        term.make_projections(seed + 1000 * number)  # different numbers for every term
    return found


def check_phase(phase, student, teacher):
    """Checks that a phase can compare two models, from their shapes alone.

    Args:
        phase: a `Phase`.
        student, teacher: `EncoderConfig`; the teacher's may be None.

    Returns:
        list of `BoundTerm` without projections; terms of weight 0 are left out.

    Raises:
        UserError: a term cannot compare these two models.
    """
    require_loss(phase)
    teacher = student if phase.own_teacher else teacher
    found = []
    for term in phase.active_terms:
        check_term(term)
        if LOSSES[term.loss].needs_teacher:
            if teacher is None:
                raise UserError(f"the loss {term.loss!r} needs a teacher: give `teacher`")
            same = LOSSES[term.loss].same_tokens
            if same and not alike(student.vocab_size, teacher.vocab_size):
                raise UserError("`student_config`: teacher and student vocabularies differ in size")
        found.append(BoundTerm(term, student, teacher))
    check_parts(phase, student)
    return found


def check_term(term):
    """Checks the loss, the options and the projection of a term, which users write too.

    Args:
        term: a `Term`.

    Raises:
        UserError: there is no such loss, or it has no such option or no use for the projection.
    """
    if term.loss not in LOSSES:
        raise UserError(
            f"`recipe`: there is no loss {term.loss!r}; the losses are {', '.join(sorted(LOSSES))}"
        )
    loss = LOSSES[term.loss]
    try:
        inspect.signature(loss.compute).bind(None, **term.options)
    except TypeError as error:
        raise UserError(f"`recipe`: the loss {term.loss!r}: {error}") from None
    if term.over_layers == "mean" and not loss.compares_layers:
        raise UserError(f"`recipe`: the loss {term.loss!r} has no layers to average over")
    if term.projection != NONE and not loss.takes_projection:
        raise UserError(f"`recipe`: the loss {term.loss!r} cannot use a projection")


def _check_heads(term, student, teacher):
    if not term.loss.needs_head:
        return
    vocabulary = bool(VOCABULARY_SIGNALS & term.signals())
    models = {"student_config": student}
    if term.loss.needs_teacher:
        models["teacher"] = teacher
    for setting, model in models.items():
        if vocabulary and (model.head is None or not model.head.has_vocabulary):
            raise UserError(
                f"`{setting}`: the model has no masked-LM head, and the loss {term.loss.name!r} "
                "needs its logits; use a checkpoint with the head (…ForMaskedLM)"
            )
        if PAIR_LOGITS in term.signals() and model.next_sentence is None:
            raise UserError(
                f"`{setting}`: the model has no head for pairs of segments, and the loss "
                f"{term.loss.name!r} needs it; use a checkpoint with the head (…ForPreTraining)"
            )
        if model.head is None:
            raise UserError(
                f"`{setting}`: the model has no head, and the loss {term.loss.name!r} needs its "
                "logits; use a checkpoint with the head"
            )
