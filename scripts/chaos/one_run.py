"""One run in one folder: a second process is refused, and a killed one leaves no lock behind."""

import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "parts"))
import tiny  # noqa: E402
from promise import check_promise  # noqa: E402

ROUNDS = 3
PATIENCE = 120  # seconds for a run to take its folder


def check(state):
    """Starts two runs in a folder, kills the first, and lets the second go on; several times."""
    tiny.write_text(state.folder)
    run = state.folder / "run"
    flags = tiny.text_flags(state.folder, output_dir=run, teacher_steps=100_000)
    refused = continued = 0
    with open(state.folder / "log", "w+b") as log:
        for number in range(ROUNDS):
            first = tiny.start("train", flags, log)
            if not state.expect(_takes(run, first), f"round {number}: it did not take the folder"):
                break
            continued += 1  # the lock of the process before, which was killed, did not stop it
            log.truncate(0)
            second = tiny.start("train", flags, log)
            code = second.wait()
            log.seek(0)
            told = b"another process is working on this run" in log.read()
            refused += state.expect(code == 1 and told, f"a second run ended with {code}")
            state.expect(first.poll() is None, "the first run did not survive the second")
            os.kill(first.pid, signal.SIGKILL)
            first.wait()
            state.say(f"round {number}: the second was refused, the first killed")
    return f"{refused} of {ROUNDS} second runs refused, {continued} of {ROUNDS} first ones went on"


def _takes(run, process):
    """Whether a process works on a run before it ends or patience does."""
    before = _checkpoints(run)
    ends = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < ends:
        if _checkpoints(run) - before:
            return True
        time.sleep(0.05)
    return False


def _checkpoints(run):
    return {file.name for file in run.glob("checkpoints/teacher/step-*.safetensors")}


if __name__ == "__main__":
    check_promise("one_run", check)
