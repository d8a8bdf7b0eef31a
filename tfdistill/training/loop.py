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

    def run(self):
        """Trains to the last step, or until `state.best` ends it; a stop stores a checkpoint first.

        Returns:
            Seconds of training before the last stop; 0 if there was none.

        Raises:
            UserError: the loss or the gradient became NaN or infinite.
            Stopped: see `stopping`.
        """
        variables = self._step.variables()
        first, before = self._state.restore(variables)
        self._observers.restored(first, self._state.rows)
        if first == self._steps:
            return before
        with postponed() as stop:
            started = time.perf_counter()
            batches = self._batches(first)
            if first == 0 and self._intervals.validates_start:
                self._measure_start()
            done, clock = first, _Clock()
            best = self._state.best
            while done < self._steps and not (best and best.ended):
                due = self._next_event(done)
                done = self._train(batches, done, due, clock, stop)
                if done == due:
                    self._log(done, clock.tokens_per_second())
                stopping = stop.signum is not None
                if self._needs_checkpoint(done) or (stopping and done > first):
                    if self._state.unlogged.steps:
                        self._mean_of_unlogged(done)  # raises rather than store NaN
                    seconds = before + time.perf_counter() - started
                    self._state.save(done, variables, seconds)
                    stop.unsaved = False
                if stopping and done < self._steps:  # after the last step the caller stores a model
                    stop.check()
                clock.restart()
        return before

    def _batches(self, first):
        """The batches from step `first` on: `_OneByOne`, or `_InTheGraph` for several in a call."""
        dataset = self._dataset(first, self._steps)
        shape = dataset.element_spec["input_ids"].shape
        if self._steps_per_execution == 1:
            return _OneByOne(self._step, taken_ahead(iter(dataset)))
        if not shape.is_fully_defined():
            raise UserError(
                f"`steps_per_execution`={self._steps_per_execution} needs batches of one length, "
                "and these have several: leave `steps_per_execution` at 1"
            )
        return _InTheGraph(self._step, iter(dataset), shape.num_elements())

    def _train(self, batches, done, due, clock, stop):
        """Takes steps up to `due` or up to a stop; returns the steps done."""
        while done < due and stop.signum is None:
            count = min(self._steps_per_execution, due - done)
            compiles = batches.next_compiles()
            if compiles:  # a stop may interrupt the compiler: no step is lost
                self._observers.doing("compiling the step, which can take minutes")
            else:
                stop.unsaved = True
            began = time.perf_counter()
            losses, tokens = batches.take(done, count)
            clock.took(time.perf_counter() - began, tokens, compiles)
            stop.unsaved = True
            self._state.unlogged.add(losses, count)
            done += count
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
            if self._state.best:
                self._state.best.see(row)


class _OneByOne:
    """Batches for single steps, each taken while the step before is computed.

    Args:
        step: a `TrainStep`.
        batches: iterator of batches.
    """

    def __init__(self, step, batches):
        self._step, self._batches, self._compiled = step, batches, set()
        self._batch = None  # the next one, once it was looked at

    def next_compiles(self):
        """Whether the next call compiles: it is the first with batches of its shape."""
        self._batch = next(self._batches)
        return self._shape() not in self._compiled

    def take(self, done, count):
        """Takes the step after `done` steps: (its losses, tokens in the batch)."""
        losses = self._step(self._batch, done)
        self._compiled.add(self._shape())
        return losses, self._batch["input_ids"].shape.num_elements()

    def _shape(self):
        return tuple(self._batch["input_ids"].shape)


class _InTheGraph:
    """Batches of one shape, which the compiled step reads from the iterator for several steps.

    Args:
        step: a `TrainStep`.
        batches: iterator of a dataset.
        tokens: tokens in a batch.
    """

    def __init__(self, step, batches, tokens):
        self._step, self._batches, self._tokens = step, batches, tokens
        self._first = True

    def next_compiles(self):
        """Whether the next call compiles."""
        return self._first

    def take(self, done, count):
        """Takes `count` steps after `done` steps: (sums of their losses, tokens)."""
        self._first = False
        return self._step.take(self._batches, done, count), count * self._tokens


class _Clock:
    """Measures tokens per second since the last logged point, without the calls that compile."""

    def __init__(self):
        self.restart()

    def restart(self):
        """Starts a new measurement."""
        self._began, self._tokens = time.perf_counter(), 0
        self._compiling, self._tokens_of_compiling = 0.0, 0

    def took(self, seconds, tokens, compiles):
        """Counts a call that has just ended."""
        self._tokens += tokens
        if compiles:
            self._compiling += seconds
            self._tokens_of_compiling += tokens

    def tokens_per_second(self):
        """Tokens per second since the last `restart`."""
        seconds, tokens = time.perf_counter() - self._began, self._tokens
        if tokens > self._tokens_of_compiling:
            seconds, tokens = seconds - self._compiling, tokens - self._tokens_of_compiling
        return tokens / seconds
