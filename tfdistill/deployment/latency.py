"""How long exported files take for one [MASK], measured in turn."""

import statistics
import time

import numpy as np

from tfdistill.deployment.tflite import LiteModel

WARM_UP_RUNS = 5


def measure_latency(paths, runs=50, threads=1, batch=None):
    """Times the files in LiteRT, one run of each after the other, round after round.

    Taking turns spreads what else the machine does over all of them; the median ignores its
    spikes. A run goes from token ids to the logits of one masked position.

    Args:
        paths: dict of names to .tflite files.
        runs: timed runs of each file.
        threads: CPU threads of each file.
        batch: an evaluation batch whose rows, of the files' length, are run in turn; without
            one, or where it masks nothing, a row of random tokens without padding.

    Returns:
        dict of the names to their median milliseconds.

    Raises:
        UserError: a file cannot be run.
    """
    models = {name: LiteModel(path, threads) for name, path in paths.items()}
    rows = {name: _rows(model, batch) for name, model in models.items()}
    times = {name: [] for name in models}
    for run in range(-WARM_UP_RUNS, runs):
        for name, model in models.items():
            row = rows[name][run % len(rows[name])]
            started = time.perf_counter()
            model.logits(*row)
            if run >= 0:
                times[name].append(time.perf_counter() - started)
    return {name: 1000 * statistics.median(seconds) for name, seconds in times.items()}


def _rows(model, batch):
    """List of (input_ids, attention_mask, masked position)."""
    rows = [] if batch is None else np.flatnonzero(batch["masked_weights"][:, 0] > 0)
    if len(rows):
        names = ("input_ids", "attention_mask")
        return [
            (*(batch[name][row] for name in names), batch["masked_positions"][row, 0])
            for row in rows
        ]
    ids = np.random.default_rng(0).integers(0, model.vocab_size, model.length)
    return [(ids, np.ones(model.length, np.int32), model.length // 2)]
