"""Soak: one long training; memory, open files and threads must stay what they were.

    python scripts/chaos/soak.py                 # 50,000 steps
    python scripts/chaos/soak.py --minutes=5     # as many steps as fit, for a quick look

Trains a tiny student on the bundled text by the command itself, with checkpoints, validation and
TensorBoard, and reads the resident memory, the open files and the threads of the process once a
second from /proc. The first fifth warms up: compilers, caches and the first checkpoint. Of the rest
it fits a line to the memory. Neighbouring readings resemble each other, so the line is fitted to
the means of 20 stretches, and the interval is Student's. Linux only.

Exit code 0 if the memory is flat, which is that the slope's 95 % interval ends below `FLAT`, and if
the last stretch has no more files or threads than the first.
"""

import argparse
import os
import string
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy import stats

ROOT = Path(__file__).resolve().parent.parent.parent
STEPS, WARM_UP, STRETCHES = 50_000, 0.2, 20
FLAT = 1.0  # MB in 10,000 steps
INTERVAL = 500  # steps between two checkpoints, and between two validations
SHAPE = (
    *("--length=16", "--batch_size=8", "--teacher_config=L-2_H-32_A-2", "--teacher_steps=20"),
    *("--student_config=L-1_H-32_A-2", "--baseline=none", "--precision=float32", "--device=cpu"),
)


def command(folder, steps):
    """The training, as a list; its tokens are letters, so that the vocabulary costs no time."""
    tokenizer = Path(folder, "letters")
    tokenizer.mkdir()
    letters = [*string.ascii_lowercase, *string.digits, *string.punctuation]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *("##" + x for x in letters)]
    Path(tokenizer, "vocab.txt").write_text("\n".join(words) + "\n")
    intervals = [f"--{name}_interval={INTERVAL}" for name in ("checkpoint", "validation")]
    flags = [
        *SHAPE,
        *intervals,
        f"--tokenizer={tokenizer}",
        f"--steps={steps}",
        "--stop_after=student",
    ]
    return [sys.executable, "-m", "tfdistill.train", f"--output_dir={folder}/run", *flags]


def reading(pid):
    """(resident MB, open files, threads) of a process; None once it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        files = len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in status.splitlines())
    if "VmRSS" not in fields:  # a zombie
        return None
    return int(fields["VmRSS"].split()[0]) / 1024, files, int(fields["Threads"])


def last_step(checkpoints):
    """The number of the newest checkpoint of the student; 0 before the first."""
    return max(
        (int(file.stem.split("-")[1]) for file in checkpoints.glob("step-*.safetensors")), default=0
    )


def watch(process, folder, until):
    """Readings of the student's training: array of (step, MB, files, threads), one a second."""
    found, checkpoints = [], Path(folder, "checkpoints", "student")
    while process.poll() is None and time.monotonic() < until:
        time.sleep(1.0)
        step, now = last_step(checkpoints), reading(process.pid)
        if step and now:
            found.append((step, *now))
    return np.array(found, float).reshape(-1, 4)


def slope(steps, values):
    """The slope of a line and half of its 95 % interval, from the means of `STRETCHES` parts."""
    parts = zip(np.array_split(steps, STRETCHES), np.array_split(values, STRETCHES), strict=True)
    x, y = np.array([(own.mean(), of_own.mean()) for own, of_own in parts]).T
    fit = stats.linregress(x, y)
    return fit.slope, stats.t.ppf(0.975, STRETCHES - 2) * fit.stderr


def judge(readings):
    """(whether it is flat, the line to print)."""
    kept = readings[readings[:, 0] > WARM_UP * readings[-1, 0]]
    if len(kept) < 3 * STRETCHES:
        return False, f"soak: FAILED: {len(kept)} readings are too few"
    steps, memory, files, threads = kept.T
    found, half = (10_000 * value for value in slope(steps, memory))
    # By medians: a checkpoint or an evaluation has files of its own for a moment.
    counts = [
        [np.median(part) for part in np.array_split(each, STRETCHES)] for each in (files, threads)
    ]
    grown = [
        name for name, each in zip(("files", "threads"), counts, strict=True) if each[-1] > each[0]
    ]
    flat = found + half < FLAT and not grown
    (files, *_, last_files), (threads, *_, last_threads) = counts
    line = (
        f"soak: {'ok' if flat else 'FAILED'}: {steps[-1]:,.0f} steps, resident memory "
        f"{memory.mean():,.0f} MB ({memory.min():,.0f} to {memory.max():,.0f}), slope "
        f"{found:+.3f} ± {half:.3f} MB in 10,000 steps (95 %), open files {files:.0f} to "
        f"{last_files:.0f}, threads {threads:.0f} to {last_threads:.0f}, {len(kept):,} readings"
    )
    return flat, line


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--minutes", type=float, default=0.0, help="stop after so long; 0: at the end"
    )
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--readings", default="", help="file to write the readings to, as .npy")
    options = parser.parse_args()
    until = time.monotonic() + 60 * options.minutes if options.minutes else float("inf")
    with tempfile.TemporaryDirectory() as folder:
        with open(Path(folder, "log"), "w+", encoding="utf-8") as log:
            run = command(folder, options.steps)
            process = subprocess.Popen(run, cwd=ROOT, stdout=log, stderr=log)
            try:
                readings = watch(process, Path(folder, "run"), until)
            finally:
                if stopped := process.poll() is None:
                    process.terminate()
                process.wait()
            if process.returncode and not stopped:
                log.seek(0)
                print(log.read()[-2000:], file=sys.stderr)
                print(f"soak: FAILED: the training ended with {process.returncode}")
                return 1
        if options.readings:
            np.save(options.readings, readings)
    if not len(readings):
        print("soak: FAILED: no checkpoint was written in the time")
        return 1
    flat, line = judge(readings)
    print(line)
    return int(not flat)


if __name__ == "__main__":
    sys.exit(main())
