"""Compares the training steps of tfdistill and its peers, and prints a table for each kind of step.

Runs take turns, each in a process of its own, with the same batches and weights: float32, a
vocabulary of 30,522. Only tasks with labels have dropout; their losses are compared in a round
without. If the processor has units for bfloat16, tfdistill and PyTorch at its best also run in
bfloat16. Peers: PyTorch at its best (pytorch_best.py) with and without `torch.compile`, KerasHub,
and the operations of the published scripts (pytorch_step.py), with the default allocator and with
one that keeps freed memory, because on Linux they spend most of their time on freeing and
allocating large blocks. All others keep freed memory. A peer that fails, or takes longer than
`LIMIT`, is left out from there on.

Ratios of tfdistill to each peer are computed for each round. `CPU s` is the processor time of a
step, of all its threads. The peak memory is that of the process, measured from outside. `share` is
the FLOP/s of the step's products, all layers at all tokens, divided by the FLOP/s of a large matrix
product of the same type in the same session.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from settings import (
    AS_IT_COMES,
    BEST,
    BEST_16,
    BEST_COMPILED,
    KEPT,
    KERAS_HUB,
    OURS,
    OURS_16,
    WORKS,
)

from tfdistill.system import hardware, process_memory

HERE = Path(__file__).parent
KEEP = dict.fromkeys(("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"), "17179869184")
SIDES = {  # name: (script, its words, extra environment variables)
    BEST: ("pytorch_best.py", (), KEEP),
    BEST_COMPILED: ("pytorch_best.py", ("compiled",), KEEP),
    BEST_16: ("pytorch_best.py", ("bfloat16",), KEEP),
    KERAS_HUB: ("keras_hub_step.py", (), process_memory.environment(hardware.this_platform())),
    AS_IT_COMES: ("pytorch_step.py", (), {}),
    KEPT: ("pytorch_step.py", (), KEEP),
    OURS: ("tfdistill_step.py", ("float32",), {}),
    OURS_16: ("tfdistill_step.py", ("bfloat16",), {}),
}
OWN = (OURS, OURS_16)
TYPES = {BEST_16: "bfloat16", OURS_16: "bfloat16"}  # others: float32
LIMIT = 1800  # seconds of a process
WARM_UP = 2  # steps that are not timed: tracing, compiling, first allocations
SAME = {"float32": 1e-4, "bfloat16": 1e-2}  # the most by which losses may differ, as a share


class Failed(SystemExit):
    """A script did not come to its end; where nobody minds, neither does its caller."""


def call(script, *arguments, python=sys.executable, environment=None):
    """Runs one of the scripts beside this one.

    Returns:
        (the last line that it prints, bytes of its peak of resident memory).

    Raises:
        Failed: it did not come to its end.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(
            [python, HERE / script, *map(str, arguments)],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **(environment or {})},
            stdout=out,
            stderr=err,
        )
        limit = threading.Timer(LIMIT, process.kill)
        limit.start()
        _, status, usage = os.wait4(process.pid, 0)
        limit.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode:
            why = "killed, for its time or memory" if process.returncode == -9 else err.read()
            raise Failed(f"{script} failed: {why}")
        unit = 1 if sys.platform == "darwin" else 1024
        return out.read().strip().rpartition("\n")[2], usage.ru_maxrss * unit


def measure(name, folder, rounds, peers):
    """Runs each side `rounds` times, in turn, until a peer fails, which is left out from there on.

    Returns:
        (lists of their results by name, GFLOP/s by type).
    """
    work = WORKS[name]
    sides = [OURS, *work.peers, OURS_16]
    if not hardware.has_bfloat16_units():
        sides = [side for side in sides if _type(side) == "float32"]
    results, peaks = {side: [] for side in sides}, {_type(side): [] for side in sides}
    for number in range(rounds):
        for side in list(results):
            script, words, environment = SIDES[side]
            python = sys.executable if side in OWN else peers
            words = (name, folder, *words)
            try:
                found, memory = call(script, *words, python=python, environment=environment)
            except Failed as failure:
                if side in OWN:
                    raise
                print(f"{number + 1}: {side}: {failure}", file=sys.stderr)
                del results[side]
                continue
            result = json.loads(found)
            timed = result["seconds"][WARM_UP:]
            busy = statistics.median(result["processor"][WARM_UP:])
            speed = work.tokens * len(timed) / sum(timed)
            result |= {"speed": speed, "peak": memory, "busy": busy}
            results[side].append(result)
            print(f"{number + 1}: {side}: {result['speed']:,.0f} tokens/s", file=sys.stderr)
        for kind, found in peaks.items():
            found.append(float(call("matrix_product.py", kind)[0]))
    return results, {kind: statistics.median(found) for kind, found in peaks.items()}


