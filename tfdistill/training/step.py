"""One compiled training step: gradients, their sum over devices, one update."""

import contextlib

import tensorflow as tf

from tfdistill.models.compiled import compiled_for_cpu
from tfdistill.system import process_memory
from tfdistill.training.optimizer import global_norm


class TrainStep:
    """Takes one step on a batch, under the `tf.distribute` strategy in whose scope it is made.

    Several devices give the same weights as one: each computes its rows of the batch; counts,
    gradients and losses are summed, then every device clips once and makes the same update.

    Args:
        distiller: a `Distiller`.
        optimizer: an `AdamW` that is built for `distiller.trained_variables`.
        jit_compile: compile with XLA.
        loss_scale: a `LossScale`, or None if the precision needs none.

    Attributes:
        function: the compiled step.
        traces: number of traces: one for each shape of batch.
    """

    def __init__(self, distiller, optimizer, jit_compile, loss_scale=None):
        self._distiller, self._optimizer = distiller, optimizer
        self._loss_scale, self._jit_compile = loss_scale, jit_compile
        self.traces = 0
        self._compiled_shapes = set()
        self._strategy = tf.distribute.get_strategy()
        self._replicas = self._strategy.num_replicas_in_sync
        self._gradients = distiller.gradients
        if self._replicas > 1:
            # XLA compiles what one device does; sums over devices stay outside.
            self._gradients = tf.function(
                distiller.gradients, autograph=False, jit_compile=jit_compile
            )
            jit_compile = False
        self.function = tf.function(self._step, autograph=False, jit_compile=jit_compile)
        self._several = tf.function(self._take_several, autograph=False)

    def variables(self):
        """Everything that the next step depends on: dict of names to Keras variables."""
        weights = {f"model/{v.path}": v for v in self._distiller.state_variables}
        # By number: paths repeat where two layers have the same name, and they begin with the
        # optimizer's name, which Keras numbers with each optimizer that a process makes.
        slots = {f"optimizer/{i}": v for i, v in enumerate(self._optimizer.variables)}
        scale = {v.name: v for v in self._loss_scale.variables} if self._loss_scale else {}
        return weights | slots | scale

    def __call__(self, batch, step):
        """Takes the step.

        Args:
            batch: dict of tensors (see `Distiller.gradients`).
            step: int, number of the step, from 0.

        Returns:
            A dict of float32 scalars: the losses, `gradient_norm` (before the clip),
            `learning_rate`, and with a loss scale `loss_scale` and `skipped`, which is 1 for a step
            that was not taken because its gradients overflowed; its `gradient_norm` is 0.
        """
        with self._compiled(batch["input_ids"].shape):
            return self.function(batch, tf.constant(step, tf.int32))

    def take(self, batches, first, count):
        """Takes several steps in one call of the compiled function.

        Args:
            batches: iterator of a `tf.data.Dataset` of batches.
            first: int, number of the first step.
            count: int >= 1, number of steps.

        Returns:
            The dict of one step, with each value summed over all steps.
        """
        with self._compiled():
            return self._several(batches, tf.constant(first), tf.constant(count))

    def _compiled(self, shape=()):
        """Context for a call; the first of a shape returns the compiler's memory to the system."""
        is_first = tuple(shape) not in self._compiled_shapes
        self._compiled_shapes.add(tuple(shape))
        if self._jit_compile and is_first:
            return process_memory.returned()
        return contextlib.nullcontext()

    def _take_several(self, batches, first, count):
        def one(index):
            return self.function(next(batches), first + index)

        def body(index, sums):
            return index + 1, tf.nest.map_structure(tf.add, sums, one(index))

        first_sums = one(0)
        return tf.while_loop(
            lambda index, _: index < count, body, (1, first_sums), parallel_iterations=1
        )[1]

    def _step(self, batch, step):
        self.traces += 1  # Python runs here only while TensorFlow traces
        with compiled_for_cpu(self._jit_compile and self._replicas == 1):
            losses = self._strategy.run(self._on_one_device, args=(batch, step))
        return {
            name: self._strategy.experimental_local_results(loss)[0]
            for name, loss in losses.items()
        }

    def _on_one_device(self, batch, step):
        batch, first_row = self._rows_of_this_device(batch)
        normalizers = self._sum(self._distiller.normalizers(batch))
        scale = self._loss_scale.value + 0.0 if self._loss_scale else 1.0
        gradients, losses = self._sum(
            self._gradients(batch, step, row=first_row, normalizers=normalizers, loss_scale=scale)
        )
        losses["learning_rate"] = tf.cast(self._optimizer.learning_rate, tf.float32)
        finite = None
        if self._loss_scale:
            gradients = [gradient / scale for gradient in gradients]
        # One clip, after the sum: the norm of the whole batch's gradient.
        losses["gradient_norm"] = norm = global_norm(gradients)
        if self._loss_scale:
            # Tested on the norm: Metal has no kernel to test every gradient.
            finite = tf.math.is_finite(norm)
            hopeless = self._loss_scale.update(finite)
            losses["gradient_norm"] = tf.where(finite | hopeless, norm, 0.0)
            losses |= {"loss_scale": scale, "skipped": 1.0 - tf.cast(finite, tf.float32)}
        self._optimizer.apply(gradients, self._distiller.trained_variables, finite)
        return losses

    def _rows_of_this_device(self, batch):
        """This device's part of a batch, and the index of its first row."""
        if self._replicas == 1:
            return batch, 0
        rows, rest = divmod(batch["input_ids"].shape[0], self._replicas)
        if rest:
            raise ValueError(f"{rest} rows are left over between {self._replicas} devices")
        first = rows * tf.distribute.get_replica_context().replica_id_in_sync_group
        part = {
            name: tf.slice(t, [first, *[0] * (t.shape.rank - 1)], [rows, *t.shape[1:]])
            for name, t in batch.items()
        }
        return part, first

    def _sum(self, values):
        """Sums nested tensors over the devices."""
        if self._replicas == 1:
            return values
        context = tf.distribute.get_replica_context()
        return context.all_reduce(tf.distribute.ReduceOp.SUM, values)
