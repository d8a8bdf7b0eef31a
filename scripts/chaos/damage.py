"""Truncates files of runs and flips their bits: each damage is found and named, or made good.

What can be made again (shards, answers, cached signals) is, and a checkpoint before a damaged one
is used; then the run ends as an undisturbed one. Of other files, the error names the file, and
nothing else is touched: with the file restored, the run goes on.
"""

import random
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "parts"))
from forked import Blow  # noqa: E402
from promise import check_promise  # noqa: E402
from workplace import Workplace  # noqa: E402

SEED = 29
FLIPS, CUTS = 3, 1  # of each file, for damage that is made good
MORE = 10  # times as many where a command only has to refuse it
# Work, stage of the kill, files of the stopped run, what the output must say of flipped bits there,
# and whether a truncated one is made good, too; otherwise an error must name it.
MADE_GOOD = (
    ("distilbert", "student", "run/checkpoints/student/step-*.safetensors", "is damaged", True),
    ("distilbert", "student", "shards/*/*.bin", "damaged or of an earlier version", True),
    ("kd", "student", "shards/answers/*/logits.npy", "", True),
    ("cache", "student", "cache/*/mask-*/*.npy", "rows are damaged, made again", False),
)
# Files of a finished run, and the command that has to name them.
NAMED = (
    ("run/metrics.json", "train"),
    ("run/checkpoints/state.json", "train"),
    ("run/export/student.tflite", "fill_mask"),
    ("run/student/model.safetensors", "fill_mask"),
    ("run/student/config.json", "fill_mask"),
    ("run/student/tokenizer.json", "fill_mask"),
)


class Damages(Workplace):
    """Damages files of works. Args: see `Workplace`."""

    def __init__(self, state):
        super().__init__(state)
        self.draws, self.whole = random.Random(SEED), None
        self.made_good = self.named = 0
        self.to_make_good = self.to_name = 0

    def make_whole(self, name):
        """Makes the folder of an undisturbed work, unless the last one was of the same."""
        if self.whole != name:
            self.whole = name if self.make_undisturbed(self.works[name]) else None
        return self.whole

    def make_good(self, name, stage, pattern, told, also_cut):
        """Damages files of a stopped work, which must end as if nothing had been."""
        if not self.make_whole(name):
            return
        work, stopped = self.works[name], self.state.folder / "stopped"
        for folder in (stopped, self.place):
            shutil.rmtree(folder, ignore_errors=True)
        self.run(work, Blow(stage, 20, 0.05))
        self.place.rename(stopped)
        for number in range(FLIPS + CUTS):
            shutil.copytree(stopped, self.place)
            file = max(self.place.glob(pattern), default=None)
            if not self.state.expect(file, f"{name}: no {pattern}"):
                return
            self._damage(file, cut=number >= FLIPS)
            outcome, output = self.run(work)
            what = f"{pattern}, damage {number}"
            if number >= FLIPS and not also_cut:
                self._expect_named(what, file, outcome, output)
            else:
                self._expect_made_good(what, told, outcome, output)
            shutil.rmtree(self.place)
        self.state.say(f"{pattern}: {self.made_good} of {self.to_make_good} made good")

    def name(self, pattern, command):
        """Damages a file of a finished run; a command must refuse it and name it."""
        if not self.make_whole("distilbert"):
            return
        work, run = self.works["distilbert"], self.place / "run"
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(self.undisturbed, self.place)
        file = self.place / pattern
        model = file if file.suffix == ".tflite" else run / "student"
        flags = work.flags if command == "train" else [f"--model={model}", "the [MASK] of it"]
        content = file.read_bytes()
        for number in range(MORE * (FLIPS + CUTS)):
            self._damage(file, cut=number >= MORE * FLIPS)
            outcome, output = self.call(lambda: self.forks.run(command, flags))
            self._expect_named(f"{pattern}, damage {number}", file, outcome, output)
            file.write_bytes(content)
        outcome, output = self.call(lambda: self.forks.run(command, flags))
        self.state.expect(outcome.code == 0, f"{pattern} restored: {output[-200:]}")
        self.state.say(f"{pattern}: {self.named} of {self.to_name} named")

    def _expect_made_good(self, what, told, outcome, output):
        self.to_make_good += 1
        last = output.strip().splitlines()[-1:]
        good = self.state.expect(outcome.code == 0, f"{what}: {last}")
        good &= self.expect_same(what, ignored=lambda line: ".damaged" in line)
        self.made_good += good & self.state.expect(told in output, f"{what}: not told")

    def _expect_named(self, what, file, outcome, output):
        self.to_name += 1
        lines = output.strip().splitlines()
        errors = [line for line in lines if line.startswith("error: ")]
        good = outcome.code == 1 and len(errors) == 1 and str(file) in errors[0]
        good = good and "Traceback" not in output
        self.named += self.state.expect(good, f"{what}: exit code {outcome.code}, {lines[-1:]}")

    def _damage(self, file, cut):
        content = bytearray(file.read_bytes())
        if cut:
            content = content[: self.draws.randrange(len(content))]
        else:
            filled = [place for place, byte in enumerate(content) if byte]  # others may be holes
            content[self.draws.choice(filled)] ^= 1 << self.draws.randrange(8)
        file.write_bytes(content)


def check(state):
    """Damages every kind of file, in the time there is."""
    damages = Damages(state)
    parts = {case[0]: lambda case=case: damages.name(*case) for case in NAMED}
    parts |= {case[2]: lambda case=case: damages.make_good(*case) for case in MADE_GOOD}
    done = []
    for pattern in state.chosen(parts):
        if not state.is_over:
            parts[pattern]()
            done.append(pattern)
    return (
        f"{damages.named} of {damages.to_name} damages named, {damages.made_good} of "
        f"{damages.to_make_good} made good, of {', '.join(done)}"
    )


if __name__ == "__main__":
    check_promise("damage", check)
