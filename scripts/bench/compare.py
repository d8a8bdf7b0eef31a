"""Runs the step of tfdistill and the same step in PyTorch in turn, and prints a table.

Teacher 8 x 128, student 4 x 128, vocabulary 30,522, batch 32, length 128, float32, no dropout;
the same weights and batches for both. Each run is a process of its own. PyTorch runs as it comes
and, because freeing and asking again for large blocks costs it most of its time on Linux, also
with an allocator that keeps its memory.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
KEEP = dict.fromkeys(("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"), "17179869184")
BASE = "PyTorch as it comes"
RUNS = {  # name: (script, extra environment variables)
    BASE: ("pytorch_step.py", {}),
    "PyTorch, kept memory": ("pytorch_step.py", KEEP),
    "tfdistill": ("tfdistill_step.py", {}),
}
TOKENS = 32 * 128  # in a batch
WARM_UP = 2  # steps that are not timed: tracing, compiling, first allocations


def call(script, *arguments, environment=None):
    """Runs one of the scripts beside this one; returns the last line that it prints."""
    result = subprocess.run(
        [sys.executable, HERE / script, *map(str, arguments)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **(environment or {})},
        capture_output=True,
        text=True,
    )
    if result.returncode:
        sys.exit(f"{script} failed:\n{result.stderr}")
    return result.stdout.strip().rpartition("\n")[2]


def measure(folder, rounds):
    """Runs each script `rounds` times, in turn; returns lists of their results by name."""
    results = {name: [] for name in RUNS}
    for number in range(rounds):
        for name, (script, environment) in RUNS.items():
            result = json.loads(call(script, folder, environment=environment))
            timed = result["seconds"][WARM_UP:]
            result["speed"] = TOKENS * len(timed) / sum(timed)
            results[name].append(result)
            print(f"round {number + 1}: {name}: {result['speed']:,.0f} tokens/s", file=sys.stderr)
    return results


def table(results):
    """Formats medians, ranges and ratios."""
    lines = [
        f"{'step':22}{'tokens/s':>9}  {'range':15}{'ratio':>7}{'peak GB':>9}"
        f"{'first loss':>12}{'last loss':>11}"
    ]
    speed = {name: statistics.median(r["speed"] for r in runs) for name, runs in results.items()}
    for name, runs in results.items():
        speeds = [run["speed"] for run in runs]
        peak = statistics.median(run["peak"] for run in runs) / 1e9
        spread = f"{min(speeds):,.0f}-{max(speeds):,.0f}"
        first, last = runs[0]["losses"][0], runs[0]["losses"][-1]
        ratio = speed[name] / speed[BASE]
        lines.append(
            f"{name:22}{speed[name]:>9,.0f}  {spread:15}{ratio:>7.2f}{peak:>9.2f}"
            f"{first:>12.5f}{last:>11.5f}"
        )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="runs of each step")
    parser.add_argument("--steps", type=int, default=4, help="timed steps in a run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        call("make_inputs.py", folder, WARM_UP + options.steps)
        print(table(measure(Path(folder), options.rounds)))


if __name__ == "__main__":
    main()
