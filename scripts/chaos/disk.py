"""Disks that fill up, and folders that become read-only or vanish.

Needs the right to mount (root, or `unshare --user --map-root-user --mount`): the disks are tmpfs.
"""

import contextlib
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "parts"))
from forked import Blow  # noqa: E402
from promise import check_promise  # noqa: E402
from workplace import Workplace  # noqa: E402

STEPS = 32  # sizes of a disk from empty to enough
WORKS = "distilbert", "kd", "cache"  # that fill a disk
BLOCK = 4096  # bytes


class Disks(Workplace):
    """Runs works on small disks. Args: see `Workplace`."""

    full = 0  # disks so far

    def expect_error(self, what, outcome, output, words):
        """Expects one line of error that has some words, and no traceback."""
        errors = [line for line in output.splitlines() if line.startswith("error: ")]
        good = outcome.code == 1 and len(errors) == 1 and "Traceback" not in output
        good = good and all(word in errors[0] for word in words)
        told = errors[0] if errors else output.strip().splitlines()[-1:]
        return self.state.expect(good, f"{what}: exit code {outcome.code}, {told}")

    @contextlib.contextmanager
    def disk(self, size):
        """A tmpfs of some bytes in place of the work's folder."""
        shutil.rmtree(self.place, ignore_errors=True)
        self.place.mkdir()
        _mount("-t", "tmpfs", "-o", f"size={size}", "none", self.place)
        try:
            yield
        finally:
            subprocess.run(["umount", "--lazy", self.place], check=True)

    def fill(self, work):
        """Runs a work on a disk that is too small, and grows it until the work is finished."""
        self.make_undisturbed(work)
        most = 4 * _bytes(self.undisturbed)
        with self.disk(BLOCK):
            for number in range(STEPS + 1):
                size = max(BLOCK, most * number // STEPS // BLOCK * BLOCK)
                _mount("-o", f"remount,size={size}", self.place)
                outcome, output = self.run(work)
                if outcome.code == 0:
                    break
                self.full += 1
                self.expect_error(f"{work.name}, {size} bytes", outcome, output, ["free the disk"])
            self.state.expect(outcome.code == 0, f"{work.name} did not end on a disk with room")
            self.expect_same(f"{work.name} on a small disk")
        self.state.say(f"{work.name}: {number} sizes were too small")

    def make_read_only(self, work):
        """Makes the disk read-only in a training, and before a start."""
        self.make_undisturbed(work)
        with self.disk("100m"):
            self.run(work, Blow("teacher", 8, 0.0))
            _mount("-o", "remount,ro", self.place)
            outcome, output = self.run(work)
            self.expect_error("a read-only disk", outcome, output, ["work", "another"])
            _mount("-o", "remount,rw", self.place)
            outcome, output = self.run(
                work, Blow("student", 3, 0.0, act=lambda _: _read_only(self.place / "run"))
            )
            subprocess.run(["umount", "--lazy", self.place / "run"], check=False)
            self.expect_error("a disk that became read-only", outcome, output, ["another disk"])
            self.run(work)
            self.expect_same("a disk that was read-only")

    def make_vanish(self, work):
        """Renames the folder of a run while it trains, and brings it back."""
        self.make_undisturbed(work)
        aside = self.state.folder / "aside"
        for stage in ("teacher", "student"):
            blow = Blow(stage, 3, 0.0, act=lambda _: self.place.rename(aside))
            outcome, output = self.run(work, blow)
            if self.expect_error(f"vanished in {stage}", outcome, output, [str(self.place)]):
                left = [path for path in self.place.rglob("*") if path.is_file()]
                self.state.expect(not left, f"vanished in {stage}: made anew: {left[:2]}")
            shutil.rmtree(self.place, ignore_errors=True)
            aside.rename(self.place)
        self.run(work)
        self.expect_same("a folder that vanished and came back")


def _read_only(place):
    """Makes a folder read-only whose files are open: a second mount of it lies above the first."""
    _mount("--bind", place, place)
    _mount("-o", "remount,bind,ro", place)


def _mount(*words):
    if subprocess.run(["mount", *words], check=False).returncode:
        raise SystemExit("disk: no right to mount: run it as root")


def _bytes(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def check(state):
    """Fills disks, makes them read-only, and takes folders away."""
    disks = Disks(state)
    parts = {
        **{f"full_{name}": lambda name=name: disks.fill(disks.works[name]) for name in WORKS},
        "read_only": lambda: disks.make_read_only(disks.works["distilbert"]),
        "vanish": lambda: disks.make_vanish(disks.works["distilbert"]),
    }
    done = []
    for name in state.chosen(parts):
        if not state.is_over:
            parts[name]()
            done.append(name)
    return f"{disks.full} full disks; {', '.join(done)}"


if __name__ == "__main__":
    check_promise("disk", check)
