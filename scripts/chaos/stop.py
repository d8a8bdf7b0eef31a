"""Stops runs by SIGINT and SIGTERM in every stage, and pauses them by SIGSTOP.

A stopped run says so within three seconds, ends within five, and names what the same command goes
on from. In the end its folder equals that of an undisturbed run (see `kill.py`). A pause changes
neither results nor tokens/s.
"""

import collections
import dataclasses
import functools
import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "parts"))
from forked import Blow  # noqa: E402
from promise import check_promise  # noqa: E402
from workplace import Workplace  # noqa: E402

SEED = 28
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
MOST_TO_TELL, MOST_SECONDS = 3.0, 5.0  # from the signal: to the line that says so, to the end
WORKS = "distilbert", "kd", "cache", "prepare", "autotinybert", "parts", "textbrewer"
PAUSE = 6.0  # seconds


class Stopper(Workplace):
    """Stops and pauses works. Args: see `Workplace`."""

    def __init__(self, state):
        super().__init__(state)
        self.draws = random.Random(SEED)
        self.told, self.seconds = [], []  # of each stop
        self.finished = self.pauses = 0
        self.stages = collections.Counter()  # that stops fell in

    def stop(self, work):
        """Runs a work undisturbed, then with a stop of each kind in each stage, and compares."""
        if not self.make_undisturbed(work):
            return
        for place, stage in enumerate(work.stages):
            for signum in CODES:
                act, delay = functools.partial(self._signal, signum), self.draws.uniform(0, 0.2)
                blow = Blow(stage, 1, delay, act=act, later=work.stages[place + 1 :])
                outcome, output = self.run(work, blow)
                at_its_end = outcome.code == 0 and stage == work.stages[-1]
                if outcome.struck and not at_its_end:
                    self._check_stop(work, signum, outcome, output)
                elif stage not in work.stages[-2:]:
                    self.state.expect(False, f"{work.name} was not stopped in {stage}")
        self._finish(work, "stops")

    def pause(self, work):
        """Pauses a work in its training, and compares."""
        shutil.rmtree(self.place, ignore_errors=True)
        for stage in ("teacher", "student"):
            blow = Blow(stage, 3, 0.0, act=_pause)
            part = dataclasses.replace(work, flags=[*work.flags, f"--stop_after={stage}"])
            outcome, output = self.run(part, blow)
            ended = outcome.struck and outcome.code == 0
            last = output.strip().splitlines()[-1:]
            self.pauses += self.state.expect(ended, f"{work.name}, paused in {stage}: {last}")
            rows = (self.place / "run" / "checkpoints" / stage / "curve.jsonl").read_text()
            paces = [json.loads(row).get("tokens_per_second") for row in rows.splitlines()]
            paces = sorted(filter(None, paces))
            tokens = 16 * 8 * 2  # between two logged points
            fine = paces[0] > tokens / PAUSE
            self.state.expect(fine, f"{stage}: a pause counts in {paces[0]:.0f} tokens/s")
        self._finish(work, "pauses")

    def _signal(self, signum, pid):
        """Sends a signal, and notes the seconds until the output says that the run stops."""
        before, began, lines = self.log.stat().st_size, time.monotonic(), []
        os.kill(pid, signum)
        while not any(line.startswith(b"stopp") for line in lines):
            if (seconds := time.monotonic() - began) > MOST_SECONDS:
                break
            time.sleep(0.01)
            with open(self.log, "rb") as file:
                file.seek(before)
                lines = file.read().splitlines()
        self._last_told = seconds

    def _check_stop(self, work, signum, outcome, output):
        what = f"{work.name}, {signal.Signals(signum).name} in {outcome.stage}"
        self.seconds.append(outcome.seconds)
        lines = output.strip().splitlines() or [""]
        self.told.append(self._last_told)
        late = f"{what}: told after {self._last_told:.1f} s"
        self.state.expect(self._last_told < MOST_TO_TELL, late)
        self.state.expect(outcome.code == CODES[signum], f"{what}: exit code {outcome.code}")
        self.state.expect("Traceback" not in output, f"{what}: a traceback")
        self.state.expect(lines[-1].startswith("stopped"), f"{what}: it ended with {lines[-1]!r}")
        slow = f"{what}: it took {outcome.seconds:.1f} s"
        self.state.expect(outcome.seconds < MOST_SECONDS, slow)
        self.stages[outcome.stage.partition("-")[0]] += 1
        self.state.say(f"{what}: told after {self._last_told:.2f} s, {outcome.seconds:.2f} s")

    def _finish(self, work, what):
        if self.expect_end(work):
            self.finished += self.expect_same(f"{work.name}, {what}")
        self.state.say(f"{work.name}: {len(self.seconds)} stops, {self.pauses} pauses")


def _pause(pid):
    os.kill(pid, signal.SIGSTOP)
    time.sleep(PAUSE)
    os.kill(pid, signal.SIGCONT)


def check(state):
    """Stops and pauses works, in the time there is."""
    stopper = Stopper(state)
    done = []
    for name in state.chosen(WORKS):
        if not state.is_over:
            done.append(name)
            stopper.stop(stopper.works[name])
            if name == "distilbert":
                stopper.pause(stopper.works[name])
    told, ended = (max(each, default=0.0) for each in (stopper.told, stopper.seconds))
    stages = ", ".join(f"{name} {count}" for name, count in sorted(stopper.stages.items()))
    return (
        f"{len(stopper.seconds)} stops of {', '.join(done)} ({stages}), told after at most "
        f"{told:.1f} s and ended after at most {ended:.1f} s; {stopper.pauses} pauses; "
        f"{stopper.finished} times all files equalled undisturbed ones"
    )


if __name__ == "__main__":
    check_promise("stop", check)