def _type(side):
    return TYPES.get(side, "float32")


def table(work, results, gflops, plain):
    """Formats medians, ranges and ratios; `plain` are results whose losses are comparable."""
    lines = [
        f"\n{work.title}; large products, GFLOP/s: "
        + ", ".join(f"{kind} {speed:,.0f}" for kind, speed in gflops.items()),
        f"{'step':26}{'tokens/s':>9}  {'range':14}{'share':>5}{'CPU s':>8}"
        f"{'peak GB':>9}{'first loss':>12}{'last loss':>11}",
    ]
    speeds = {name: [run["speed"] for run in runs] for name, runs in results.items()}
    for name, runs in results.items():
        peak = statistics.median(run["peak"] for run in runs) / 1e9
        speed, spread = statistics.median(speeds[name]), _range(speeds[name], ",.0f")
        share = speed / work.tokens * work.operations() / 1e9 / gflops[_type(name)]
        busy = statistics.median(run["busy"] for run in runs)
        first, *_, last = plain[name][0]["losses"] if name in plain else (float("nan"),) * 2
        row = f"{name:26}{speed:>9,.0f}  {spread:14}{share:>5.0%}{busy:>8.2f}{peak:>9.2f}"
        lines.append(f"{row}{first:>12.5f}{last:>11.5f}")
    for name in (each for each in OWN if each in results):
        for peer in (each for each in results if each != name and each != OURS_16):
            parts = {"speed": "speed", "processor time": "busy", "peak memory": "peak"}
            ratios = (f"{part} {_ratio(results, name, peer, key)}" for part, key in parts.items())
            lines.append(f"{name} to {peer}: {'; '.join(ratios)}")
    return "\n".join(lines)


def _ratio(results, own, other, key):
    pairs = zip(results[own], results[other], strict=True)
    ratios = [mine[key] / theirs[key] for mine, theirs in pairs]
    return f"{statistics.median(ratios):.2f} x ({_range(ratios, '.2f')})"


def _range(values, form):
    return f"{min(values):{form}}-{max(values):{form}}"


def differ(results):
    """Whether the losses of the sides differ; of KerasHub, whose Adam is another, the first."""
    losses = {side: runs[0]["losses"] for side, runs in results.items()}
    if KERAS_HUB in losses:
        losses[KERAS_HUB] = losses[KERAS_HUB][:1]
    usual = losses[OURS]
    return any(
        not abs(own - other) <= SAME[_type(side)] * abs(other)  # so that NaN differs
        for side, row in losses.items()
        for own, other in zip(row, usual, strict=False)
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peers", required=True, help="Python of the environment of the peers")
    parser.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS))
    parser.add_argument("--rounds", type=int, default=5, help="runs of each step")
    options, wrong = parser.parse_args(), []
    units = ", ".join(hardware.instruction_sets())
    print(f"{hardware.chip()}, {hardware.cores()} cores, instruction sets: {units}", flush=True)
    for name in options.works:
        work = WORKS[name]
        with tempfile.TemporaryDirectory() as folder:
            inputs = "make_inputs.py", name, folder, WARM_UP + work.steps
            call(*inputs)
            rounds = 1 if work.dropout else options.rounds
            results, gflops = measure(name, folder, rounds, options.peers)
            plain = results
            if work.dropout:
                call(*inputs, work.dropout)
                results, gflops = measure(name, folder, options.rounds, options.peers)
        print(table(work, results, gflops, plain), flush=True)
        if differ(plain):
            wrong.append(name)
    if wrong:
        sys.exit(f"the losses differ by more than a share of {SAME}: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
