"""The training loop: takes steps, logs, validates, stores checkpoints, and stops on request."""

import collections
import contextlib
import dataclasses
import math
import time
from collections.abc import Callable

from tfdistill.data.pipeline import taken_ahead
from tfdistill.system import clock
from tfdistill.system.errors import UserError
from tfdistill.system.stopping import Stopped, postponed
from tfdistill.training.bad_steps import bad_step_error, require_good_state
from tfdistill.training.calls import InTheGraph, OneByOne, Pace
from tfdistill.training.checkpoints import Unlogged
from tfdistill.training.spikes import spikes_among
from tfdistill.training.step import GOOD

# What the first call with batches of a shape does, by whether XLA compiles the step.
COMPILING, TRACING = "compiling the step, which can take minutes", "tracing the step"


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
        spiked: called with a spike of the loss (see `spikes_among`), a dict.
        rows_of: the rows of the training examples in the batch of a step: function of its number,
            from 0, to a list of int; None if unknown.
        keep_batch: called with the number of a step whose numbers are not finite; returns what to
            tell about its batch.
    """

    progress: Callable
    restored: Callable
    validate: Callable | None = None
    stepped: Callable = lambda done: None
    doing: Callable = lambda text: None
    spiked: Callable = lambda spike: None
    rows_of: Callable = lambda step: None
    keep_batch: Callable = lambda step: ""


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
    ):
        self._step, self._dataset, self._steps, self._state = step, dataset, steps, state
        self._intervals, self._observers = intervals, observers
        self._steps_per_execution, self._keep_end = steps_per_execution, keep_end
        self._calls = collections.deque()  # (first step, steps, losses), not known to be good

    def run(self):
        """Trains to the last step, or until `state.best` ends it; a stop stores a checkpoint first.

        Returns:
            Seconds of training before the last stop; 0 if there was none.

        Raises:
            UserError: a loss, a gradient or a weight is NaN or infinite. The step that finds it
                changes nothing, and a checkpoint has what was before it.
            Stopped: see `stopping`.
        """
        variables = self._step.variables()
        first, before = self._state.restore(variables)
        self._observers.restored(first, self._state.rows)
        require_good_state(variables, self._state.directory.name)
        with postponed() as stop:
            started = clock.now()
            if self._state.unlogged.steps and first == self._next_event(first - 1):
                self._log(first, self._state.unlogged.pace, stop)  # a stop kept it from that
            if first == self._steps:
                return before
            batches = self._batches(first)
            if first == 0 and self._intervals.validates_start:
                self._measure_start(stop)
            done, pace = first, Pace()
            best = self._state.best
            while done < self._steps and not (best and best.ended):
                due = self._next_event(done)
                try:
                    done = self._train(batches, done, due, pace, stop)
                except _BadStep as bad:
                    if bad.number > first:
                        seconds = before + clock.now() - started
                        self._state.save(bad.number, variables, seconds)
                    raise self._error_of(bad.number) from None
                if done == due:
                    with contextlib.suppress(Stopped):  # during the validation
                        self._log(done, pace.tokens_per_second(), stop)
                stopping = stop.signum is not None
                if self._needs_checkpoint(done) or (stopping and done > first):
                    require_good_state(variables, self._state.directory.name)
                    seconds = before + clock.now() - started
                    self._state.save(done, variables, seconds)
                    stop.unsaved = False
                # After the last step the caller stores a model.
                if stopping and (done < self._steps or self._state.unlogged.steps):
                    stop.check()
                pace.restart()
        return before

    def _batches(self, first):
        """The batches from step `first` on: `OneByOne`, or `InTheGraph` for several in a call."""
        dataset = self._dataset(first, self._steps)
        shape = dataset.element_spec["input_ids"].shape
        if self._steps_per_execution == 1:
            return OneByOne(self._step, taken_ahead(iter(dataset)))
        if not shape.is_fully_defined():
            raise UserError(
                f"`steps_per_execution`={self._steps_per_execution} needs batches of one length, "
                "and these have several: leave `steps_per_execution` at 1"
            )
        return InTheGraph(self._step, iter(dataset), shape.num_elements())

    def _train(self, batches, done, due, pace, stop):
        """Takes steps up to `due` or up to a stop; returns the steps done."""
        while done < due and stop.signum is None:
            count = min(self._steps_per_execution, due - done)
            compiles = batches.next_compiles()
            if compiles:  # a stop may interrupt the compiler: no step is lost
                self._observers.doing(COMPILING if self._step.jit_compile else TRACING)
            else:
                stop.unsaved = True
            began = clock.now()
            losses, tokens = batches.take(done, count)
            pace.took(clock.now() - began, tokens, compiles)
            stop.unsaved = True
            self._calls.append((done, count, losses))
            self._confirm(1)  # a GPU computes this call while the one before is looked at
            done += count
            self._observers.stepped(done)
        self._confirm(0)
        return done

    def _confirm(self, waiting):
        """Looks whether the steps of all calls but the last `waiting` were good; keeps the losses.

        Raises:
            _BadStep: one was not.
        """
        while len(self._calls) > waiting:
            first, count, losses = self._calls.popleft()
            good = int(losses[GOOD])
            if count == 1 and not good:  # the sums of several leave bad steps out
                raise _BadStep(first)
            if good:
                losses = {name: value for name, value in losses.items() if name != GOOD}
                self._state.unlogged.add(losses, good)
            if good < count:
                raise _BadStep(first + good)

    def _error_of(self, number):
        """The `UserError` about a bad step."""
        batch = next(iter(self._dataset(number, number + 1)))
        rows, told = self._observers.rows_of(number), self._observers.keep_batch(number)
        self._observers.doing("looking for the first number that is not finite")
        return bad_step_error(self._step, batch, number, rows, self._state.directory.name, told)

    def _log(self, done, tokens_per_second, stop):
        """Logs the means since the last logged point, and the validation loss if it is due.

        A stop ends the validation; then nothing is logged, and the checkpoint holds all for later.
        """
        unlogged = self._state.unlogged
        row = self._summarise(done, unlogged.losses, unlogged.steps)
        row["tokens_per_second"] = unlogged.pace = tokens_per_second
        with stop.giving_way():
            self._validate(done, row)
        self._watch(done)
        self._state.unlogged = Unlogged()
        self._add(row)

    def _watch(self, done):
        """Tells of steps since the last logged point whose loss is unusually high."""
        for spike in spikes_among(self._state.unlogged, done, self._state.recent):
            rows = [self._observers.rows_of(step - 1) for step in spike["steps"]]
            self._state.spikes.append({**spike, "rows": rows})
            self._observers.spiked(self._state.spikes[-1])

    def _measure_start(self, stop):
        """Measures the validation loss before the first step."""
        if self._observers.validate:
            self._observers.doing("validation before the first step")
            with stop.giving_way():
                row = {"step": 0, **self._observers.validate()}
            self._add(row)

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
        return row

    def _validate(self, step, row):
        due = step % self._intervals.validation == 0 or step == self._steps
        if self._observers.validate and due:
            self._observers.doing("validation")
            row |= self._observers.validate()
            if self._state.best:
                self._state.best.see(row)


class _BadStep(Exception):
    """A step was not good.

    Args:
        number: of the step, from 0, which is also the number of steps before it.
    """

    def __init__(self, number):
        super().__init__(number)
        self.number = number
