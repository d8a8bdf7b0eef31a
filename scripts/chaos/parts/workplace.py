"""Where a check runs works: their inputs, forks and output, and what they are compared to."""

import shutil

from forked import Forks
from same import differences
from works import all_works, make_inputs


class Workplace:
    """Runs works in forks, and compares their folder to that of an undisturbed work.

    Args:
        state: the `Check`, in whose folder everything lies.

    Attributes:
        state: as given.
        inputs: `Path` of the data of all works.
        place: `Path` of what a work writes.
        undisturbed: `Path` of what the same work wrote when nothing disturbed it.
        forks: the `Forks`.
        log: `Path` of the output of all forks.
        works: dict of names to `Work`s.

    Raises:
        SystemExit: the inputs could not be made.
    """

    def __init__(self, state):
        folder = state.folder
        self.state, self.inputs, self.log = state, folder / "inputs", folder / "output.log"
        self.place, self.undisturbed = folder / "work", folder / "undisturbed"
        self.forks = Forks(self.log)
        self.inputs.mkdir(exist_ok=True)
        if self.forks.call(lambda: make_inputs(self.inputs)).code:
            raise SystemExit(f"the inputs could not be made: see {self.log}")
        self.works = {work.name: work for work in all_works(self.inputs, self.place)}

    def run(self, work, blow=None):
        """Runs a work in `place`, on what lies there: (its `Outcome`, its output).

        Args:
            work: the `Work`.
            blow: the `Blow` that strikes it; None: it runs to its end.
        """
        return self.call(lambda: self.forks.run(work.command, work.flags, blow))

    def call(self, forked):
        """Calls a function that returns the `Outcome` of a fork: (this outcome, its output)."""
        before = self.log.stat().st_size
        outcome = forked()
        with open(self.log, "rb") as file:
            file.seek(before)
            return outcome, file.read().decode("utf-8", "replace")

    def clear(self):
        """Deletes what a work wrote, disturbed and undisturbed."""
        for folder in (self.place, self.undisturbed):
            shutil.rmtree(folder, ignore_errors=True)

    def make_undisturbed(self, work):
        """Runs a work from its beginning, and puts it aside; returns whether it came to its end.

        After the work `autotinybert` its student is copied: the work `parts` reads that copy.
        """
        self.clear()
        if ended := self.expect_end(work):
            self.place.rename(self.undisturbed)
            if work.name == "autotinybert":
                student = self.undisturbed / "run" / "student"
                shutil.copytree(student, self.inputs / "super", dirs_exist_ok=True)
        return ended

    def expect_end(self, work, blow=None):
        """Runs a work, and expects it to come to its end; returns whether it has."""
        outcome, output = self.run(work, blow)
        last = output.strip().splitlines()[-1:]
        return self.state.expect(outcome.code == 0, f"{work.name}: {last}")

    def expect_same(self, what, ignored=lambda line: False):
        """Expects `place` to equal `undisturbed` (see `differences`); returns whether it does.

        Args:
            what: names the case in a fault.
            ignored: function of a line of `differences`; a line it returns true for does not count.
        """
        found = [line for line in differences(self.undisturbed, self.place) if not ignored(line)]
        return self.state.expect(not found, f"{what}: {'; '.join(found[:3])} ({len(found)} files)")
