"""What it takes to load a TFLite file, in time and memory: measured in a process of its own."""

import json
import subprocess
import sys
import time

from tfdistill.deployment.latency import random_row
from tfdistill.deployment.lite_model import LiteModel
from tfdistill.system.errors import UserError
from tfdistill.system.hardware import give_back_memory, resident_bytes


def load_cost(path, threads=1, weights=None):
    """Measures the loading of a file in a new process.

    Args:
        path: the file.
        threads: CPU threads to run on.
        weights: as for `LiteModel`.

    Returns:
        dict: `load_ms` and `load_cpu_ms`, the time until all lengths are ready; and the growth of
        resident memory since LiteRT was imported: `loaded_bytes` when all lengths are ready,
        `resident_bytes` after a run of each, and `own_bytes`, the same without mapped files (None
        on other systems than Linux).

    Raises:
        UserError: the file does not load.
    """
    words = [str(path), str(threads), "" if weights is None else str(weights)]
    command = [sys.executable, "-m", __name__, *words]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise UserError((done.stderr.strip().splitlines() or [f"{path} does not load"])[-1])
    return json.loads(done.stdout)


def measure(path, threads, weights):
    """Loads a file in this process and runs each length: dict as `load_cost`."""
    # All modules first: what Python needs for them is no memory of the file.
    import ai_edge_litert.compiled_model
    import ai_edge_litert.interpreter
    import ai_edge_litert.schema_py_generated  # noqa: F401
    import numpy.random  # noqa: F401

    # Modules without stored bytecode are compiled. What that took is free now, and would be taken
    # again by the file, whose memory then seems to be none.
    give_back_memory()
    before = resident_bytes()
    started, cpu_started = time.perf_counter(), time.process_time()
    model = LiteModel(path, threads, weights, checked=False)
    for length in model.lengths:
        model.prepare(length)
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu_started
    loaded = resident_bytes()
    for length in model.lengths:
        model.run(random_row(model, length), length)
    after = resident_bytes()
    own = None if after[1] is None else after[1] - before[1]
    return {
        "load_ms": 1000 * wall,
        "load_cpu_ms": 1000 * cpu,
        "loaded_bytes": loaded[0] - before[0],
        "resident_bytes": after[0] - before[0],
        "own_bytes": own,
    }


if __name__ == "__main__":
    file, threads, weights = sys.argv[1:]
    try:
        print(json.dumps(measure(file, int(threads), weights or None)))
    except UserError as error:
        sys.exit(error.message)
