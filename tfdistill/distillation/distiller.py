"""One training step for every recipe: teacher forward, student forward, the sum of the terms."""

import keras
import tensorflow as tf

from tfdistill.distillation.signals import compute_signals
from tfdistill.distillation.terms import LOSSES
from tfdistill.errors import UserError
from tfdistill.models.dropout import DropoutKey
from tfdistill.models.layerdrop import LayerDraws

LAYERDROP_STREAM = 0x1D  # keeps LayerDrop's draws apart from those of dropout


class Distiller(keras.Model):
    """Trains a student by the terms of a phase; `fit` can drive it, and so does our own loop.

    Args:
        student: a `MaskedLanguageModel`, trained in place.
        phase: a `Phase`.
        teacher: a `MaskedLanguageModel`, always run in inference mode and outside the gradient
            tape; None for phases whose terms need none.
        seed: seed of dropout and LayerDrop.
        layerdrop: chance that a layer of the model in training is skipped in a step, for the
            whole batch (Fan et al., 2019, section 3.1). No rescaling; none at inference.
        micro_batches: parts of a batch that are worked on one after the other, their gradients
            summed; every mean still runs over the whole batch.
        remat: compute the student's layers a second time for their gradients, and keep less.
        on_metal: use only operators that Apple's Metal plugin has, where that costs something.

    Raises:
        UserError: a term cannot be computed between these two models.
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
        if teacher is not None:
            teacher.trainable = False
        self._check_terms()
        self.built = True

    def _check_terms(self):
        if not self.phase.active_terms:
            raise UserError("every loss weighs 0: give one of --alpha_ce, --alpha_mlm a weight")
        names = [term.loss for term in self.phase.active_terms]
        if len(set(names)) < len(names):
            raise ValueError(f"a phase names each loss once, not {names}")
        for term in self.phase.active_terms:
            loss = LOSSES[term.loss]
            if loss.needs_teacher and self.teacher is None:
                raise UserError(f"the loss {term.loss!r} needs a teacher: give --teacher")
            models = {"--student_config": self.student}
            if loss.needs_teacher:
                models["--teacher"] = self.teacher
            for flag, model in models.items():
                if loss.needs_head and model.head is None:
                    raise UserError(
                        f"{flag}: the model has no masked-LM head, and the loss {term.loss!r} "
                        "needs its logits; take a checkpoint with the head (…ForMaskedLM)"
                    )
            widths = {model.config.hidden_size for model in models.values()}
            if loss.same_width and len(widths) > 1:
                raise UserError(
                    f"--student_config: the loss {term.loss!r} needs the teacher's width"
                )
            if len({model.config.vocab_size for model in models.values()}) > 1:
                raise UserError("--student_config: teacher and student vocabularies differ in size")

    def normalizers(self, batch):
        """Counts the valid elements of each term.

        Args:
            batch: dict of the batch's tensors.

        Returns:
            A dict of float32 scalars by loss name; over several devices they are to be summed.
        """
        return {
            term.loss: tf.reduce_sum(
                tf.cast(batch[LOSSES[term.loss].valid(**term.options)], tf.float32)
            )
            for term in self.phase.active_terms
        }

    def gradients(self, batch, step, row=0, normalizers=None, loss_scale=1.0):
        """Gradients and losses of one batch; what several devices return is to be summed.

        Args:
            batch: dict with input_ids, attention_mask int32 (batch, length); masked_positions,
                masked_labels int32 and masked_weights float32 (batch, masked).
            step: int32 scalar, the global step: with the seed it decides every random draw.
            row: int32 scalar, this batch's first row in the global batch.
            normalizers: valid elements of the global batch by loss; None: those of this batch.
            loss_scale: float32 scalar that the gradients, not the losses, come out multiplied by.

        Returns:
            (dense gradients of `student.trainable_variables`, dict of losses: `loss` and one
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

        names = ("loss", *(f"loss_{term.loss}" for term in self.phase.active_terms))
        zeros = (
            [tf.zeros(variable.shape) for variable in self.student.trainable_variables],
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
            seed=tf.stack([tf.constant(self.seed, tf.int32), tf.cast(step, tf.int32)]),
            row=tf.cast(row, tf.int32),
        )
        terms = self.phase.active_terms
        wanted = {name for term in terms for name in LOSSES[term.loss].signals(**term.options)}
        teacher = None
        if any(LOSSES[term.loss].needs_teacher for term in terms):
            teacher = tf.nest.map_structure(
                tf.stop_gradient, compute_signals(self.teacher, batch, wanted)
            )
        variables = [variable.value for variable in self.student.trainable_variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            student = compute_signals(
                self.student,
                batch,
                wanted,
                dropout=dropout,
                keep_layers=keep_layers,
                remat=self.remat,
            )
            losses = {
                term.loss: LOSSES[term.loss].compute(
                    student, teacher, batch, normalizers[term.loss], **term.options
                )
                for term in terms
            }
            total = tf.add_n([term.weight * losses[term.loss] for term in terms])
            scaled = loss_scale * total
        gradients = tape.gradient(scaled, variables, unconnected_gradients="zero")
        # Dense: Keras's AdamW and clipping are wrong on repeated ids of sparse gradients.
        gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        return gradients, {"loss": total, **{f"loss_{name}": losses[name] for name in losses}}

    def _draw_layers(self, step):
        """Which layers stay in this step: `LayerDraws`, or None without LayerDrop."""
        if not self.layerdrop:
            return None
        seed = tf.stack([tf.constant(self.seed ^ LAYERDROP_STREAM), tf.cast(step, tf.int32)])
        draws = tf.random.stateless_uniform((self.student.config.num_hidden_layers,), seed)
        return LayerDraws(draws >= self.layerdrop, self.remat or self.on_metal)

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
        self.optimizer.apply(gradients, self.student.trainable_variables)
        return losses
