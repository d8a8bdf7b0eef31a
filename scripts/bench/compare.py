"""Compares the training steps of tfdistill and its peers, and prints a table for each kind of step.

Runs take turns, each in a process of its own, with the same batches and (except for KerasHub) the
same weights: float32, a vocabulary of 30,522. Only fine-tuning has dropout; its losses are compared
in a round without. If the processor has units for bfloat16, tfdistill also runs in bfloat16, beside
the same float32 peers. PyTorch runs with its default allocator and with one that keeps freed
memory, because on Linux it spends most of its time on freeing and allocating large blocks; in
fine-tuning with the latter. Ratios of tfdistill to each peer are computed for each round. `CPU s`
is the processor time of a step, of all its threads. The peak memory is that of the process,
measured from outside. `share` is the step's necessary FLOP/s, divided by the FLOP/s of a large
matrix product of the same type in the same session.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from settings import AS_IT_COMES, FUSED, KEPT, KERAS_HUB, OURS, OURS_16, WORKS

from tfdistill.system.hardware import has_bfloat16_units

HERE = Path(__file__).parent
KEEP = dict.fromkeys(("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"), "17179869184")
SIDES = {  # name: (script, its words, extra environment variables)
    AS_IT_COMES: ("pytorch_step.py", (), {}),
    KEPT: ("pytorch_step.py", (), KEEP),
    FUSED: ("pytorch_task_step.py", (), KEEP),
    KERAS_HUB: ("keras_hub_step.py", (), {}),
    OURS: ("tfdistill_step.py", ("float32",), {}),
    OURS_16: ("tfdistill_step.py", ("bfloat16",), {}),
}
TYPES = {OURS_16: "bfloat16"}  # others: float32
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
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode:
            why = "killed, perhaps for its memory" if process.returncode == -9 else err.read()
            raise Failed(f"{script} failed: {why}")
        unit = 1 if sys.platform == "darwin" else 1024
        return out.read().strip().rpartition("\n")[2], usage.ru_maxrss * unit


def measure(name, folder, rounds, peers):
    """Runs each side `rounds` times, in turn, until a peer fails, which is left out from there on.

    Returns:
        (lists of their results by name, GFLOP/s by type).
    """
    work = WORKS[name]
    sides = [side for side in work.sides if has_bfloat16_units() or _type(side) == "float32"]
    results, peaks = {side: [] for side in sides}, {_type(side): [] for side in sides}
    for number in range(rounds):
        for side in list(results):
            script, words, environment = SIDES[side]
            python = sys.executable if side in (OURS, OURS_16) else peers
            words = (name, folder, *words)
            try:
                found, memory = call(script, *words, python=python, environment=environment)
            except Failed as failure:
                if side in (OURS, OURS_16):
                    raise
                print(f"{number + 1}: {side}: {failure}", file=sys.stderr)
                del results[side]
                continue
            result = json.loads(found)
            timed = result["seconds"][WARM_UP:]
            result |= {"speed": work.tokens * len(timed) / sum(timed), "peak": memory}
            if "processor" in result:  # KerasHub does not tell
                result["busy"] = statistics.median(result["processor"][WARM_UP:])
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
        f"{'step':22}{'tokens/s':>9}  {'range':14}{'share':>5}{'CPU s':>8}"
        f"{'peak GB':>9}{'first loss':>12}{'last loss':>11}",
    ]
    speeds = {name: [run["speed"] for run in runs] for name, runs in results.items()}
    for name, runs in results.items():
        peak = statistics.median(run["peak"] for run in runs) / 1e9
        speed, spread = statistics.median(speeds[name]), _range(speeds[name], ",.0f")
        share = speed / work.tokens * work.operations() / 1e9 / gflops[_type(name)]
        busy, losses = "", ""
        if "busy" in runs[0]:
            busy = f"{statistics.median(run['busy'] for run in runs):.2f}"
        if "losses" in plain.get(name, [{}])[0]:  # KerasHub starts from weights of its own
            first, *_, last = plain[name][0]["losses"]
            losses = f"{first:>12.5f}{last:>11.5f}"
        row = f"{name:22}{speed:>9,.0f}  {spread:14}{share:>5.0%}{busy:>8}{peak:>9.2f}{losses}"
        lines.append(row)
    for name in (each for each in (OURS, OURS_16) if each in speeds):
        for peer in (each for each in speeds if each != name and each != OURS_16):
            lines.append(f"{name} to {peer}: speed {_ratio(results[name], results[peer], 'speed')}")
            if "busy" in results[peer][0]:
                lines[-1] += f"; processor time {_ratio(results[name], results[peer], 'busy')}"
    return "\n".join(lines)


def _ratio(own, other, key):
    ratios = [mine[key] / theirs[key] for mine, theirs in zip(own, other, strict=True)]
    return f"{statistics.median(ratios):.2f} x ({_range(ratios, '.2f')})"


def _range(values, form):
    return f"{min(values):{form}}-{max(values):{form}}"


def differ(results):
    """Whether the losses of the sides that tell theirs differ."""
    losses = {side: runs[0]["losses"] for side, runs in results.items() if "losses" in runs[0]}
    usual = next(iter(losses.values()), ())
    return any(
        not abs(own - other) <= SAME[_type(side)] * abs(other)  # so that NaN differs
        for side, row in losses.items()
        for own, other in zip(row, usual, strict=True)
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peers", required=True, help="Python of the environment of the peers")
    parser.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS))
    parser.add_argument("--rounds", type=int, default=5, help="runs of each step")
    options, wrong = parser.parse_args(), []
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
