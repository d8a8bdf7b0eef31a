"""A long training keeps its memory, open files and threads.

A tiny student is trained on a piece of the bundled text by the command, with checkpoints,
validation and TensorBoard. The resident memory, the open files and the threads of its process are
read once a second from /proc (Linux only). The first fifth warms up: compilers, caches, the first
checkpoints. A line is fitted to the memory of the rest. Neighbouring readings resemble each other,
so it is fitted to the means of 20 stretches, and the interval is Student's.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).parent / "parts"))
import tiny  # noqa: E402
from promise import check_promise  # noqa: E402

STEPS, INTERVAL = 200_000, 500  # between checkpoints, and between validations
LEAST = 6  # minutes; a shorter run has too few readings to judge the slope
WARM_UP, STRETCHES = 0.2, 20
FLAT = 1.0  # MB in 10,000 steps, below which the 95 % interval of the slope must end


def check(state):
    """Trains, and judges the readings."""
    if state.minutes is not None:
        state.minutes = max(state.minutes, LEAST)
    tiny.write_text(state.folder)
    run = state.folder / "run"
    every = {"checkpoint_interval": INTERVAL, "validation_interval": INTERVAL, "log_interval": 20}
    flags = tiny.text_flags(
        state.folder, output_dir=run, steps=STEPS, baseline="none", stop_after="student", **every
    )
    with open(state.folder / "log", "w+b") as log:
        process = tiny.start("train", flags, log)
        readings = _watch(process, run / "checkpoints" / "student", state)
        if stopped := process.poll() is None:
            process.terminate()
        code = process.wait()
    state.expect(stopped or code == 0, f"the training ended with {code}")
    np.save(state.folder / "readings.npy", readings)
    return judge(readings, state)


def _watch(process, checkpoints, state):
    """Readings of the student's training, one a second: (step, MB, files, threads) each."""
    found = []
    while process.poll() is None and not state.is_over:
        time.sleep(1.0)
        step, now = _last_step(checkpoints), _reading(process.pid)
        if step and now:
            found.append((step, *now))
            if len(found) % 60 == 1:
                state.say(f"step {step:,}: {now[0]:.1f} MB, {now[1]} files, {now[2]} threads")
    return np.array(found, float).reshape(-1, 4)


def _last_step(checkpoints):
    """The step of the newest checkpoint; 0 before the first."""
    return max((int(file.stem[5:]) for file in checkpoints.glob("step-*.safetensors")), default=0)


def _reading(pid):
    """(resident MB, open files, threads) of a process; None once it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        files = len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in status.splitlines())
    if "VmRSS" not in fields:  # it has ended, and nobody has asked for its exit code
        return None
    return int(fields["VmRSS"].split()[0]) / 1024, files, int(fields["Threads"])


def judge(readings, state):
    """Judges readings as `_watch` makes them; returns the figures."""
    kept = readings[readings[:, 0] > WARM_UP * readings[-1:, 0].sum()]
    if not state.expect(len(kept) >= 3 * STRETCHES, f"only {len(kept)} readings"):
        return "no figures"
    steps, memory, *counts = kept.T
    found, half = (10_000 * value for value in slope(steps, memory))
    state.expect(found + half < FLAT, "the memory grows")
    told = []
    for name, values in zip(("open files", "threads"), counts, strict=True):
        # By medians: a checkpoint or an evaluation has files of its own for a moment.
        first, *_, last = (np.median(part) for part in np.array_split(values, STRETCHES))
        state.expect(last <= first, f"more {name}: {first:.0f}, then {last:.0f}")
        told.append(f"{name} {first:.0f} to {last:.0f}")
    return (
        f"{steps[-1]:,.0f} steps, {memory.mean():,.0f} MB ({memory.min():,.0f} to "
        f"{memory.max():,.0f}), slope {found:+.3f} ± {half:.3f} MB in 10,000 steps (95 %), "
        f"{', '.join(told)}, {len(kept):,} readings"
    )


def slope(steps, values):
    """The slope of a line, and half of its 95 % interval."""
    parts = np.array_split(steps, STRETCHES), np.array_split(values, STRETCHES)
    x, y = ([part.mean() for part in each] for each in parts)
    fit = stats.linregress(x, y)
    return fit.slope, stats.t.ppf(0.975, STRETCHES - 2) * fit.stderr


if __name__ == "__main__":
    check_promise("soak", check)
