"""The training loop: a step depends on weights and step number alone, so a run can stop."""

import dataclasses
import math
import time
from collections.abc import Callable

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
        optimizer: built for `distiller.student.trainable_variables`.
        steps: all steps of the phase.
        dataset: called with (first step, end); returns a `tf.data.Dataset` of batches.
        state: a `StageState`.
        intervals: an `Intervals`.
        observers: an `Observers`.
        jit_compile: compile the step with XLA.
        loss_scale: a `LossScale`, or None where the precision needs none.
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
        loss_scale=None,
    ):
        self._distiller, self._optimizer, self._loss_scale = distiller, optimizer, loss_scale
        self._steps, self._dataset, self._state = steps, dataset, state
        self._intervals, self._observers = intervals, observers
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
        started = last_time = time.perf_counter()
        pending, tokens = [], 0
        for step, batch in zip(
            range(first, self._steps), self._dataset(first, self._steps), strict=True
        ):
            pending.append(self._step(batch, step))
            tokens += batch["input_ids"].shape.num_elements()
            done = step + 1
            checkpoint = done % self._intervals.checkpoint == 0
            validation = done % self._intervals.validation == 0
            if checkpoint or validation or done % self._intervals.log == 0 or done == self._steps:
                row = self._summarise(done, pending)
                row["tokens_per_second"] = tokens / (time.perf_counter() - last_time)
                self._validate(done, row)
                self._state.rows.append(row)
                self._observers.progress(done, row)
                pending, tokens, last_time = [], 0, time.perf_counter()
            if checkpoint and done < self._steps:
                seconds = before + time.perf_counter() - started
                self._state.save(done, variables, seconds)
        return before

    def _variables(self):
        """Everything a checkpoint holds, by name."""
        weights = {f"model/{v.path}": v for v in self._distiller.student.variables}
        # By number: paths repeat where two layers have one name, and begin with the optimizer's
        # name, which Keras counts on with each optimizer that a process makes.
        slots = {f"optimizer/{i}": v for i, v in enumerate(self._optimizer.variables)}
        scale = {v.name: v for v in self._loss_scale.variables} if self._loss_scale else {}
        return weights | slots | scale

    def _summarise(self, step, pending):
        """Means of the losses since the last logged point."""
        row = {"step": step}
        for name in pending[0]:
            row[name] = math.fsum(float(losses[name]) for losses in pending) / len(pending)
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
