"""Prints fingerprints of short runs of every recipe: SHA-256 of the weights, and the metrics.

    python scripts/fingerprints.py --output=before.json
    python scripts/fingerprints.py --compare=before.json   # after a change that moves no number
    python scripts/fingerprints.py --only=mini,pkd --compare=before.json

Each flagfile of `configs/` that needs no download is cut to a few steps; one run is killed and
resumed. Compare only runs of the same machine and versions, because the numbers depend on both.
Times, sizes in memory, latencies and versions are left out. About 15 minutes on two cores.
"""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEACHER_STEPS, STUDENT_STEPS, STEPS_OF_PHASE = 40, 20, 10
# Flagfiles on the bundled text, and the number of phases of their recipes.
PHASES = {
    "autotinybert": 2,
    "hybrid": 2,
    "minilm": 2,
    "minilm_v1": 2,
    "mobilebert_akt": 1,
    "mobilebert_jkt": 2,
    "mobilebert_pkt": 5,
    "pkd": 1,
    "tinybert": 2,
}
# Keys of metrics.json that differ from run to run: times, paths, and words about them.
NOT_COMPARED = (
    *("seconds", "latency", "memory", "versions", "speed", "date", "made_from", "machine"),
    *("command", "flags", "conclusion", "sha256"),
)


def train(flagfile, output, *flags):
    """The command of a short run, as a list."""
    return [
        sys.executable,
        "-m",
        "tfdistill.train",
        f"--flagfile={ROOT / 'configs' / flagfile}.flags",
        f"--output_dir={output}",
        *flags,
    ]


def run(command):
    """Runs a command to its end; what it prints goes to this script's error stream."""
    subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)


def kill_and_resume(command, checkpoints):
    """Kills a run as soon as it has written a checkpoint, then gives the same command again."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=sys.stderr)
    while process.poll() is None and not any(checkpoints.glob("step-*.safetensors")):
        time.sleep(0.05)
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.wait()
    run(command)


def fingerprint(folder):
    """What a finished run gave: dict of file names to SHA-256, and its metrics."""
    files = sorted(folder.glob("*/model.safetensors"))
    sums = {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}
    return sums | {"metrics": _compared(json.loads((folder / "metrics.json").read_text()))}


def _compared(value):
    if isinstance(value, dict):
        return {
            key: _compared(each)
            for key, each in value.items()
            if not any(word in key for word in NOT_COMPARED)
        }
    return value


def differences(before, after, path=""):
    """Lists where two fingerprints differ: lines of text."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted(before.keys() | after.keys())
        each = [differences(before.get(k), after.get(k), f"{path}/{k}") for k in keys]
        return [line for lines in each for line in lines]
    return [] if before == after else [f"{path}: {before} was, {after} is"]


def measure(folder, only):
    """Makes runs below a folder: dict of names to fingerprints.

    `mini` always runs, because its teacher is that of others.
    """
    found = {}
    begun = time.perf_counter()

    def done(name):
        found[name] = fingerprint(folder / name)
        print(f"{name}: done after {time.perf_counter() - begun:.0f} s", file=sys.stderr)

    mini = (f"--teacher_steps={TEACHER_STEPS}", f"--steps={STUDENT_STEPS}")
    run(train("mini", folder / "mini", *mini))
    done("mini")
    if "resumed" in only:
        flags = (*mini, "--baseline=none", "--checkpoint_interval=5")
        stopped = train("mini", folder / "resumed", *flags)
        kill_and_resume(stopped, folder / "resumed" / "checkpoints" / "student")
        done("resumed")
    for name in [name for name in PHASES if name in only]:
        phases = PHASES[name]
        steps = f"--steps={phases * STEPS_OF_PHASE}"
        own = name.startswith("mobilebert")  # its teacher is of its own type
        teacher = "--teacher_steps=10" if own else f"--teacher={folder / 'mini' / 'teacher'}"
        run(train(name, folder / name, steps, teacher))
        done(name)
    return found


def main():
    """Measures, then writes or compares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", help="file to write the fingerprints to, as JSON")
    parser.add_argument("--compare", help="file of an earlier --output, of this machine")
    parser.add_argument("--only", help="names of runs, separated by commas; all when left out")
    arguments = parser.parse_args()
    os.environ["PYTHONPATH"] = str(ROOT)
    with tempfile.TemporaryDirectory() as folder:
        only = {"resumed", *PHASES} if arguments.only is None else set(arguments.only.split(","))
        found = measure(Path(folder), only)
    if arguments.output:
        Path(arguments.output).write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    if arguments.compare:
        before = json.loads(Path(arguments.compare).read_text())
        expected = before if arguments.only is None else found
        before = _compared(before)
        changed = [name for name in expected if before.get(name) != found.get(name)]
        for name in changed:
            print("\n".join(differences(before.get(name), found.get(name), name)))
        print(f"{len(found) - len(changed)} of {len(found)} runs are as before")
        sys.exit(f"changed: {', '.join(changed)}" if changed else 0)


if __name__ == "__main__":
    main()
