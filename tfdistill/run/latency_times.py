"""Times of files: those of a latency table, in passes that a stop does not lose, and of one."""

import json
import statistics
from collections.abc import Callable, Iterator

from tfdistill.deployment.latency import random_row, times_in_turn
from tfdistill.deployment.lite_model import LiteModel
from tfdistill.system import strict_json
from tfdistill.system.files import write_atomically

PASSES = 10  # all files are timed so often, as the speed of a machine changes within minutes
GROUP = 8  # shapes whose files are loaded together, and take turns


class TimedPasses:
    """Passes over all shapes, a group of them at a time; what is timed is stored.

    Args:
        file: `Path` of the stored times; those made for something else are dropped.
        names: list of the names of shapes.
        threads: list of numbers of threads.
        made_for: dict for JSON of what else decides the times.

    Attributes:
        steps, done: groups in all passes, and those that are timed.

    Raises:
        UserError: the file is damaged.
    """

    def __init__(self, file, names, threads, made_for):
        count = -(-len(names) // GROUP)
        groups = [names[number::count] for number in range(count)]
        self._parts = [(group, each) for group in groups for each in threads] * PASSES
        self._identity = {"shapes": names, "threads": threads, **made_for}
        self._file = file
        self._stored = self._read()
        self.steps, self.done = len(self._parts), len(self._stored)

    def _read(self):
        if not self._file.is_file():
            return []
        kinds, cure = {"identity": dict, "parts": list}, "delete it, and all is timed again"
        stored = strict_json.read_object(self._file, kinds, cure)
        same = stored["identity"] == json.loads(json.dumps(self._identity))
        return stored["parts"] if same else []

    def measure(self, time_group: Callable) -> Iterator[int]:
        """Times what is missing; yields the number of groups that are done.

        Args:
            time_group: see `timer_of`.
        """
        for group, threads in self._parts[self.done :]:
            self._stored.append(time_group(group, threads))
            content = {"identity": self._identity, "parts": self._stored}
            write_atomically(self._file, strict_json.dumps(content))
            yield len(self._stored)

    def found(self):
        """dict of (name, variant, length, threads) to the list of (thread ms, ms by the clock)."""
        found = {}
        for name, variant, length, threads, thread, wall in sum(self._stored, []):
            found.setdefault((name, variant, length, threads), []).append((thread, wall))
        return found


def timer_of(files, lengths, rounds):
    """A function that times a group of shapes.

    Args:
        files: dict of (shape's name, variant) to `Path`s.
        lengths: tuple of the lengths of rows.
        rounds: runs of each file in all passes.

    Returns:
        A function of (names of shapes, threads) to a list of [name, variant, length, threads,
        thread CPU ms, ms by the clock].
    """
    rounds_of_pass = -(-rounds // PASSES)

    def time_group(group, threads):
        keys = [key for key in files if key[0] in group]
        models = {key: LiteModel(files[key], threads) for key in keys}
        found = []
        for length in lengths:
            rows = {key: random_row(model, length) for key, model in models.items()}
            runs = {key: _run(models[key], rows[key], length) for key in keys}
            for (name, variant), times in times_in_turn(runs, rounds_of_pass, twice=True).items():
                # Other programs can only add to the CPU time: they take the caches.
                took = 1000 * min(times.thread), 1000 * statistics.median(times.wall)
                found.append([name, variant, length, threads, *took])
        return found

    return time_group


def time_like_a_table(file, length, threads, rounds):
    """CPU time of the calling thread in one file: the same statistic as in latency tables.

    Args:
        file: `Path` of a .tflite file.
        length: of the row.
        threads: of the file.
        rounds: runs in all passes, as many as those of the table: the shortest of more is shorter.

    Returns:
        Milliseconds, the median of passes, of each of which the shortest run counts.
    """
    time_group = timer_of({("", ""): file}, (length,), rounds)
    passes = [time_group([""], threads) for _ in range(PASSES)]
    return statistics.median(thread for ((*_, thread, _),) in passes)


def _run(model, row, length):
    return lambda number: model.run(row, length)
