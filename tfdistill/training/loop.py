"""The training loop: takes steps, logs, validates, stores checkpoints, and stops on request."""

import dataclasses
import math
import time
from collections.abc import Callable

from tfdistill.data.pipeline import taken_ahead
from tfdistill.system.errors import UserError
from tfdistill.system.stopping import postponed
from tfdistill.training.checkpoints import Unlogged


@dataclasses.dataclass(frozen=True)
class Intervals:
    """Numbers of steps between two events of a loop.

    Args:
        log: steps between two logged points.
        checkpoint: steps between two checkpoints; a stop stores one more.
        validation: steps between two validation losses.
        validates_start: whether the validation loss is measured before the first step, too.
    """

    log: int
    checkpoint: int
    validation: int
    validates_start: bool = True


@dataclasses.dataclass(frozen=True)
class Observers:
    """Functions that a loop calls.

    Args:
        progress: called with (step, row) at every logged point.
        restored: called once, before the first step, with (steps done, rows logged) of the last
            checkpoint.
        validate: returns a dict for the curve, `validation_loss` and perhaps metrics, of the model
            in training; None for no validation.
        stepped: called with the steps done, after every call of the compiled step.
        doing: called with a text while something other than a step takes time.
    """

    progress: Callable
    restored: Callable
    validate: Callable | None = None
    stepped: Callable = lambda done: None
    doing: Callable = lambda text: None


class TrainingLoop:
    """Trains one phase, from its last checkpoint if there is one.

    A step depends on the weights and its number alone, so a stopped and resumed training gives the
    same weights as one that was never stopped.

    Args:
        step: a `TrainStep`.
        dataset: function of (first step, end) that returns a `tf.data.Dataset` of batches.
        steps: steps of the phase.
        state: a `StageState`, which stores the checkpoints.
        intervals: `Intervals`.
        observers: `Observers`.
        steps_per_execution: the most steps in one call of the compiled step.
        keep_end: also store a checkpoint after the last step, for a phase that continues from it.
        best: `BestWeights`, which may end the training early; None for a training that ends with
            its last step.
    """

    def __init__(
        self,
        step,
        dataset,
        *,
        steps,
        state,
        intervals,
        observers,
        steps_per_execution=1,
        keep_end=False,
        best=None,
    ):
        self._step, self._dataset, self._steps, self._state = step, dataset, steps, state
        self._intervals, self._observers = intervals, observers
        self._steps_per_execution, self._keep_end = steps_per_execution, keep_end
        self._best = best

    def run(self):
        """Trains to the last step, or until `best` ends it; a stop stores a checkpoint first.

        Returns:
            Seconds of training before the last stop; 0 if there was none.

        Raises:
            UserError: the loss or the gradient became NaN or infinite.
            Stopped: see `stopping`.
        """
        variables = self._step.variables()
        first, before = self._state.restore(variables)
        self._observers.restored(first, self._state.rows)
        if self._best:
            self._best.restore(self._state.rows)
        if first == self._steps:
            return before
        with postponed() as stop:
            started = time.perf_counter()
            if first == 0 and self._intervals.validates_start:
                self._measure_start()
            batches, tokens = self._batches(first)
            done, clock = first, _Clock()
            while done < self._steps and not (self._best and self._best.ended):
                due = self._next_event(done)
                done = self._train(batches, done, due, clock, stop)
                if done == due:
                    self._log(done, tokens * clock.steps_per_second())
                stopping = stop.signum is not None
                if self._needs_checkpoint(done) or (stopping and done > first):
                    if self._state.unlogged.steps:
                        self._mean_of_unlogged(done)  # raises rather than store NaN
                    seconds = before + time.perf_counter() - started
                    self._state.save(done, variables, seconds)
                    if self._best:
                        self._best.tidy()
                    stop.unsaved = False
                if stopping and done < self._steps:  # after the last step the caller stores a model
                    stop.check()
                clock.restart()
        return before

    def _batches(self, first):
        """(iterator of the batches from step `first` on, tokens in one)."""
        dataset = self._dataset(first, self._steps)
        batches = iter(dataset)
        if self._steps_per_execution == 1:  # otherwise the compiled step reads the iterator
            batches = taken_ahead(batches)
        return batches, dataset.element_spec["input_ids"].shape.num_elements()

    def _train(self, batches, done, due, clock, stop):
        """Takes steps up to `due` or up to a stop; returns the steps done."""
        while done < due and stop.signum is None:
            count = min(self._steps_per_execution, due - done)
            if clock.compiles:  # a stop may interrupt the compiler: no step is lost
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
        """Logs the means since the last logged point, and the validation loss if it is due."""
        row = self._mean_of_unlogged(done)
        self._state.unlogged = Unlogged()
        row["tokens_per_second"] = tokens_per_second
        self._validate(done, row)
        self._add(row)

    def _mean_of_unlogged(self, done):
        return self._summarise(done, self._state.unlogged.losses, self._state.unlogged.steps)

    def _measure_start(self):
        """Measures the validation loss before the first step."""
        if self._observers.validate:
            self._observers.doing("validation before the first step")
            self._add({"step": 0, **self._observers.validate()})

    def _add(self, row):
        row["wall_time"] = time.time()
        self._state.rows.append(row)
        self._observers.progress(row["step"], row)

    def _next_event(self, done):
        """The first step after `done` with a logged point, a validation or a checkpoint."""
        each = self._intervals
        intervals = each.log, each.checkpoint, each.validation
        return min(self._steps, *(done - done % interval + interval for interval in intervals))

    def _needs_checkpoint(self, step):
        if step == self._steps:
            return self._keep_end
        return step % self._intervals.checkpoint == 0

    def _summarise(self, step, pending, steps):
        """Means of the losses since the last logged point, from their sums."""
        row = {"step": step}
        for name in pending[0]:
            row[name] = math.fsum(float(losses[name]) for losses in pending) / steps
        if row.get("skipped", 0.0) < 1.0:  # skipped steps count with a norm of 0
            row["gradient_norm"] /= 1.0 - row.get("skipped", 0.0)
        wrong = [name for name in ("loss", "gradient_norm") if not math.isfinite(row[name])]
        if wrong:
            raise UserError(
                f"{wrong[0]} is {row[wrong[0]]} at step {step}: lower `learning_rate` (or "
                "`teacher_learning_rate`), or raise `warmup_prop`"
            )
        return row

    def _validate(self, step, row):
        due = step % self._intervals.validation == 0 or step == self._steps
        if self._observers.validate and due:
            self._observers.doing("validation")
            row |= self._observers.validate()
            if self._best:
                self._best.see(row)


class _Clock:
    """Measures steps per second since the last logged point, without the call that compiles.

    Attributes:
        compiles: whether the next call compiles.
    """

    def __init__(self):
        self.compiles = True
        self.restart()

    def restart(self):
        """Starts a new measurement."""
        self._began, self._steps = time.perf_counter(), 0
        self._compiled = None  # (time, steps) of the call that compiled

    def stepped(self, count):
        """Counts the steps of the call that has just ended."""
        self._steps += count
        if self.compiles:
            self.compiles, self._compiled = False, (time.perf_counter(), count)

    def steps_per_second(self):
        """Steps per second since the last `restart`."""
        began, steps = self._began, self._steps
        if self._compiled and steps > self._compiled[1]:
            began, steps = self._compiled[0], steps - self._compiled[1]
        return steps / (time.perf_counter() - began)
