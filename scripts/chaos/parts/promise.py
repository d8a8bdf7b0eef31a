"""How the script of a promise begins and ends: --minutes, the line of verdict, the exit code."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


class Check:
    """One promise while it is checked.

    Args:
        name: of the promise.
        minutes: how long the check may take; None: as long as its figure needs.
        folder: `Path` of an empty folder, which is deleted afterwards.
        only: words that name parts of the check, "NAME" or "NAME=VALUE"; empty: all parts.

    Attributes:
        minutes, folder, only: as given.
        faults: lines that say what broke it.
    """

    def __init__(self, name, minutes, folder, only=()):
        self.name, self.folder, self.only, self.faults = name, folder, only, []
        self.minutes, self._started, self._has_parts = minutes, time.monotonic(), False
        self._held = 0

    @property
    def seconds(self):
        """Seconds since the check began."""
        return time.monotonic() - self._started

    @property
    def is_over(self):
        """Whether its time is used up."""
        return self.minutes is not None and self.seconds >= 60 * self.minutes

    def chosen(self, names):
        """Which parts are asked for.

        Args:
            names: those of all parts.

        Returns:
            list of the names that `only` has, in the order of `names`; all if it is empty.

        Raises:
            SystemExit: a word names no part.
        """
        names, asked = list(names), [word.partition("=")[0] for word in self.only]
        for word in asked:
            if word not in names:
                raise SystemExit(f"{self.name}: no part {word!r}: choose of {'; '.join(names)}")
        self._has_parts = True
        return [name for name in names if name in asked or not asked]

    def judge(self):
        """Notes as faults that nothing held, or that words were given to a check without parts."""
        if self.only and not self._has_parts:
            self.faults.append(f"it has no parts, and {', '.join(self.only)} were asked for")
        elif not self._held and not self.faults:
            self.faults.append("nothing was checked")

    def say(self, text):
        """Tells what is done, on standard error, with the time."""
        print(f"{self.name} {self.seconds:7.1f} s  {text}", file=sys.stderr, flush=True)

    def expect(self, holds, fault):
        """Notes a fault unless something holds; returns whether it does."""
        self._held += bool(holds)
        if not holds:
            self.faults.append(fault)
            self.say(f"FAULT: {fault}")
        return holds


def check_promise(name, check):
    """Checks a promise, prints its verdict and ends the process.

    Args:
        name: of the promise, that of its script.
        check: function of a `Check` that returns the figures, a line of text.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, help="how long; default: as its figure needs")
    parser.add_argument("--folder", help="folder to work in, which is kept; default: a new one")
    parser.add_argument("only", nargs="*", help="parts of the check; default: all")
    arguments = parser.parse_args()
    sys.path.insert(0, str(ROOT))  # this copy of the package, wherever the script was started
    with tempfile.TemporaryDirectory(prefix=f"chaos-{name}-") as made:
        folder = Path(arguments.folder or made).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        state = Check(name, arguments.minutes, folder, arguments.only)
        figures = check(state)
        state.judge()
    verdict = "BROKEN" if state.faults else "kept"
    faults = "".join(f"; {fault}" for fault in state.faults[:3])
    more = f"; and {len(state.faults) - 3} more" if len(state.faults) > 3 else ""
    print(f"{verdict:6} {name}: {figures}, in {state.seconds:.0f} s{faults}{more}", flush=True)
    sys.exit(1 if state.faults else 0)
