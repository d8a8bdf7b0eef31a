"""One training step for every recipe: teacher forward, student forward, the sum of the terms."""

import dataclasses
import functools

import keras
import tensorflow as tf

from tfdistill.distillation.bound_terms import bind_terms
from tfdistill.distillation.drawn_parts import train_parts
from tfdistill.distillation.orthogonal_maps import fit_orthogonal_maps
from tfdistill.distillation.phases import trained_by
from tfdistill.distillation.projections import fit_projections
from tfdistill.distillation.row_gradients import dense_gradient
from tfdistill.distillation.schedules import Schedule
from tfdistill.distillation.signals import compute_signals
from tfdistill.distillation.sums import sum_over_micro_batches
from tfdistill.distillation.teachers import Teachers, has_cached_signals
from tfdistill.models.active_part import active_part, part_layers
from tfdistill.models.dropout import DropoutKey
from tfdistill.models.layerdrop import draw_layers

FITTED_ON_TOKENS, FITTED_ON_TEXTS = 4, 64  # batches, for a start of projections


@dataclasses.dataclass(frozen=True)
class StepOptions:
    """How the steps of a phase are computed.

    Args:
        seed: seed of dropout, LayerDrop and fresh projections.
        layerdrop: probability that a step skips a layer of the student, for the whole batch (Fan et
            al., 2019, section 3.1). Nothing is rescaled, and inference skips no layer.
        micro_batches: parts of a batch that are computed one after the other, their gradients
            summed; every mean still runs over the whole batch.
        remat: compute the student's layers a second time for their gradients, to save memory.
        on_metal: use only operators that Apple's Metal plugin has, even where others are faster.
        steps: steps of the phase, over which its schedules run; None for a phase without schedules.
        first_step: steps that the student took in earlier phases; random draws continue from there.
    """

    seed: int = 0
    layerdrop: float = 0.0
    micro_batches: int = 1
    remat: bool = False
    on_metal: bool = False
    steps: int | None = None
    first_step: int = 0


