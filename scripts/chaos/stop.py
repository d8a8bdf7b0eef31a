"""Stops runs by SIGINT and SIGTERM in every stage, and pauses them by SIGSTOP.

A stopped run says at once that it stops, ends within five seconds, unless a compiler or another
native call takes longer, and names what the same command goes on from. In the end its folder equals
that of an undisturbed run (see `kill.py`). A pause changes neither results nor tokens/s.
"""

import json
import random
import shutil
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "parts"))
from forked import Blow, Forks  # noqa: E402
from promise import check_promise  # noqa: E402
from same import differences  # noqa: E402
from works import all_works, make_inputs  # noqa: E402

SEED = 28
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
MOST_SECONDS = 5.0
WORKS = "distilbert", "kd", "textbrewer", "cache", "parts", "prepare"
PAUSE = 6.0  # seconds


class Stopper:
    """Stops works.

    Args:
        state: the `Check`.
    """

    def __init__(self, state):
        self.state, self.log = state, state.folder / "output.log"
        self.draws, self.forks = random.Random(SEED), Forks(self.log)
        self.place, self.undisturbed = state.folder / "work", state.folder / "undisturbed"
        self.stops, self.seconds, self.finished, self.pauses = 0, [], 0, 0

    def stop(self, work):
        """Runs a work undisturbed, then with a stop of each kind in each stage, and compares."""
        for folder in (self.place, self.undisturbed):
            shutil.rmtree(folder, ignore_errors=True)
        if not self._expect_end(work, self.forks.run(work.command, work.flags)):
            return
        self.place.rename(self.undisturbed)
        for stage in work.stages:
            for signum in CODES:
                step, delay = self.draws.randint(1, 2), self.draws.uniform(0, 0.2)
                place = self.log.stat().st_size
                outcome = self.forks.run(
                    work.command, work.flags, Blow(stage, step, delay, signum=signum)
                )
                at_its_end = outcome.code == 0 and stage == work.stages[-1]
                if outcome.struck and not at_its_end:
                    self._check_stop(f"{work.name}, {stage}", signum, outcome, self._since(place))
        if self._expect_end(work, self.forks.run(work.command, work.flags)):
            self._compare(work, "stops")

    def pause(self, work):
        """Pauses a work in its training, and compares."""
        shutil.rmtree(self.place, ignore_errors=True)
        for stage in ("teacher", "student"):
            blow = Blow(stage, 3, 0.0, act=_pause)
            outcome = self.forks.run(work.command, work.flags + ["--stop_after=" + stage], blow)
            self._expect_end(work, outcome)
            self.pauses += outcome.struck
            rows = (self.place / "run" / "checkpoints" / stage / "curve.jsonl").read_text()
            paces = [json.loads(row).get("tokens_per_second") for row in rows.splitlines()]
            paces = sorted(filter(None, paces))
            tokens = 16 * 8 * 2  # between two logged points
            fine = paces[0] > tokens / PAUSE
            self.state.expect(fine, f"{stage}: a pause counts in {paces[0]:.0f} tokens/s")
        if self._expect_end(work, self.forks.run(work.command, work.flags)):
            self._compare(work, "pauses")

    def _check_stop(self, what, signum, outcome, output):
        self.stops += 1
        self.seconds.append(outcome.seconds)
        lines = output.strip().splitlines() or [""]
        self.state.expect(outcome.code == CODES[signum], f"{what}: exit code {outcome.code}")
        self.state.expect("Traceback" not in output, f"{what}: a traceback")
        self.state.expect(lines[-1].startswith("stopped"), f"{what}: it ended with {lines[-1]!r}")
        slow = f"{what}: it took {outcome.seconds:.1f} s"
        self.state.expect(outcome.seconds < MOST_SECONDS, slow)

    def _since(self, place):
        with open(self.log, "rb") as file:
            file.seek(place)
            return file.read().decode("utf-8", "replace")

    def _expect_end(self, work, outcome):
        last = self._since(max(0, self.log.stat().st_size - 300)).strip()
        return self.state.expect(outcome.code == 0, f"{work.name}: {last.splitlines()[-1:]}")

    def _compare(self, work, what):
        found = differences(self.undisturbed, self.place)
        self.state.expect(not found, f"{work.name}, {what}: {'; '.join(found[:3])} ({len(found)})")
        self.finished += not found
        self.state.say(f"{work.name}: {self.stops} stops, {self.pauses} pauses")


def _pause(pid):
    import os

    os.kill(pid, signal.SIGSTOP)
    time.sleep(PAUSE)
    os.kill(pid, signal.SIGCONT)


def check(state):
    """Stops and pauses works, in the time there is."""
    stopper = Stopper(state)
    inputs = state.folder / "inputs"
    inputs.mkdir(exist_ok=True)
    if stopper.forks.call(lambda: make_inputs(inputs)).code:
        raise SystemExit(f"the inputs could not be made: see {stopper.log}")
    works = {work.name: work for work in all_works(inputs, stopper.place)}
    for name in state.chosen(WORKS):
        if not state.is_over:
            stopper.stop(works[name])
            if name == "distilbert":
                stopper.pause(works[name])
    slowest = max(stopper.seconds, default=0.0)
    return (
        f"{stopper.stops} stops, the slowest {slowest:.1f} s after its signal; {stopper.pauses} "
        f"pauses; {stopper.finished} works ended as undisturbed ones"
    )


if __name__ == "__main__":
    check_promise("stop", check)
