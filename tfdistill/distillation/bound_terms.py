"""A term between two given models: its pairs of layers, its learned projections, its value."""

import inspect

import keras
import numpy as np
import tensorflow as tf

from tfdistill.data.spare_rows import alike
from tfdistill.distillation.layer_maps import layer_map
from tfdistill.distillation.least_squares import Regression
from tfdistill.distillation.phases import FIXED, NONE, PER_LAYER, require_loss
from tfdistill.distillation.schedules import value_at
from tfdistill.distillation.terms import LOSSES, Sides
from tfdistill.models.dense import dense
from tfdistill.system.errors import UserError

PROJECTION_STDDEV = 0.02  # as the models' own matrices
SHRINKAGE = 1e-3  # of a projection's fit: little text must not give large numbers


class BoundTerm:
    """One term of a phase, made fit for a student and its teacher.

    Args:
        term: a `Term`.
        student, teacher: EncoderConfig; the teacher's may be None for a loss that needs none.

    Attributes:
        name: of the term.
        loss, loss_name: the `Loss`, and what it is called.
        options: of the loss.
        pairs: (student's layer, teacher's layer), from 0, of a loss of layers.
        projections: list of Keras layers, from the student's width to the teacher's; made by
            `make_projections`.

    Raises:
        UserError: the term cannot be computed between these two models.
    """

    def __init__(self, term, student, teacher):
        self._term, self.name, self.loss = term, term.name, LOSSES[term.loss]
        self.loss_name, self.options = term.loss, term.options
        self._student, self._teacher = student, teacher
        self.pairs = ()
        self.projections = []
        if self.loss.needs_teacher:
            self.pairs = self._pair_layers(student, teacher)
            self._check(student, teacher)

    def _pair_layers(self, student, teacher):
        depths = student.num_hidden_layers, teacher.num_hidden_layers
        if not self.loss.of_layers:
            return ()
        pairs = self._term.layers
        if isinstance(pairs, str):
            pairs = enumerate(layer_map(pairs, depths[1], depths[0]))
        pairs = tuple(self._place(pair, depths) for pair in pairs)
        if self.loss.below_top:
            pairs = tuple(pair for pair in pairs if pair[0] < depths[0] - 1)
        if not pairs and not self._term.layers:
            raise UserError(
                f"--recipe: the loss {self._term.loss!r} compares layers and names none: "
                "layers='uniform', for example"
            )
        if not pairs:
            raise UserError(
                f"--student_config: the loss {self._term.loss!r} leaves the last layer out, "
                f"and this student has {depths[0]}; take one of at least 2 layers"
            )
        return pairs

    def _place(self, pair, depths):
        for index, depth, model in zip(pair, depths, ("student", "teacher"), strict=True):
            if not -depth <= index < depth:
                raise UserError(
                    "--recipe, --relation_layer: the loss "
                    f"{self._term.loss!r} names layer {index} of a {model} that has {depth}, "
                    "numbered from 0"
                )
        return tuple(index % depth for index, depth in zip(pair, depths, strict=True))

    def _check(self, student, teacher):
        widths = student.hidden_size, teacher.hidden_size
        if self.loss.hidden and self._term.projection == NONE and widths[0] != widths[1]:
            raise UserError(
                f"--student_config: the loss {self._term.loss!r} needs the teacher's width of "
                f"{widths[1]}, the student has {widths[0]}: --projection=shared learns a map "
                "between them"
            )
        heads = student.num_attention_heads, teacher.num_attention_heads
        if self.loss.same_heads and heads[0] != heads[1]:
            raise UserError(
                f"--student_config: the loss {self._term.loss!r} compares head by head, and the "
                f"teacher has {heads[1]}, the student {heads[0]}; take {heads[1]}, or "
                "--recipe=minilm, which compares any"
            )
        self.loss.check(student, teacher, **self.options)

    def make_projections(self, seed):
        """Makes the term's projections with fresh weights from a seed, if it has any."""
        if self._term.projection == NONE:
            return
        one_each = self._term.projection == PER_LAYER and self.pairs
        for number in range(len(self.pairs) if one_each else 1):
            layer = dense(
                self._teacher.hidden_size,
                f"{self.name}_{number}",
                kernel_initializer=keras.initializers.RandomNormal(
                    stddev=PROJECTION_STDDEV, seed=seed + number
                ),
                dtype="float32",  # the loss's, not the models'
            )
            layer.build((None, None, self._student.hidden_size))
            layer.trainable = self._term.projection != FIXED
            self.projections.append(layer)

    def project(self, number, hidden):
        """A student's hidden states in the teacher's width.

        Args:
            number: of the pair of layers; 0 for a loss without.
            hidden: (batch, length, student's hidden).

        Returns:
            (batch, length, teacher's hidden); what came in where nothing is to be projected.
        """
        if not self.projections:
            return hidden
        return self._of_pair(self.projections, number)(hidden)

    def _of_pair(self, each, number):
        """What belongs to a pair's projection, which all pairs may share."""
        return each[min(number, len(each) - 1)]

    def regressions(self):
        """Empty `Regression`s, one for each projection, which `regress` fills."""
        return [Regression() for _ in self.projections]

    def regress(self, regressions, student, teacher, batch):
        """Takes in what both models show of a batch.

        Args:
            regressions: of `regressions`.
            student, teacher: dicts of signals.
            batch: dict of the batch's tensors.
        """
        real = np.asarray(batch["attention_mask"]) > 0  # (batch, length)
        pairs = self.loss.hidden(Sides(student, teacher, batch, None, self.pairs))
        for number, pair in enumerate(pairs):
            rows = (np.asarray(tf.cast(hidden, tf.float32))[real] for hidden in pair)
            self._of_pair(regressions, number).add(*rows)

    def set_projections(self, regressions):
        """Sets the projections to the least squares of the text that `regress` took in."""
        for layer, regression in zip(self.projections, regressions, strict=True):
            if regression.count < 2:  # tokens
                continue
            kernel, bias = regression.solve(np.zeros(layer.kernel.shape), SHRINKAGE)
            layer.kernel.assign(kernel)
            layer.bias.assign(bias)

    def signals(self):
        """Names of what both models must show."""
        return set(self.loss.signals(**self.options))

    def count(self, batch):
        """Valid elements of a batch: a float32 scalar."""
        return self.loss.count(batch, **self.options)

    def weight(self, progress):
        """The term's factor at a point of the phase (see `Schedule.at`)."""
        return value_at(self._term.weight, progress)

    def compute(self, student, teachers, batch, normalizer, progress, shares=(), words=None):
        """The term's value, without its weight.

        Args:
            student: dict of signals.
            teachers: tuple of the same of each teacher; layers are those of the first.
            batch: dict of the batch's tensors.
            normalizer: float scalar, the valid elements of the whole batch.
            progress: see `Schedule.at`.
            shares: of the teachers, float each, which add up to 1.
            words: ids that all models' tables have; None: the tables are equally long.

        Returns:
            A float32 scalar.
        """
        options = {name: value_at(value, progress) for name, value in self.options.items()}
        first, *others = teachers or (None,)
        placed = self.pairs, self.project, tuple(others), shares, words
        sides = Sides(student, first, batch, normalizer, *placed)
        value = self.loss.compute(sides, **options)
        return value / len(self.pairs) if self._term.over_layers == "mean" else value


