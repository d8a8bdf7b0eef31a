"""The training loop: a step depends on weights and step number alone, so a run can stop."""

import dataclasses
import math
import time
from collections.abc import Callable

from tfdistill.data.batches import taken_ahead
from tfdistill.system.errors import UserError
from tfdistill.system.stopping import postponed
from tfdistill.training.checkpoints import Unlogged
from tfdistill.training.step import TrainStep


@dataclasses.dataclass(frozen=True)
class Intervals:
    """Steps between two events of a loop.

    Args:
        log: between two logged points.
        checkpoint: between two checkpoints, apart from that of a stop.
        validation: between two validation losses.
        validates_start: whether there is one before the first step, too.
    """

    log: int
    checkpoint: int
    validation: int
    validates_start: bool = True


@dataclasses.dataclass(frozen=True)
class Observers:
    """What a loop tells the outside.

    Args:
        progress: called with (step, row) at every logged point.
        restored: called once with (steps done, the rows that were logged) before this start.
        validate: returns the validation loss of the model in training; None for no curve.
        stepped: called with the steps done after every call of TensorFlow's.
        doing: called with what is being done where no step is taken.
    """

    progress: Callable
    restored: Callable
    validate: Callable | None = None
    stepped: Callable = lambda done: None
    doing: Callable = lambda text: None


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
        """Trains until the last step, or until it is stopped, which stores a checkpoint first.

        Returns:
            Seconds of training before the last stop; 0 when there was none.

        Raises:
            UserError: the loss is no number any more.
            Stopped: see `stopping`.
        """
        variables = self._variables()
        first, before = self._state.restore(variables)
        self._observers.restored(first, self._state.rows)
        if first == self._steps:
            return before
        with postponed() as stop:
            started = time.perf_counter()
            if first == 0 and self._intervals.validates_start:
                self._measure_start()
            batches, tokens = self._batches(first)
            done, clock = first, _Clock()
            while done < self._steps:
                due = self._next_event(done)
                done = self._train(batches, done, due, clock, stop)
                if done == due:
                    self._log(done, tokens * clock.steps_per_second())
                asked = stop.signum is not None
                if self._is_kept(done) or (asked and done > first):
                    if self._state.unlogged.steps:
                        self._mean_of_unlogged(done)  # nothing is stored that is no number
                    seconds = before + time.perf_counter() - started
                    self._state.save(done, variables, seconds)
                    stop.unsaved = False
                if asked and done < self._steps:  # else whoever called has a model to store
                    stop.check()
                clock.restart()
        return before

    def _batches(self, first):
        """(iterator of the batches from step `first` on, tokens in one)."""
        dataset = self._dataset(first, self._steps)
        batches = iter(dataset)
        if self._steps_per_execution == 1:  # else the iterator goes into TensorFlow's call
            batches = taken_ahead(batches)
        return batches, dataset.element_spec["input_ids"].shape.num_elements()

    def _train(self, batches, done, due, clock, stop):
        """Takes steps up to `due`, or to where a stop is asked for; returns the steps done."""
        while done < due and stop.signum is None:
            count = min(self._steps_per_execution, due - done)
            if clock.compiles:  # in which minutes may go by, and nothing is lost
                self._observers.doing("compiling the step, which can take minutes")
            else:
                stop.unsaved = True
            if self._steps_per_execution == 1:
                losses = self._step(next(batches), done)
            else:
                losses = self._step.take(batches, done, count)
            stop.unsaved = True
            self._state.unlogged.add(losses, count)
            done += count
            clock.stepped(count)
            self._observers.stepped(done)
        return done

    def _log(self, done, tokens_per_second):
        """Logs the means since the last point and, where it is due, the validation loss."""
        row = self._mean_of_unlogged(done)
        self._state.unlogged = Unlogged()
        row["tokens_per_second"] = tokens_per_second
        self._validate(done, row)
        self._add(row)

    def _mean_of_unlogged(self, done):
        return self._summarise(done, self._state.unlogged.losses, self._state.unlogged.steps)

    def _measure_start(self):
        """The validation loss before the first step."""
        if self._observers.validate:
            self._observers.doing("validation before the first step")
            self._add({"step": 0, "validation_loss": self._observers.validate()})

    def _add(self, row):
        row["wall_time"] = time.time()
        self._state.rows.append(row)
        self._observers.progress(row["step"], row)

    def _next_event(self, done):
        """The first step after `done` at which something is logged, measured or kept."""
        each = self._intervals
        intervals = each.log, each.checkpoint, each.validation
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
            self._observers.doing("validation")
            row["validation_loss"] = self._observers.validate()


class _Clock:
    """The pace since the last logged point, without the first call, which compiles.

    Attributes:
        compiles: whether the next call does.
    """

    def __init__(self):
        self.compiles = True
        self.restart()

    def restart(self):
        """Begins anew: a point was logged."""
        self._began, self._steps = time.perf_counter(), 0
        self._compiled = None  # (time, steps) of the call that compiled

    def stepped(self, count):
        """Counts the steps of a call that has just ended."""
        self._steps += count
        if self.compiles:
            self.compiles, self._compiled = False, (time.perf_counter(), count)

    def steps_per_second(self):
        """Since the last logged point."""
        began, steps = self._began, self._steps
        if self._compiled and steps > self._compiled[1]:
            began, steps = self._compiled[0], steps - self._compiled[1]
        return steps / (time.perf_counter() - began)
