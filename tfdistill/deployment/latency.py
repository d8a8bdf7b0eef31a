"""Latency of exported files, which run in turn."""

import statistics
import time

import numpy as np

from tfdistill.deployment.lite_model import LiteModel

WARM_UP_RUNS = 5
LOWEST_IDS = 100  # every vocabulary has these ids; which ids are read takes no time
TOKEN_INPUTS = {"input_ids", "attention_mask", "token_type_ids"}


def measure_latency(paths, rows=(), runs=100, threads=1, open_file=LiteModel):
    """Times the files in LiteRT, one run of each after the other, round after round.

    Taking turns spreads the machine's other work over all files, and the median ignores its
    spikes. A run goes from token ids to the logits of one prediction.

    Args:
        paths: dict of names to .tflite files.
        rows: list of inputs for `LiteModel.logits`, with rows of the files' length, which are run
            in turn, with their padding; when empty, a row of random tokens without padding. Their
            ids are replaced by small ones, because a teacher's file may have a smaller vocabulary.
        runs: timed runs of each file.
        threads: CPU threads of each file.
        open_file: function of a path and threads to a `LiteModel`.

    Returns:
        dict of the names to their median milliseconds.

    Raises:
        UserError: a file cannot be run.
    """
    models = {name: open_file(path, threads) for name, path in paths.items()}
    known = [row | {"input_ids": np.asarray(row["input_ids"]) % LOWEST_IDS} for row in rows]
    rows = {name: known or [_random_row(model)] for name, model in models.items()}
    times = {name: [] for name in models}
    for run in range(-WARM_UP_RUNS, runs):
        for name, model in models.items():
            row = rows[name][run % len(rows[name])]
            started = time.perf_counter()
            model.logits(row, model.length)
            if run >= 0:
                times[name].append(time.perf_counter() - started)
    return {name: 1000 * statistics.median(seconds) for name, seconds in times.items()}


def _random_row(model):
    ids = np.random.default_rng(0).integers(0, LOWEST_IDS, model.length)
    row = {"input_ids": ids, "attention_mask": np.ones(model.length, np.int32)}
    return {name: [model.length // 2] for name in model.input_names - TOKEN_INPUTS} | row