def bind_terms(phase, student, teacher, seed):
    """Makes the terms of a phase fit for two models.

    Args:
        phase: a `Phase`.
        student: a `MaskedLanguageModel`.
        teacher: a `MaskedLanguageModel`, or None.
        seed: of the fresh projections.

    Returns:
        list of `BoundTerm`, those of weight 0 left out.

    Raises:
        UserError: a term cannot be computed between these two models.
    """
    found = check_phase(phase, student.config, teacher.config if teacher is not None else None)
    for term in phase.active_terms:
        _check_heads(term.loss, student, teacher)
    for number, term in enumerate(found):
        term.make_projections(seed + 1000 * number)  # no two terms begin alike
    return found


def check_phase(phase, student, teacher):
    """Whether a phase can compare two models, by their shapes alone.

    Args:
        phase: a `Phase`.
        student, teacher: EncoderConfig; the teacher's may be None.

    Returns:
        list of `BoundTerm` without projections, those of weight 0 left out.

    Raises:
        UserError: a term cannot be computed between these two models.
    """
    require_loss(phase)
    found = []
    for term in phase.active_terms:
        check_term(term)
        if LOSSES[term.loss].needs_teacher:
            if teacher is None:
                raise UserError(f"the loss {term.loss!r} needs a teacher: give --teacher")
            if not alike(student.vocab_size, teacher.vocab_size):
                raise UserError("--student_config: teacher and student vocabularies differ in size")
        found.append(BoundTerm(term, student, teacher))
    return found


def check_term(term):
    """Refuses what no loss of ours understands; users write terms too.

    Args:
        term: a `Term`.

    Raises:
        UserError: there is no such loss, or it has no such option or no use for the projection.
    """
    if term.loss not in LOSSES:
        raise UserError(
            f"--recipe: there is no loss {term.loss!r}; the losses are {', '.join(sorted(LOSSES))}"
        )
    try:
        inspect.signature(LOSSES[term.loss].compute).bind(None, **term.options)
    except TypeError as error:
        raise UserError(f"--recipe: the loss {term.loss!r}: {error}") from None
    if term.over_layers == "mean" and not LOSSES[term.loss].of_layers:
        raise UserError(f"--recipe: the loss {term.loss!r} has no layers to take a mean over")
    if term.projection != NONE and not LOSSES[term.loss].hidden:
        raise UserError(f"--recipe: the loss {term.loss!r} has no use for a projection")


def _check_heads(name, student, teacher):
    if not LOSSES[name].needs_head:
        return
    models = {"--student_config": student}
    if LOSSES[name].needs_teacher:
        models["--teacher"] = teacher
    for flag, model in models.items():
        if model is not None and model.head is None:
            raise UserError(
                f"{flag}: the model has no masked-LM head, and the loss {name!r} "
                "needs its logits; take a checkpoint with the head (…ForMaskedLM)"
            )
