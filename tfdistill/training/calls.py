"""Calls of the compiled step, one step or several at a time, and their pace."""

from tfdistill.system import clock
from tfdistill.training.step import GOOD


class OneByOne:
    """Batches for single steps, each taken while the step before is computed.

    Args:
        step: a `TrainStep`.
        batches: iterator of batches.
    """

    def __init__(self, step, batches):
        self._step, self._batches, self._compiled = step, batches, set()
        self._batch = None  # the next one, once it was looked at
        self._good = 1.0

    def next_compiles(self):
        """Whether the next call compiles: it is the first with batches of its shape."""
        self._batch = next(self._batches)
        return self._shape() not in self._compiled

    def take(self, done, count):
        """Takes the step after `done` steps: (its losses, tokens in the batch)."""
        losses = self._step(self._batch, done, self._good)
        self._good = losses[GOOD]  # not read here: a GPU is still computing it
        self._compiled.add(self._shape())
        return losses, self._batch["input_ids"].shape.num_elements()

    def _shape(self):
        return tuple(self._batch["input_ids"].shape)


class InTheGraph:
    """Batches of one shape, which the compiled step reads from the iterator for several steps.

    Args:
        step: a `TrainStep`.
        batches: iterator of a dataset.
        tokens: tokens in a batch.
    """

    def __init__(self, step, batches, tokens):
        self._step, self._batches, self._tokens = step, batches, tokens
        self._first, self._good = True, 1.0

    def next_compiles(self):
        """Whether the next call compiles."""
        return self._first

    def take(self, done, count):
        """Takes `count` steps after `done` steps: (sums of their losses, tokens)."""
        self._first = False
        sums = self._step.take(self._batches, done, count, self._good)
        self._good = sums[GOOD] / count  # below 1 unless all were good
        return sums, count * self._tokens


class Pace:
    """Measures tokens per second since the last logged point, without the calls that compile."""

    def __init__(self):
        self.restart()

    def restart(self):
        """Starts a new measurement."""
        self._began, self._tokens = clock.now(), 0
        self._compiling, self._tokens_of_compiling = 0.0, 0

    def took(self, seconds, tokens, compiles):
        """Counts a call that has just ended."""
        self._tokens += tokens
        if compiles:
            self._compiling += seconds
            self._tokens_of_compiling += tokens

    def tokens_per_second(self):
        """Tokens per second since the last `restart`."""
        seconds, tokens = clock.now() - self._began, self._tokens
        if tokens > self._tokens_of_compiling:
            seconds, tokens = seconds - self._compiling, tokens - self._tokens_of_compiling
        return tokens / seconds
