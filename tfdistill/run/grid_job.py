"""Makes the runs of a grid, one process each; several processes may work on one grid."""

import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import time

from tfdistill.run.directory import read_state
from tfdistill.run.grid import runs_by_reason
from tfdistill.system import clock, strict_json
from tfdistill.system.errors import UserError
from tfdistill.system.files import locked, write_atomically

DONE, FAILED, OPEN = "done", "failed", "open"
LAST_STAGE = "report"
WAIT = 5.0  # seconds between two looks at runs that other processes make
LOOK = 1.0  # seconds between two looks at the output of a run
TAIL = 4096  # bytes of a log that are read for its last line


class GridJob:
    """Makes all runs of a grid.

    Args:
        grid: a `Grid`.
        folder: `pathlib.Path` of all its runs.
        console: a `Console`.

    Raises:
        UserError: a run was begun with other flags than those of the grid.
    """

    def __init__(self, grid, folder, console):
        self._grid, self.folder, self._console = grid, folder, console
        self._runs = grid.ordered()
        for run in self._runs:
            self._require_same_flags(run)

    def state(self, run):
        """One of `DONE`, `FAILED` and `OPEN`.

        Args:
            run: a `GridRun`.
        """
        if (run.last_stage or LAST_STAGE) in read_state(run.folder)["done"]:
            return DONE
        return FAILED if self._failure(run).is_file() else OPEN

    def minutes(self, run):
        """How long a run will take, in minutes; None if that is unknown.

        It is the time of the finished runs that share most values with it. Where the file has
        estimates, the run's own one is scaled by what these runs took of theirs.

        Args:
            run: a `GridRun`.
        """
        return self._estimate(run, self._times())

    def _times(self):
        """list of (run, minutes) of the finished runs."""
        return [(each, _minutes(each)) for each in self._runs if self.state(each) == DONE]

    def _estimate(self, run, times):
        guess = self._grid.estimate(run)
        known = [
            (len(run.place.items() & each.place.items()), minutes, self._grid.estimate(each))
            for each, minutes in times
            if minutes and each.last_stage == run.last_stage
        ]
        if not known:
            return guess
        nearest = max(alike for alike, *_ in known)
        minutes, guesses = zip(*(rest for alike, *rest in known if alike == nearest), strict=True)
        if guess and all(guesses):
            return guess * sum(minutes) / sum(guesses)
        return statistics.fmean(minutes)

    def describe(self, retry=False):
        """Lines that list all runs, with their state and an estimate of the time left.

        Args:
            retry: whether failed runs are made again.
        """
        lines, known, count, times = [], [], 0, self._times()
        for run in self._runs:
            state, blocked = self.state(run), self._blocked(run)
            is_made = state == OPEN and not blocked or retry and state != DONE
            minutes = self._estimate(run, times) if is_made else None
            state = f"needs {blocked}, which failed" if state == OPEN and blocked else state
            lines.append(f"{run.name}: {state}{_about(minutes)}")
            known += [minutes] * (minutes is not None)
            count += is_made
        left_out = {name: f"left out: {reason}" for name, reason in self._grid.left_out}
        lines += runs_by_reason(left_out)
        total = f"{count} of {len(self._runs)} runs to make"
        if known:
            total += _about(sum(known))
            total += f" for {len(known)} of them" if len(known) < count else ""
        elif count:
            total += "; how long they take is known when one is finished"
        return [*lines, total]

    def make(self, retry=False):
        """Makes the runs that are neither done nor failed.

        Args:
            retry: make failed runs again.

        Returns:
            dict of the names of failed runs to the reasons.
        """
        if retry:
            for run in self._runs:
                self._failure(run).unlink(missing_ok=True)
        while waiting := [run for run in self._runs if self.state(run) == OPEN]:
            waiting = [run for run in waiting if not self._blocked(run)]
            if not waiting:
                break
            if not any([self._try(run) for run in waiting if self._is_ready(run)]):
                time.sleep(WAIT)
        return self.failures()

    def failures(self):
        """dict of the names of failed runs, and of those that need one, to the reasons."""
        found = {}
        for run in self._runs:
            if self.state(run) == FAILED:
                found[run.name] = self._stored_reason(run)
            elif blocked := self._blocked(run):
                found[run.name] = f"needs {blocked}, which failed"
        return found

    def _file(self, kind, run, ending):
        """A file of a run outside its own folder, which tfdistill.train may delete."""
        return self.folder / kind / f"{run.folder.relative_to(self.folder)}{ending}"

    def _failure(self, run):
        return self._file("failures", run, ".json")

    def _stored_reason(self, run):
        cure = "delete it, then the run is made again"
        return strict_json.read_object(self._failure(run), {"reason": str}, cure)["reason"]

    def _log(self, run):
        return self._file("logs", run, ".log")

    def _flags(self, run):
        return self._file("flags", run, ".json")

    def _require_same_flags(self, run):
        """Refuses a grid whose flags were changed after a run was begun with others."""
        if not self._flags(run).is_file():
            return
        before = strict_json.read_object(self._flags(run), {}, f"delete it and {run.folder}")
        names = [
            name for name in {**before, **run.flags} if before.get(name) != run.flags.get(name)
        ]
        if not names:
            return
        if read_state(run.folder)["done"]:
            pair = [flags.get(names[0], "not set") for flags in (before, run.flags)]
            raise UserError(
                f"{run.folder} was made with `{names[0]}` {pair[0]}, and the grid has {pair[1]}: "
                "delete this folder, or name another `output_dir`"
            )
        self._failure(run).unlink(missing_ok=True)  # the change may be the cure

    def _is_ready(self, run):
        return all(self.state(each) == DONE for each in run.needs)

    def _blocked(self, run):
        """The name of a failed run that a run needs; None without one."""
        failed = (each.name for each in run.needs if self.state(each) == FAILED)
        return next(failed, None)

    def _try(self, run):
        """Makes a run, unless another process is making it: whether its state is known now."""
        lock = self._file("locks", run, ".lock")
        lock.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(BlockingIOError), locked(lock, wait=False) as file:
            if self.state(run) == OPEN:
                self._make(run, file.fileno())
            return True
        return False

    def _make(self, run, lock):
        """Makes a run in a process of its own, which holds the lock as long as it lives."""
        number = 1 + sum(self.state(each) != OPEN for each in self._runs)
        about = _about(self.minutes(run))
        self._console.say(f"{number}/{len(self._runs)} {run.name}{about}")
        log, started = self._log(run), clock.now()
        log.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self._flags(run), json.dumps(run.flags, indent=1) + "\n")
        with open(log, "ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "tfdistill.train", *run.words()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches this process only, which hands it on
                pass_fds=(lock,),
            )
            code = self._watch(process, run)
        minutes = (clock.now() - started) / 60
        if self.state(run) == DONE:
            self._console.say(f"{run.name}: done in {minutes:.1f} min")
            return
        reason = _reason(code, _last_line(log))
        content = json.dumps({"exit_code": code, "reason": reason}, indent=1)
        write_atomically(self._failure(run), content + "\n")
        self._console.say(f"{run.name}: failed: {reason} (log: {log})")

    def _watch(self, process, run):
        """Shows a process's last line until it ends: its exit code. A stop is handed on to it."""
        line, shown = self._console.progress("run", None), ""
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    return process.wait(LOOK)
                last = _last_line(self._log(run)).strip()
                if last not in ("", shown):
                    line(0, f"{run.name}: {last}")
                    shown = last
        except KeyboardInterrupt as stop:
            process.send_signal(getattr(stop, "signum", signal.SIGINT))
            process.wait()
            raise


def _about(minutes):
    if minutes is None:
        return ""
    hours, rest = divmod(max(1, round(minutes)), 60)
    return f", about {hours} h {rest:02d} min" if hours else f", about {rest} min"


def _minutes(run):
    """Minutes that a finished run computed; None where they are unknown."""
    done = read_state(run.folder)["done"].values()
    seconds = [facts.get("seconds") for facts in done if isinstance(facts, dict)]
    seconds = [each for each in seconds if isinstance(each, int | float)]
    return sum(seconds) / 60 if seconds else None


def _last_line(log):
    try:
        with open(log, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return next((line for line in reversed(lines) if line.strip()), "")


def _reason(code, line):
    if code < 0:
        return f"ended by signal {-code} ({signal.strsignal(-code)})"
    return line.removeprefix("error: ").strip() or f"exit code {code}"
