"""Kills runs with SIGKILL in every stage, and compares what they end with to undisturbed runs.

Each work of `parts/works.py` runs once undisturbed. Then it runs again and is killed several times
in each of its stages, after the first step of the stage: at random moments, inside of writes, and,
in some stages (`BRIEF`), at once after a step.

Seconds, tokens/s and latencies apart, its folders must then be equal to the first ones.
"""

import collections
import json
import random
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "parts"))
from forked import NEW, PHASES, STEP, Blow  # noqa: E402
from promise import check_promise  # noqa: E402
from workplace import Workplace  # noqa: E402

SEED = 27
USUAL = 4  # blows in a stage of each work
BLOWS = {"prepare": 12, "search": 10, "augmentation": 6, "cache": 12, "tokens": 12}
BLOWS |= {"no_teacher": 7, "baseline_start": 7, "evaluate": 5, "export": 5, "report": 5}
MOST_STEPS = dict(prepare=5, answers=2, augmentation=1, tokens=1, evaluate=1, report=2)
LONGEST_DELAY = 0.25  # seconds from a step to the blow
# Stages that may end before such a blow.
BRIEF = "prepare cache answers augmentation tokens evaluate report".split()


class Killer(Workplace):
    """Kills works. Args: see `Workplace`."""

    def __init__(self, state):
        super().__init__(state)
        self._draws, self._copy = random.Random(SEED), state.folder / "copy"
        self._blows = open(state.folder / "kills.jsonl", "a", encoding="utf-8")
        self.counts, self.in_writes, self.finished = collections.Counter(), 0, 0
        self.outside = 0  # blows before a first step, or after the end

    def kill(self, work):
        """Runs a work undisturbed, then with kills, and compares.

        Args:
            work: a `Work`.
        """
        if not self.make_undisturbed(work):
            return
        if self._strike_all(work):
            self.finished += self.expect_same(work.name)
        kills = f"{sum(self.counts.values())} kills, {self.in_writes} in writes"
        self.state.say(f"{work.name}: {kills}; {self.finished} works equal")

    def _strike_all(self, work):
        """Kills and starts a work again until it is finished; returns whether it is."""
        for place, stage in enumerate(work.stages):
            count = self._count(work, stage)
            for number in range(count):
                self._keep_copy()
                in_write = number == count - 1 if stage in BRIEF else number % 3 == 2
                blow = self._blow(stage, in_write, work.stages[place + 1 :])
                outcome, output = self.run(work, blow)
                self._note(work, blow, outcome)
                last = output.strip().splitlines()[-1:]
                fault = f"{work.name}, killed in {stage}: exit code {outcome.code}, {last}"
                sound = outcome.code in (0, -9) and "Traceback" not in output
                if not self.state.expect(sound, fault):
                    return False
                if outcome.code == 0:
                    self._restore_copy()  # a finished work would only show its results
        return self.expect_end(work)

    def _keep_copy(self):
        shutil.rmtree(self._copy, ignore_errors=True)
        if self.place.exists():
            shutil.copytree(self.place, self._copy, symlinks=True)

    def _restore_copy(self):
        shutil.rmtree(self.place)
        if self._copy.exists():
            self._copy.rename(self.place)

    def _count(self, work, stage):
        """Blows in a stage of a work; `kill.py WORK=COUNT` sets them."""
        asked = [word.partition("=") for word in self.state.only]
        asked = [count for name, _, count in asked if name == work.name and count]
        return int(asked[0]) if asked else BLOWS.get(stage, USUAL)

    def _blow(self, stage, in_write, later):
        draws, most = self._draws, MOST_STEPS.get(stage, 6)
        step = draws.randint(1, most)
        if in_write:
            phase = draws.choice(PHASES)
            return Blow(stage, 1, None, write=draws.randint(0, 2), phase=phase, later=later)
        if stage in BRIEF:
            return Blow(stage, step, None, phase=STEP, later=later)
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
        if outcome.code != -9 or outcome.step < 1:
            self.outside += 1
        else:
            self.counts[outcome.stage.partition("-")[0]] += 1
            aimed = blow.phase in PHASES and outcome.stage == blow.stage
            self.in_writes += bool(left) or aimed

    def _leftovers(self):
        """Files and folders of writes that a kill interrupted."""
        return [path for path in self.place.rglob("*") if path.name.endswith(NEW)]


def check(state):
    """Kills every work, in the time there is."""
    killer = Killer(state)
    chosen = state.chosen(killer.works)
    for name in chosen:
        if state.is_over:
            break
        killer.kill(killer.works[name])
    stages = ", ".join(f"{name} {count}" for name, count in sorted(killer.counts.items()))
    return (
        f"{sum(killer.counts.values())} kills after a first step ({stages}), {killer.in_writes} of "
        f"them in a write; {killer.outside} more came before a first step or too late; "
        f"{killer.finished} of {len(chosen)} works ended as undisturbed ones"
    )


if __name__ == "__main__":
    check_promise("kill", check)
