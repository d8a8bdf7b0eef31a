"""Latency of exported files, which run in turn."""

import dataclasses
import time

import numpy as np

from tfdistill.deployment.lite_model import TOKEN_TYPES, LiteModel
from tfdistill.deployment.signatures import TOKEN_INPUTS

WARM_UP_RUNS = 5
LOWEST_IDS = 100  # every vocabulary has these ids; which ids are read takes no time


@dataclasses.dataclass
class Times:
    """Seconds of the runs of a function.

    Attributes:
        wall: by the clock.
        cpu: CPU time of all threads of the process.
        thread: CPU time of the calling thread. With several threads it computes a part itself and
            waits for the others: what the clock says, without the time in which it did not run.
    """

    wall: list = dataclasses.field(default_factory=list)
    cpu: list = dataclasses.field(default_factory=list)
    thread: list = dataclasses.field(default_factory=list)

    def milliseconds(self):
        """dict of `median_ms`, `p5_ms` and `p95_ms` of the clock; medians `cpu_ms`, `thread_ms`."""
        low, middle, high = np.percentile(self.wall, [5, 50, 95]) * 1000
        cpu, thread = 1000 * np.median(self.cpu), 1000 * np.median(self.thread)
        found = {"median_ms": middle, "p5_ms": low, "p95_ms": high}
        found |= {"cpu_ms": cpu, "thread_ms": thread}
        return {name: float(value) for name, value in found.items()}


def times_in_turn(runs, rounds, twice=False):
    """Times functions, one call of each after the other, round after round.

    Taking turns spreads the machine's other work over all, and the median ignores its spikes.

    Args:
        runs: dict of names to functions of the number of the round.
        rounds: timed calls of each function; a few calls before are not timed.
        twice: whether a call that is not timed goes before each that is. With many files in turn,
            it brings the weights of one back into the processor's caches, as if it ran alone.

    Returns:
        dict of the names to their `Times`.
    """
    times = {name: Times() for name in runs}
    for number in range(-WARM_UP_RUNS, rounds):
        for name, run in runs.items():
            if twice:
                run(number)
            started, cpu_started = time.perf_counter(), time.process_time()
            thread_started = time.thread_time()
            run(number)
            if number >= 0:
                times[name].thread.append(time.thread_time() - thread_started)
                times[name].cpu.append(time.process_time() - cpu_started)
                times[name].wall.append(time.perf_counter() - started)
    return times


def measure_latency(paths, rows=(), runs=100, threads=1, open_file=LiteModel, own_lengths=False):
    """Times the files in LiteRT in turn. A run goes from token ids to the logits of one prediction.

    Args:
        paths: dict of names to .tflite files.
        rows: list of inputs for `LiteModel.logits`, with rows of the files' length, which are run
            in turn, with their padding; when empty, a row of random tokens without padding. Their
            ids are replaced by small ones and their token types by 0, because a teacher's file may
            have fewer of them.
        runs: timed runs of each file.
        threads: CPU threads of each file.
        open_file: function of a path and threads to a `LiteModel`.
        own_lengths: whether a row runs in the shortest length of the file that holds its tokens;
            else in the longest.

    Returns:
        dict of the names to their median milliseconds.

    Raises:
        UserError: a file cannot be run.
    """
    known = [{name: row[name] for name in row if name != TOKEN_TYPES} for row in rows]
    known = [row | {"input_ids": np.asarray(row["input_ids"]) % LOWEST_IDS} for row in known]

    def run_of(path):
        model = open_file(path, threads)
        own = known or [random_row(model, model.length)]
        length = None if own_lengths else model.length  # None: the shortest
        return lambda number: model.logits(own[number % len(own)], length)

    times = times_in_turn({name: run_of(path) for name, path in paths.items()}, runs)
    return {name: found.milliseconds()["median_ms"] for name, found in times.items()}


def random_row(model, tokens):
    """A text of random tokens.

    Args:
        model: a `LiteModel`.
        tokens: in the text; the rest, up to the model's longest row, is padding.

    Returns:
        dict of inputs of `LiteModel.run`.
    """
    mask = (np.arange(model.length) < tokens).astype(np.int32)
    ids = np.random.default_rng(0).integers(0, LOWEST_IDS, model.length) * mask
    further = {name: [tokens // 2] for name in model.input_names - TOKEN_INPUTS}
    return further | {"input_ids": ids, "attention_mask": mask}
