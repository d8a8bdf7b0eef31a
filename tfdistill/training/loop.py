"""The training loop: a step depends on weights and step number alone, so a run can stop."""

import dataclasses
import math
import time
from collections.abc import Callable

from tfdistill.data.batches import taken_ahead
from tfdistill.errors import UserError
from tfdistill.training.step import TrainStep


@dataclasses.dataclass(frozen=True)
class Intervals:
    """Steps between two events of a loop."""

    log: int
    checkpoint: int
    validation: int


@dataclasses.dataclass(frozen=True)
class Observers:
    """What a loop tells the outside.

    Args:
        progress: called with (step, row) at every logged point.
        restored: called once with the rows that were logged before this start.
        validate: returns the validation loss of the model in training; None for no curve.
    """

    progress: Callable
    restored: Callable
    validate: Callable | None = None


class TrainingLoop:
    """Trains one phase from its last checkpoint.

    Args:
        distiller: a `Distiller`.
        optimizer: built for `distiller.trained_variables`.
        steps: all steps of the phase.
        dataset: called with (first step, end); returns a `tf.data.Dataset` of batches.
        state: a `StageState`.
        intervals: an `Intervals`.
        observers: an `Observers`.
        jit_compile: compile the step with XLA.
        steps_per_execution: the most steps that are taken in one call of TensorFlow's.
        loss_scale: a `LossScale`, or None where the precision needs none.
        keep_end: keep a checkpoint of the end too, for what goes on from there.
    """

    def __init__(
        self,
        distiller,
        optimizer,
        *,
        steps,
        dataset,
        state,
        intervals,
        observers,
        jit_compile,
        steps_per_execution=1,
        loss_scale=None,
        keep_end=False,
    ):
        self._distiller, self._optimizer, self._loss_scale = distiller, optimizer, loss_scale
        self._steps, self._dataset, self._state = steps, dataset, state
        self._intervals, self._observers = intervals, observers
        self._steps_per_execution, self._keep_end = steps_per_execution, keep_end
        self._step = TrainStep(distiller, optimizer, jit_compile, loss_scale)

    def run(self):
        """Trains until the last step.

        Returns:
            Seconds of training before the last stop; 0 when there was none.

        Raises:
            UserError: the loss is no number any more.
        """
        variables = self._variables()
        first, before = self._state.restore(variables)
        self._observers.restored(self._state.rows)
        if first == self._steps:
            return before
        started = last_time = time.perf_counter()
        dataset = self._dataset(first, self._steps)
        tokens = dataset.element_spec["input_ids"].shape.num_elements()
        batches = iter(dataset)
        if self._steps_per_execution == 1:  # else the iterator goes into TensorFlow's call
            batches = taken_ahead(batches)
        done = first
        while done < self._steps:
            since, done = done, self._next_event(done)
            row = self._summarise(done, self._train(batches, since, done), done - since)
            row["tokens_per_second"] = tokens * (done - since) / (time.perf_counter() - last_time)
            self._validate(done, row)
            self._state.rows.append(row)
            self._observers.progress(done, row)
            if self._is_kept(done):
                seconds = before + time.perf_counter() - started
                self._state.save(done, variables, seconds)
            last_time = time.perf_counter()
        return before

    def _train(self, batches, first, end):
        """Takes the steps from `first` to the one before `end`; returns sums of their losses."""
        size = self._steps_per_execution
        if size == 1:
            return [self._step(next(batches), step) for step in range(first, end)]
        starts = range(first, end, size)
        return [self._step.take(batches, step, min(size, end - step)) for step in starts]

    def _next_event(self, done):
        """The first step after `done` at which something is logged, measured or kept."""
        intervals = dataclasses.astuple(self._intervals)
        return min(self._steps, *(done - done % interval + interval for interval in intervals))

    def _is_kept(self, step):
        if step == self._steps:
            return self._keep_end
        return step % self._intervals.checkpoint == 0

    def _variables(self):
        """Everything a checkpoint holds, by name."""
        weights = {f"model/{v.path}": v for v in self._distiller.state_variables}
        # By number: paths repeat where two layers have one name, and begin with the optimizer's
        # name, which Keras counts on with each optimizer that a process makes.
        slots = {f"optimizer/{i}": v for i, v in enumerate(self._optimizer.variables)}
        scale = {v.name: v for v in self._loss_scale.variables} if self._loss_scale else {}
        return weights | slots | scale

    def _summarise(self, step, pending, steps):
        """Means of the losses since the last logged point, from their sums."""
        row = {"step": step}
        for name in pending[0]:
            row[name] = math.fsum(float(losses[name]) for losses in pending) / steps
        if row.get("skipped", 0.0) < 1.0:  # of the steps that were taken
            row["gradient_norm"] /= 1.0 - row.get("skipped", 0.0)
        wrong = [name for name in ("loss", "gradient_norm") if not math.isfinite(row[name])]
        if wrong:
            raise UserError(
                f"{wrong[0]} is {row[wrong[0]]} at step {step}: lower --learning_rate (or "
                "--teacher_learning_rate), or lengthen --warmup_prop"
            )
        return row

    def _validate(self, step, row):
        due = step % self._intervals.validation == 0 or step == self._steps
        if self._observers.validate and due:
            row["validation_loss"] = self._observers.validate()
