"""One training step for every recipe: teacher forward, student forward, the sum of the terms."""

import keras
import tensorflow as tf

from tfdistill.distillation.bound_terms import bind_terms
from tfdistill.distillation.cached_signals import cached_signals
from tfdistill.distillation.ensemble import check_teachers, shares_of
from tfdistill.distillation.phases import trained_by
from tfdistill.distillation.schedules import Schedule
from tfdistill.distillation.signals import HEAD_SIGNALS, compute_signals
from tfdistill.models.dropout import DropoutKey
from tfdistill.models.layerdrop import draw_layers

FITTED_AT_ONCE = 8  # rows: a batch of several micro-batches or devices is too much for one


class Distiller(keras.Model):
    """Trains a student by the terms of a phase; `fit` can drive it, and so does our own loop.

    Args:
        student: a `MaskedLanguageModel`, trained in place.
        phase: a `Phase`.
        teacher: a `MaskedLanguageModel`, always run in inference mode and outside the gradient
            tape; None for phases whose terms need none.
        seed: seed of dropout, LayerDrop and fresh projections.
        layerdrop: chance that a layer of the model in training is skipped in a step, for the
            whole batch (Fan et al., 2019, section 3.1). No rescaling; none at inference.
        micro_batches: parts of a batch that are worked on one after the other, their gradients
            summed; every mean still runs over the whole batch.
        remat: compute the student's layers a second time for their gradients, and keep less.
        on_metal: use only operators that Apple's Metal plugin has, where that costs something.
        steps: steps of the phase, over which its schedules run; None for a phase without.
        first_step: steps that the student took in earlier phases.
        more_teachers: others, with the vocabulary of `teacher`: the mean of all softened
            probabilities is what logits are compared with. Layers are compared with `teacher`.
        teacher_weights: of `teacher` and the others in that mean; empty: all alike.

    Attributes:
        trained_variables: Keras variables that learn: the student's that the phase names and that
            are not frozen, then those of the projections that learn.
        state_variables: all variables of the student and of the projections.

    Raises:
        UserError: a term cannot be computed between these two models, or the phase trains parts
            that the student does not have.
        ValueError: the phase has a schedule and no `steps`.

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

    def __init__(
        self,
        student,
        phase,
        teacher=None,
        seed=0,
        layerdrop=0.0,
        micro_batches=1,
        remat=False,
        on_metal=False,
        steps=None,
        first_step=0,
        more_teachers=(),
        teacher_weights=(),
    ):
        super().__init__(name="distiller")
        self.student = student
        self.teacher = teacher
        self.phase = phase
        self.seed = seed
        self.layerdrop = layerdrop
        self.micro_batches = micro_batches
        self.remat = remat
        self.on_metal = on_metal
        self._teachers = (teacher, *more_teachers) if teacher is not None else ()
        for each in self._teachers:
            each.trainable = False
        self._shares = shares_of(len(self._teachers), teacher_weights)
        self._words = min(each.config.vocab_size for each in (student, *self._teachers))
        self.steps, self.first_step = steps, first_step
        self._terms = bind_terms(phase, student, teacher, seed)
        check_teachers(phase, self._teachers)
        self._check_schedules()
        projections = [layer for each in self._terms for layer in each.projections]
        projected = [variable for layer in projections for variable in layer.variables]
        learned = [variable for layer in projections for variable in layer.trainable_variables]
        self.state_variables = [*student.variables, *projected]
        self.trained_variables = [*trained_by(phase, student), *learned]
        self.built = True

    def _check_schedules(self):
        numbers = [term.weight for term in self.phase.active_terms]
        numbers += [value for term in self.phase.active_terms for value in term.options.values()]
        if self.steps is None and any(isinstance(number, Schedule) for number in numbers):
            raise ValueError("a phase with a schedule needs the number of its steps")

    def fit_projections(self, batches):
        """Starts the projections at the least squares of both models' hidden states.

        The random numbers they have until then would lead a student that starts well astray. Of
        `hidden` and `embedding` this is the best there is; of `cos` and `patient`, which look at
        directions, a near start. Our training calls it before a phase's first step; who trains
        by Keras's `fit` may.

        Args:
            batches: iterable of dicts of the batch's tensors.
        """
        fits = {each: each.regressions() for each in self._terms if each.projections}
        if not fits:
            return
        names = set().union(*(each.signals() for each in fits))
        for batch in batches:
            for row in range(0, len(batch["input_ids"]), FITTED_AT_ONCE):
                part = {name: rows[row : row + FITTED_AT_ONCE] for name, rows in batch.items()}
                shown = [compute_signals(m, part, names) for m in (self.student, self.teacher)]
                for each, regressions in fits.items():
                    each.regress(regressions, *shown, part)
        for each, regressions in fits.items():
            each.set_projections(regressions)

    def normalizers(self, batch):
        """Counts the valid elements of each term.

        Args:
            batch: dict of the batch's tensors.

        Returns:
            A dict of float32 scalars by term; over several devices they are to be summed.
        """
        return {each.name: each.count(batch) for each in self._terms}

    def gradients(self, batch, step, row=0, normalizers=None, loss_scale=1.0):
        """Gradients and losses of one batch; what several devices return is to be summed.

        Args:
            batch: dict with input_ids, attention_mask int32 (batch, length); masked_positions,
                masked_labels int32 and masked_weights float32 (batch, masked). With what
                `CachedBatches` bring along, no teacher is run.
            step: int32 scalar, the step of the phase: with `first_step` and the seed it decides
                every random draw.
            row: int32 scalar, this batch's first row in the global batch.
            normalizers: valid elements of the global batch by term; None: those of this batch.
            loss_scale: float32 scalar that the gradients, not the losses, come out multiplied by.

        Returns:
            (dense gradients of `trained_variables`, dict of losses: `loss` and one
            `loss_<name>` per term).
        """
        if normalizers is None:
            normalizers = self.normalizers(batch)
        keep_layers = self._draw_layers(step)
        rows = batch["input_ids"].shape[0]
        if rows is None or rows % self.micro_batches:
            raise ValueError(f"{rows} rows cannot be cut into {self.micro_batches} micro-batches")
        rows //= self.micro_batches
        if self.micro_batches == 1:
            return self._micro_gradients(batch, step, row, normalizers, keep_layers, loss_scale)

        def part(index):
            begin = index * rows
            # By tf.slice, whose sizes are static; XLA takes no tensor[begin : begin + rows].
            micro = {
                name: tf.slice(t, [begin, *[0] * (t.shape.rank - 1)], [rows, *t.shape[1:]])
                for name, t in batch.items()
            }
            first = row + begin
            return self._micro_gradients(micro, step, first, normalizers, keep_layers, loss_scale)

        names = ("loss", *(f"loss_{each.name}" for each in self._terms))
        zeros = (
            [tf.zeros(variable.shape) for variable in self.trained_variables],
            {name: tf.constant(0.0) for name in names},
        )
        # A loop, not an unrolled sum: the graph and the memory are those of one micro-batch.
        return tf.while_loop(
            lambda index, _: index < self.micro_batches,
            lambda index, sums: (index + 1, tf.nest.map_structure(tf.add, sums, part(index))),
            (0, zeros),
            parallel_iterations=1,
        )[1]

    def _micro_gradients(self, batch, step, row, normalizers, keep_layers, loss_scale):
        dropout = DropoutKey(
            seed=tf.stack([tf.constant(self.seed, tf.int32), self._global_step(step)]),
            row=tf.cast(row, tf.int32),
        )
        terms, progress = self._terms, self._progress(step)
        teachers = self._taught(batch)
        variables = [variable.value for variable in self.trained_variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            student = compute_signals(
                self.student,
                batch,
                set().union(*(each.signals() for each in terms)),
                dropout=dropout,
                keep_layers=keep_layers,
                remat=self.remat,
            )
            losses = {
                each.name: each.compute(
                    student,
                    teachers,
                    batch,
                    normalizers[each.name],
                    progress,
                    shares=self._shares,
                    words=self._words,
                )
                for each in terms
            }
            total = tf.add_n([each.weight(progress) * losses[each.name] for each in terms])
            scaled = loss_scale * total
        gradients = tape.gradient(scaled, variables, unconnected_gradients="zero")
        # Dense: Keras's AdamW and clipping are wrong on repeated ids of sparse gradients.
        restrict = self.student.encoder.embeddings.restrict_gradient
        gradients = [
            restrict(variable, tf.convert_to_tensor(gradient))
            for variable, gradient in zip(self.trained_variables, gradients, strict=True)
        ]
        return gradients, {"loss": total, **{f"loss_{name}": losses[name] for name in losses}}

    def _taught(self, batch):
        """What the teachers show of a batch: a tuple of dicts of signals, () without a teacher."""
        names = [each.signals() for each in self._terms if each.loss.needs_teacher]
        if not names:
            return ()
        cached = cached_signals(batch)
        if cached:
            return (cached,)
        names = set().union(*names)
        shown = [compute_signals(self.teacher, batch, names)]
        if HEAD_SIGNALS & names:
            others = self._teachers[1:]
            shown += [compute_signals(each, batch, HEAD_SIGNALS & names) for each in others]
        return tuple(tf.nest.map_structure(tf.stop_gradient, shown))

    def _global_step(self, step):
        return tf.cast(step, tf.int32) + self.first_step

    def _progress(self, step):
        """Where in the phase a step stands: 0 at the first, 1 at the last."""
        progress = tf.cast(step, tf.float32) / max((self.steps or 1) - 1, 1)
        return tf.minimum(progress, 1.0)

    def _draw_layers(self, step):
        """Which layers stay in this step: `LayerDraws`, or None without LayerDrop."""
        if not self.layerdrop:
            return None
        return draw_layers(
            self.student.config.num_hidden_layers,
            self.layerdrop,
            seed=self.seed,
            step=self._global_step(step),
            recompute=self.remat or self.on_metal,
        )

    def train_step(self, data):
        """One step of Keras's `fit` on a batch (see `gradients`); the optimizer clips.

        Raises:
            ValueError: under a strategy of several devices, which only `TrainStep` serves.
        """
        if tf.distribute.get_strategy().num_replicas_in_sync > 1:
            raise ValueError("fit trains on one device: on several, take training.step.TrainStep")
        gradients, losses = self.gradients(
            data, self.optimizer.iterations, loss_scale=self.optimizer.scale_loss(1.0)
        )
        self.optimizer.apply(gradients, self.trained_variables)
        return losses
