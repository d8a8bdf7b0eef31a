"""Kills runs with SIGKILL in every stage, and compares what they end with to undisturbed runs.

Each work of `parts/works.py` runs once undisturbed. Then it runs again and is killed several times
in each of its stages, after the first step of the stage: at random moments, and inside of writes.
Seconds, tokens/s and latencies apart, its folders must then be equal to the first ones.
"""

import collections
import json
import random
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "parts"))
from forked import PHASES, Blow, Forks  # noqa: E402
from promise import check_promise  # noqa: E402
from same import differences  # noqa: E402
from works import all_works, make_inputs  # noqa: E402

SEED = 27
BLOWS = {"prepare": 12, "search": 10, "augmentation": 6, "cache": 12}  # in a stage of each work
USUAL = 4
MOST_STEPS = {"prepare": 5, "answers": 3, "augmentation": 2, "export": 6, "report": 3}
LONGEST_DELAY = 0.25  # seconds from a step to the blow


class Killer:
    """Kills works.

    Args:
        state: the `Check`.
    """

    def __init__(self, state):
        self._state, self._draws = state, random.Random(SEED)
        self._log = state.folder / "output.log"
        self._forks = Forks(self._log)
        self._blows = open(state.folder / "kills.jsonl", "a", encoding="utf-8")
        self.place = state.folder / "work"
        self.counts, self.in_writes, self.finished = collections.Counter(), 0, 0
        self.early = self.missed = 0

    def make_inputs(self):
        """Writes the data of all works."""
        folder = self._state.folder / "inputs"
        folder.mkdir(exist_ok=True)
        outcome = self._forks.call(lambda: make_inputs(folder))
        if outcome.code:
            raise SystemExit(f"the inputs could not be made: see {self._log}")
        return folder

    def kill(self, work, keep=None):
        """Runs a work undisturbed, then with kills, and compares.

        Args:
            work: a `Work`.
            keep: `Path` to copy the student of the undisturbed run to; None: nowhere.
        """
        state, undisturbed = self._state, self._state.folder / "undisturbed"
        for folder in (self.place, undisturbed):
            shutil.rmtree(folder, ignore_errors=True)
        outcome = self._forks.run(work.command, work.flags)
        if not state.expect(outcome.code == 0, f"{work.name}: {self._last_line()}"):
            return
        if keep:
            shutil.copytree(self.place / "run" / "student", keep, dirs_exist_ok=True)
        self.place.rename(undisturbed)
        if not self._strike_all(work):
            return
        found = differences(undisturbed, self.place)
        state.expect(not found, f"{work.name}: {'; '.join(found[:3])} ({len(found)} files)")
        self.finished += not found
        state.say(f"{work.name}: {sum(self.counts.values())} kills, {self.in_writes} in writes")

    def _strike_all(self, work):
        """Kills and starts a work again until it is finished; returns whether it is."""
        for place, stage in enumerate(work.stages):
            for number in range(self._count(work, stage)):
                blow = self._blow(stage, number, work.stages[place + 1 :])
                outcome = self._forks.run(work.command, work.flags, blow)
                self._note(work, blow, outcome)
                if outcome.code not in (0, -9):
                    fault = f"{work.name}, killed in {stage}: {self._last_line()}"
                    return self._state.expect(False, fault)
                if outcome.code == 0 and self._ends(work):
                    return True
        outcome = self._forks.run(work.command, work.flags)
        return self._state.expect(outcome.code == 0, f"{work.name}: {self._last_line()}")

    def _count(self, work, stage):
        """Blows in a stage of a work; `kill.py WORK=COUNT` sets them."""
        asked = [word.partition("=") for word in self._state.only]
        asked = [count for name, _, count in asked if name == work.name and count]
        return int(asked[0]) if asked else BLOWS.get(stage, USUAL)

    def _ends(self, work):
        return work.command == "train"  # a finished run only shows its results

    def _blow(self, stage, number, later):
        draws, most = self._draws, MOST_STEPS.get(stage, 6)
        step = draws.randint(1, most)
        if number % 3 == 2:
            phase = draws.choice(PHASES)
            return Blow(stage, 1, None, write=draws.randint(0, 2), phase=phase, later=later)
        return Blow(stage, step, draws.uniform(0, LONGEST_DELAY), later=later)

    def _note(self, work, blow, outcome):
        left = [str(path) for path in self._leftovers()]
        facts = {
            "work": work.name,
            "aim": blow.stage,
            "stage": outcome.stage,
            "step": outcome.step,
            "code": outcome.code,
            "path": outcome.path,
            "cpu": round(outcome.cpu, 2),
            "phase": blow.phase,
            "left": left[:3],
        }
        self._blows.write(json.dumps(facts) + "\n")
        self._blows.flush()
        if outcome.code != -9:
            self.missed += 1
        elif outcome.step < 1:
            self.early += 1
        else:
            self.counts[outcome.stage.partition("-")[0]] += 1
            self.in_writes += bool(left) or bool(blow.phase)

    def _leftovers(self):
        """Files and folders of writes that a kill interrupted."""
        ends = (".tmp", ".tfdistill-new", ".partial")
        return [path for path in self.place.rglob("*") if path.name.endswith(ends)]

    def _last_line(self):
        lines = self._log.read_text("utf-8", "replace").splitlines()
        return next((line for line in reversed(lines) if line.strip()), "no output")[:300]


def check(state):
    """Kills every work, in the time there is."""
    killer = Killer(state)
    folder = killer.make_inputs()
    works = {work.name: work for work in all_works(folder, killer.place)}
    for work in map(works.get, state.chosen(works)):
        if state.is_over:
            break
        killer.kill(work, keep=folder / "super" if work.name == "autotinybert" else None)
    stages = ", ".join(f"{name} {count}" for name, count in sorted(killer.counts.items()))
    tracebacks = (state.folder / "output.log").read_text("utf-8", "replace").count("Traceback")
    if tracebacks:
        state.expect(False, f"{tracebacks} tracebacks")
    return (
        f"{sum(killer.counts.values())} kills after a first step ({stages}), {killer.in_writes} of "
        f"them in a write; {killer.finished} works ended as undisturbed ones"
    )


if __name__ == "__main__":
    check_promise("kill", check)
