"""One compiled training step: gradients, their sum over devices, one update."""

import contextlib

import numpy as np
import tensorflow as tf

from tfdistill.models.compiled import compiled_for_cpu
from tfdistill.system import process_memory
from tfdistill.training.optimizer import global_norm

GOOD = "good"  # name of a value of a step: 1.0 as long as all numbers were finite


class TrainStep:
    """Takes one step on a batch, under the `tf.distribute` strategy in whose scope it is made.

    Several devices give the same weights as one: each computes its rows of the batch; counts,
    gradients and losses are summed, then every device clips once and makes the same update.

    A step whose loss or gradient is NaN or infinite changes nothing, nor do those after it.

    Args:
        distiller: a `Distiller`.
        optimizer: an `AdamW` that is built for `distiller.trained_variables`.
        jit_compile: compile with XLA.
        loss_scale: a `LossScale`, or None if the precision needs none.

    Attributes:
        distiller, jit_compile, loss_scale: as given.
        function: the compiled step.
        traces: number of traces: one for each shape of batch.
    """

    def __init__(self, distiller, optimizer, jit_compile, loss_scale=None):
        self.distiller, self._optimizer = distiller, optimizer
        self.loss_scale, self.jit_compile = loss_scale, jit_compile
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
        weights = {f"model/{v.path}": v for v in self.distiller.state_variables}
        # By number: paths repeat where two layers have the same name, and they begin with the
        # optimizer's name, which Keras numbers with each optimizer that a process makes.
        slots = {f"optimizer/{i}": v for i, v in enumerate(self._optimizer.variables)}
        scale = {v.name: v for v in self.loss_scale.variables} if self.loss_scale else {}
        return weights | slots | scale

    def __call__(self, batch, step, good=1.0):
        """Takes the step.

        Args:
            batch: dict of tensors (see `Distiller.gradients`).
            step: int, number of the step, from 0.
            good: float32 scalar, the `GOOD` of the step before; if it is below 1, nothing changes.

        Returns:
            A dict of float32 scalars: the losses, `gradient_norm` (before the clip),
            `learning_rate`, and with a loss scale `loss_scale` and `skipped`, which is 1 for a step
            that was not taken because its gradients overflowed; its `gradient_norm` is 0. `GOOD`
            is 0 if a loss or gradient of this or an earlier step was NaN or infinite, except for
            skipped steps; then nothing has changed.
        """
        with self._compiled(batch["input_ids"].shape):
            good = tf.convert_to_tensor(good, tf.float32)
            return self.function(batch, _tensor(step), good)

    def take(self, batches, first, count, good=1.0):
        """Takes several steps in one call of the compiled function.

        Args:
            batches: iterator of a `tf.data.Dataset` of batches.
            first: int, number of the first step.
            count: int >= 1, number of steps.
            good: as for a single step.

        Returns:
            The dict of one step, with each value summed over the good steps. The first that is not
            good ends the call.
        """
        with self._compiled():
            good = tf.convert_to_tensor(good, tf.float32)
            return self._several(batches, _tensor(first), _tensor(count), good)

    def _compiled(self, shape=()):
        """Context for a call; the first of a shape returns the compiler's memory to the system."""
        is_first = tuple(shape) not in self._compiled_shapes
        self._compiled_shapes.add(tuple(shape))
        if self.jit_compile and is_first:
            return process_memory.returned()
        return contextlib.nullcontext()

    def _take_several(self, batches, first, count, good):
        def one(index, good):
            losses = self.function(next(batches), first + index, good)
            return {
                name: tf.where(losses[GOOD] > 0.0, value, 0.0) for name, value in losses.items()
            }

        def body(index, sums):
            return index + 1, tf.nest.map_structure(tf.add, sums, one(index, tf.constant(1.0)))

        def goes_on(index, sums):
            return (index < count) & (sums[GOOD] >= tf.cast(index, tf.float32))

        return tf.while_loop(goes_on, body, (1, one(0, good)), parallel_iterations=1)[1]

    def _step(self, batch, step, good):
        self.traces += 1  # Python runs here only while TensorFlow traces
        with compiled_for_cpu(self.jit_compile and self._replicas == 1):
            losses = self._strategy.run(self._on_one_device, args=(batch, step, good))
        return {
            name: self._strategy.experimental_local_results(loss)[0]
            for name, loss in losses.items()
        }

    def _on_one_device(self, batch, step, good):
        batch, first_row = self._rows_of_this_device(batch)
        normalizers = self._sum(self.distiller.normalizers(batch))
        scale = self.loss_scale.value + 0.0 if self.loss_scale else 1.0
        gradients, losses = self._sum(
            self._gradients(batch, step, row=first_row, normalizers=normalizers, loss_scale=scale)
        )
        losses["learning_rate"] = tf.cast(self._optimizer.learning_rate, tf.float32)
        if self.loss_scale:
            gradients = [gradient / scale for gradient in gradients]
        # One clip, after the sum: the norm of the whole batch's gradient.
        losses["gradient_norm"] = norm = global_norm(gradients)
        # Tested on the norm: Metal has no kernel to test every gradient.
        finite = tf.math.is_finite(norm)
        going = (good >= 1.0) & tf.math.is_finite(losses["loss"])
        good = going & finite
        if self.loss_scale:
            may_skip = self.loss_scale.update(finite, going)
            losses["gradient_norm"] = tf.where(finite | ~may_skip, norm, 0.0)
            losses |= {"loss_scale": scale, "skipped": 1.0 - tf.cast(finite, tf.float32)}
            good = going & (finite | may_skip)
        losses[GOOD] = tf.cast(good, tf.float32)
        variables, on_metal = self.distiller.trained_variables, self.distiller.options.on_metal
        self._optimizer.apply(gradients, variables, going & finite, on_metal)
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


def _tensor(number):
    """An int as a tensor. As an array, because TensorFlow keeps each Python number it converts."""
    return tf.constant(np.asarray(number, np.int32))
