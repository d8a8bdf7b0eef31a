"""Times TFLite files for texts of several lengths, on one thread and on more."""

import contextlib

from tfdistill.deployment.fully_connected import FullyConnected
from tfdistill.deployment.latency import random_row, times_in_turn
from tfdistill.deployment.lite_model import LiteModel
from tfdistill.deployment.load_cost import load_cost


def file_facts(paths, threads, weights=None):
    """Sizes of files, and what it takes to load them.

    Args:
        paths: dict of names to `Path`s of .tflite files.
        threads: list of numbers of CPU threads.
        weights: as for `LiteModel`.

    Returns:
        dict of names to dicts: `path`, `bytes`, `lengths`, and `loads`, dict of the numbers of
        threads to what `load_cost` returns.

    Raises:
        UserError: a file does not load.
    """
    found = {}
    for name, path in paths.items():
        model = LiteModel(path, weights=weights)
        model.prepare(model.length)  # packs the weights if they are not kept yet
        loads = {count: load_cost(path, count, weights) for count in threads}
        size = path.stat().st_size
        found[name] = {
            "path": str(path),
            "bytes": size,
            "lengths": list(model.lengths),
            "loads": loads,
        }
    return found


def file_times(paths, tokens, threads, rounds, weights=None):
    """Times files, which run in turn; on one thread also their fully connected operators alone.

    Args:
        paths: dict of names to `Path`s of .tflite files.
        tokens: list of lengths of texts.
        threads: list of numbers of CPU threads.
        rounds: timed runs of each file.
        weights: as for `LiteModel`.

    Yields:
        a list of dicts for each number of threads and length, one for each file that takes such a
        text: `file`, `threads`, `tokens`, `length` (the row's, with padding), `median_ms`, `p5_ms`,
        `p95_ms`, `cpu_ms`, `thread_ms` (see `Times`); and on one thread `multiply_adds`, `rate`
        (multiply-adds per second of the fully connected operators alone) and `share` (of the file's
        CPU time that they take at this rate).

    Raises:
        UserError: a file cannot be run.
    """
    for count in threads:
        models = {name: LiteModel(path, count, weights) for name, path in paths.items()}
        for number in tokens:
            fitting = {name: model for name, model in models.items() if number <= model.length}
            yield _times(fitting, number, count, rounds)


def _times(models, tokens, threads, rounds):
    runs, lengths, alone = {}, {}, {}
    for name, model in models.items():
        row = random_row(model, tokens)
        lengths[name] = model.length_for(row["attention_mask"])
        runs[name] = lambda number, model=model, row=row: model.run(row)
        if threads == 1:
            with contextlib.suppress(ValueError, RuntimeError):  # LiteRT runs them only together
                alone[name] = FullyConnected(model.path, lengths[name])
                runs[name, "alone"] = alone[name].run
    times = {name: found.milliseconds() for name, found in times_in_turn(runs, rounds).items()}
    found = []
    for name in models:
        facts = {"file": name, "threads": threads, "tokens": tokens, "length": lengths[name]}
        facts |= times[name]
        if name in alone:
            seconds = times[name, "alone"]["cpu_ms"] / 1000
            facts["multiply_adds"] = alone[name].multiply_adds
            facts["rate"] = alone[name].multiply_adds / seconds
            facts["share"] = 1000 * seconds / facts["cpu_ms"]
        found.append(facts)
    return found