class Distiller(keras.Model):
    """Trains a student with the losses of a phase, by Keras's `fit` or a loop of one's own.

    Args:
        student: a `MaskedLanguageModel`, trained in place.
        phase: a `Phase`.
        teacher: a `MaskedLanguageModel`, or `Teachers` for several; run in inference mode and
            outside the gradient tape. None for phases whose losses need no teacher. Of a phase with
            its own teacher, the student as the phase before has left it: another model.
        options: `StepOptions`.
        tokens: int32, ascending: ids of all tokens that batches hold; None: they may hold any. A
            head without a vocabulary then leaves all other rows of the word embeddings without a
            gradient, and gradients have the rows of these tokens alone.

    Attributes:
        teachers: the `Teachers`, empty without a teacher.
        trained_variables: the Keras variables that are trained: those of the student that the phase
            names and that are not frozen, then those of the projections.
        state_variables: all variables of the student and of the projections.
        gradient_rows: for each of `trained_variables` the rows that its gradient has, int32; None
            for all.

    Raises:
        UserError: a loss cannot compare these models, or the phase trains parts that the student
            does not have.
        ValueError: the phase has a schedule, and `options` has no `steps`; or it trains parts of
            the student, and `options` has LayerDrop.

    Example:
        import dataclasses

        import keras
        import numpy as np
        import tensorflow as tf

        import tfdistill

        teacher = tfdistill.load_model("runs/mini/teacher")
        shape = dataclasses.replace(teacher.config, num_hidden_layers=1)
        student = tfdistill.initialize_student(teacher, shape)
        (phase,) = tfdistill.recipes.get("distilbert", alpha_ce=1.0, alpha_mlm=0.0).phases
        tokenizer = tfdistill.load_tokenizer("runs/mini/teacher")
        ids, mask = tokenizer.encode("The whale sank the ship.", length=16)
        rows = {"input_ids": [ids] * 8, "attention_mask": [mask] * 8}
        rows = {name: np.array(values, np.int32) for name, values in rows.items()}
        rows["masked_positions"] = np.full((8, 1), 2, np.int32)  # (batch, masked)
        rows["masked_labels"] = rows["input_ids"][:, 2:3]
        rows["masked_weights"] = np.ones((8, 1), np.float32)
        distiller = tfdistill.Distiller(student, phase, teacher)
        distiller.compile(optimizer=keras.optimizers.AdamW(5e-4))
        batches = tf.data.Dataset.from_tensor_slices(rows).batch(4, drop_remainder=True)
        distiller.fit(batches, verbose=0)
    """

    def __init__(self, student, phase, teacher=None, options=StepOptions(), tokens=None):
        super().__init__(name="distiller")
        self.student, self.phase, self.options = student, phase, options
        self.teachers = Teachers.of(teacher)
        self.teachers.freeze()
        self._terms = bind_terms(phase, student, self.teachers.first, options.seed)
        self.teachers.check(phase)
        if options.steps is None and _has_schedule(phase):
            raise ValueError("a phase with a schedule needs the number of its steps")
        if options.layerdrop and phase.parts is not None:
            raise ValueError("a step that trains parts of a student leaves layers out already")
        projections = [layer for term in self._terms for layer in term.projections.layers]
        projected = [variable for layer in projections for variable in layer.variables]
        learned = [variable for layer in projections for variable in layer.trainable_variables]
        self.state_variables = [*student.variables, *projected]
        self.trained_variables = [*trained_by(phase, student), *learned]
        table = student.encoder.embeddings.word_embeddings
        if student.head is None or student.head.has_vocabulary:
            tokens = None
        self.gradient_rows = [
            tokens if variable is table else None for variable in self.trained_variables
        ]
        self.built = True

    @property
    def batches_to_fit(self):
        """Batches on which `fit_projections` fits well: of texts, and of tokens."""
        of_texts = any(term.projections.orthogonal for term in self._terms)
        return FITTED_ON_TEXTS if of_texts else FITTED_ON_TOKENS

    def fit_projections(self, batches, rows_at_once=8):
        """Sets the projections to the least-squares fit of the student's to the teacher's states.

        Random projections would spoil a student that starts from its teacher. For the losses
        `hidden` and `embedding` this start is the best there is; for `cos` and `patient`, which
        compare directions, it is close. Orthogonal projections are fitted to the vectors of whole
        texts (see `orthogonal_maps`). `StageTrainer` calls this before the first step of a phase;
        with Keras's `fit` it is optional.

        Args:
            batches: iterable of dicts of the batch's tensors.
            rows_at_once: rows that the models run on at a time; a batch that is split into
                micro-batches or over devices may not fit in memory as a whole.
        """
        fit_projections(self._terms, self.student, self.teachers.first, batches, rows_at_once)
        fit_orthogonal_maps(
            self._terms,
            self.student,
            lambda batch: self.teacher_signals(batch).signals[0],
            batches,
        )

    def normalizers(self, batch):
        """Counts the valid elements of each term.

        Args:
            batch: dict of the batch's tensors.

        Returns:
            A dict of float32 scalars by term, to be summed over devices.
        """
        return {term.name: term.count(batch) for term in self._terms}

    def gradients(self, batch, step, row=0, normalizers=None, loss_scale=1.0):
        """Gradients and losses of one batch, to be summed over devices.

        Args:
            batch: dict with input_ids, attention_mask int32 (batch, length); masked_positions,
                masked_labels int32 and masked_weights float32 (batch, masked). If it brings cached
                signals (see `CachedBatches`), no teacher is run.
            step: int32 scalar, the step of the phase; with `first_step` and the seed it determines
                every random draw.
            row: int32 scalar, index of this batch's first row in the global batch.
            normalizers: valid elements of the global batch by term; None: those of this batch.
            loss_scale: float32 scalar; gradients, not losses, are multiplied by it.

        Returns:
            (dense gradients of `trained_variables`, of their `gradient_rows`; dict of losses:
            `loss` and one `loss_<name>` per term). Where a step trains several parts of the
            student, gradients are sums over the parts, and losses means.
        """
        if normalizers is None:
            normalizers = self.normalizers(batch)

        def micro_batch(batch, first_row):
            return self._micro_batch(batch, step, row + first_row, normalizers, loss_scale)

        parts = self.options.micro_batches
        return sum_over_micro_batches(micro_batch, batch, parts, self._zeros)

    def _zeros(self):
        """Zeros in the form of `gradients`."""
        names = ("loss", *(f"loss_{term.name}" for term in self._terms))
        gradients = [
            tf.zeros(variable.shape if rows is None else (len(rows), *variable.shape[1:]))
            for variable, rows in zip(self.trained_variables, self.gradient_rows, strict=True)
        ]
        return gradients, {name: tf.constant(0.0) for name in names}

    def _micro_batch(self, batch, step, row, normalizers, loss_scale):
        """`gradients` of one micro-batch."""
        dropout = DropoutKey(
            seed=tf.stack([tf.constant(self.options.seed, tf.int32), self._global_step(step)]),
            row=tf.cast(row, tf.int32),
        )
        teachers = None if self.phase.own_teacher else self.teacher_signals(batch)
        train = functools.partial(
            self._student_gradients,
            batch,
            normalizers=normalizers,
            progress=self._progress(step),
            loss_scale=loss_scale,
            dropout=dropout,
        )
        if self.phase.parts is None:
            return train(teachers, keep_layers=self._draw_layers(step))
        options, config = self.options, self.student.config

        def teach(shape):
            if not self.phase.own_teacher:
                return teachers
            with active_part(shape):
                return self.teacher_signals(batch)

        def of_part(shape, taught):
            recompute = options.remat or options.on_metal
            layers = part_layers(shape, config.num_hidden_layers, recompute)
            with active_part(shape):
                return train(taught, keep_layers=layers)

        draws = dict(seed=options.seed, step=self._global_step(step))
        return train_parts(self.phase.parts, config, teach, of_part, self._zeros, **draws)

    def _student_gradients(
        self, batch, teachers, *, keep_layers, normalizers, progress, loss_scale, dropout
    ):
        """`gradients` of the student on one micro-batch."""
        terms = self._terms
        variables = [variable.value for variable in self.trained_variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            student = compute_signals(
                self.student,
                batch,
                set().union(*(term.signals() for term in terms)),
                dropout=dropout,
                keep_layers=keep_layers,
                remat=self.options.remat,
            )
            losses = {
                term.name: term.compute(student, teachers, batch, normalizers[term.name], progress)
                for term in terms
            }
            total = tf.add_n([term.weight(progress) * losses[term.name] for term in terms])
            scaled = loss_scale * total
        gradients = tape.gradient(scaled, variables, unconnected_gradients="zero")
        # Dense: Keras's AdamW and clipping are wrong on repeated ids of sparse gradients.
        restrict = self.student.encoder.embeddings.restrict_gradient
        gradients = [
            restrict(variable, dense_gradient(gradient, variable.shape[0], rows), rows)
            for variable, gradient, rows in zip(
                self.trained_variables, gradients, self.gradient_rows, strict=True
            )
        ]
        return gradients, {"loss": total, **{f"loss_{name}": losses[name] for name in losses}}

    def teacher_signals(self, batch):
        """`TeacherSignals` of a batch; None for a phase without a teacher."""
        terms = [term for term in self._terms if term.loss.needs_teacher]
        if not terms:
            return None
        if has_cached_signals(batch):
            cached = [signal for term in terms for signal in term.cached_signals()]
            return self.teachers.cached_signals(batch, cached)
        self.teachers.require_tokens_of(self.student)
        return self.teachers.signals(batch, set().union(*(term.signals() for term in terms)))

    def _global_step(self, step):
        return tf.cast(step, tf.int32) + self.options.first_step

    def _progress(self, step):
        """How far the phase has come at a step: 0 at the first, 1 at the last."""
        progress = tf.cast(step, tf.float32) / max((self.options.steps or 1) - 1, 1)
        return tf.minimum(progress, 1.0)

    def _draw_layers(self, step):
        """The layers that this step keeps: `LayerDraws`, or None without LayerDrop."""
        options = self.options
        if not options.layerdrop:
            return None
        return draw_layers(
            self.student.config.num_hidden_layers,
            options.layerdrop,
            seed=options.seed,
            step=self._global_step(step),
            recompute=options.remat or options.on_metal,
        )

    def train_step(self, data):
        """One step of Keras's `fit` on a batch (see `gradients`); the optimizer clips.

        Raises:
            ValueError: under a strategy of several devices, which only `TrainStep` supports.
        """
        if tf.distribute.get_strategy().num_replicas_in_sync > 1:
            raise ValueError("fit trains on one device: for several, use training.step.TrainStep")
        gradients, losses = self.gradients(
            data, self.optimizer.iterations, loss_scale=self.optimizer.scale_loss(1.0)
        )
        self.optimizer.apply(gradients, self.trained_variables)
        return losses


def _has_schedule(phase):
    terms = phase.active_terms
    numbers = [number for term in terms for number in (term.weight, *term.options.values())]
    return any(isinstance(number, Schedule) for number in numbers)
