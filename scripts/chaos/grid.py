"""Kills grids of runs: the command of the grid, its current run, or both; then starts it again.

The runs of a grid are processes of their own; here they are forks, too, since importing TensorFlow
takes longer than they do. In the end every folder equals that of an undisturbed grid.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "parts"))
import tiny  # noqa: E402
from forked import Blow  # noqa: E402
from promise import check_promise  # noqa: E402
from workplace import Workplace  # noqa: E402

SEED, KILLS = 30, 12
MOST_STEPS = {"teacher": 5, "student": 5, "evaluate": 1}  # before a kill, of each stage
STAGES = list(MOST_STEPS)
AXES = {"recipe": {name: {"recipe": name} for name in ("distilbert", "mlm")}, "seed": [0, 1]}
TEACHER = {"axes": ["seed"], "last_stage": "teacher", "gives": {"teacher": "teacher"}}


class ForkedRun:
    """Stands for `subprocess.Popen` in a grid: a fork that runs `tfdistill.train`."""

    def __init__(self, words, stdout, note, **_):
        self._code, self.pid = None, os.fork()
        if self.pid == 0:
            os.setsid()
            os.dup2(stdout.fileno(), 1)
            os.dup2(stdout.fileno(), 2)
            sys.argv = words[2:]
            from tfdistill import train

            try:
                train.main()
            except SystemExit as end:
                sys.stdout.flush()
                os._exit(end.code or 0)
            os._exit(70)
        note.write_text(str(self.pid))

    def wait(self, timeout=None):
        """As `Popen.wait`."""
        ends = time.monotonic() + (timeout or 1e9)
        while self._code is None and time.monotonic() < ends:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
            else:
                time.sleep(0.01)
        if self._code is None:
            raise subprocess.TimeoutExpired("train", timeout)
        return self._code

    def send_signal(self, signum):
        """As `Popen.send_signal`."""
        os.kill(self.pid, signum)


def check(state):
    """Kills a grid in its runs, and compares."""
    work, draws, note = Workplace(state), random.Random(SEED), state.folder / "run.pid"
    words = [_write_grid(work.inputs, work.place), f"--output_dir={work.place}/run", "--retry"]

    def make():
        from tfdistill import experiment
        from tfdistill.run import grid_job

        grid_job.subprocess = types.SimpleNamespace(
            Popen=lambda *args, **named: ForkedRun(*args, note=note, **named),
            **{each: getattr(subprocess, each) for each in ("DEVNULL", "STDOUT", "TimeoutExpired")},
        )
        sys.argv = ["experiment", *map(str, words)]
        experiment.main()

    work.clear()
    if not state.expect(work.forks.call(make).code == 0, "the undisturbed grid failed"):
        return "none"
    work.place.rename(work.undisturbed)
    struck = {"both": 0, "grid": 0, "run": 0}  # a run alone last: its grid then goes on
    for number in range(KILLS):
        if state.is_over:
            break
        whom = "run" if number == KILLS - 1 else list(struck)[number % 2]
        stage = STAGES[number * len(STAGES) // KILLS]
        step = draws.randint(1, MOST_STEPS[stage])
        blow = Blow(stage, step, 0.05, act=_killer(whom, note))
        outcome = work.forks.call(make, blow)
        struck[whom] += outcome.struck
        state.say(f"{whom} killed in {outcome.stage}, step {outcome.step}: {outcome.code}")
        state.expect(outcome.struck, f"kill {number}, of {whom} in {stage}, did not fall")
    state.expect(work.forks.call(make).code == 0, "the grid did not go on")
    notes = "run/logs/", "run/failures/"
    equal = work.expect_same("the grid", ignored=lambda line: line.startswith(notes))
    return (
        f"{struck['both']} kills of grid and run, {struck['grid']} of the grid alone, "
        f"{struck['run']} of a run alone; {'all' if equal else 'not all'} files equal"
    )


def _killer(whom, note):
    def act(pid):
        if whom in ("both", "run"):
            os.kill(int(note.read_text()), signal.SIGKILL)
        if whom in ("both", "grid"):
            os.kill(pid, signal.SIGKILL)

    return act


def _write_grid(inputs, place):
    flags = tiny.text_flags(
        inputs, shards_dir=place / "shards", steps=24, teacher_steps=24, stop_after="evaluate"
    )
    flags = dict(word.removeprefix("--").split("=", 1) for word in flags)
    file = inputs / "grid.json"
    content = {"flags": flags, "axes": AXES, "shared": {"teacher": TEACHER}}
    file.write_text(json.dumps(content), "utf-8")
    return file


if __name__ == "__main__":
    check_promise("grid", check)
