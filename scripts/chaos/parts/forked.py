"""Runs of commands in forks of a process that has imported TensorFlow: they start in no time.

A fork records its stage and step in memory that it shares with its parent, which may strike it
there. Training steps are not compiled by XLA, and times of exported files are constants, since both
differ between runs.
"""

import dataclasses
import importlib
import mmap
import os
import pkgutil
import random
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable

LOOK = 0.0005  # seconds between two looks at a fork
BETWEEN = "between"  # the stage of a fork that is in none
LATE = "matplotlib.pyplot safetensors.numpy scipy.stats sklearn.metrics tensorboard".split()
PHASES = ("half", "full", "synced", "renamed")  # of an atomic write
NEW = (".tmp", ".tfdistill-new", ".partial")  # ends of names until a write is whole
STEP = "step"  # the phase of a blow at once after a step
_HEAD = struct.Struct("qqq64s200s")  # steps, writes, whether a write is open, stage, path


class Record:
    """Where a fork is: its stage, the steps it has done there, and the file that it writes."""

    def __init__(self):
        self._map = mmap.mmap(-1, _HEAD.size)
        self.clear()

    def clear(self):
        """Forgets everything, before a fork."""
        self.set(0, 0, 0, BETWEEN, "")

    def set(self, *values):
        """Stores (steps, writes, open, stage, path)."""
        *numbers, stage, path = values
        self._map[:] = _HEAD.pack(*numbers, stage.encode()[:64], path.encode()[-200:])

    def get(self):
        """Returns what was stored: (steps, writes, open, stage, path)."""
        *numbers, stage, path = _HEAD.unpack(self._map[:])
        return (*numbers, *(each.rstrip(b"\0").decode(errors="replace") for each in (stage, path)))


@dataclasses.dataclass(frozen=True)
class Blow:
    """Where a fork is struck.

    Args:
        stage: name of the stage.
        step: steps in it, of this fork, before the blow.
        delay: seconds from there to the blow, by the parent; None: the fork kills itself.
        write: which of the following atomic writes, from 0.
        phase: one of `PHASES`, how far this write has come; `STEP`: at the step, in no write.
        signum: the signal of a blow of the parent.
        act: function that the parent calls in place of a signal; None: the signal.
        later: names of stages after this one. A stage may end before the blow, or have no such
            write as it waits for; then the fork is killed after the first step of one of these.
    """

    stage: str
    step: int
    delay: float | None
    write: int = 0
    phase: str = ""
    signum: int = signal.SIGKILL
    act: Callable | None = None
    later: tuple = ()


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a fork ended.

    Args:
        code: its exit code; the negative number of the signal that ended it.
        struck: whether the blow fell.
        stage, step, path: where it was when the blow fell, or at its end.
        seconds: from the blow to the end; from the start without a blow.
        cpu: CPU seconds that it took.
    """

    code: int
    struck: bool
    stage: str
    step: int
    path: str
    seconds: float
    cpu: float


class Forks:
    """Starts commands in forks of this process, one after the other.

    Args:
        log: file that gets the output of all.
    """

    def __init__(self, log):
        self._log, self._record = log, Record()
        from tfdistill.system import devices

        devices.prepare_import()
        import tfdistill

        for module in pkgutil.walk_packages(tfdistill.__path__, "tfdistill."):
            importlib.import_module(module.name)
        for name in LATE:
            importlib.import_module(name)

    def run(self, command, words, blow=None):
        """Runs a command, and strikes it: an `Outcome`.

        Args:
            command: its name.
            words: its flags, a list.
            blow: the `Blow`; None: it runs to its end.
        """
        return self.call(lambda: _main(command, words), blow)

    def call(self, body, blow=None):
        """Runs a function in a fork: an `Outcome`. Its result, if any, is the exit code."""
        self._record.clear()
        started, pid = time.monotonic(), os.fork()
        if pid == 0:
            self._child(body, blow)
        struck = where = None
        while not (ended := os.wait4(pid, os.WNOHANG))[0]:
            if struck is None and blow and self._is_due(blow):
                time.sleep(blow.delay or 0.0)
                where, struck = self._record.get(), time.monotonic()
                blow.act(pid) if blow.act else os.kill(pid, blow.signum)
            time.sleep(LOOK)
        code = os.waitstatus_to_exitcode(ended[1])
        if blow and blow.delay is None and code == -signal.SIGKILL:
            struck = time.monotonic()
        step, _, _, stage, path = where or self._record.get()
        seconds, usage = time.monotonic() - (struck or started), ended[2]
        cpu = usage.ru_utime + usage.ru_stime
        return Outcome(code, struck is not None, stage, step, path, seconds, cpu)

    def _is_due(self, blow):
        """Whether the fork has come to the blow, or past it."""
        steps, _, _, stage, _ = self._record.get()
        if stage == blow.stage:
            return blow.delay is not None and steps >= blow.step
        return stage in blow.later and steps >= 1

    def _child(self, body, blow):
        code = 70
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs of a shell ignore it
            output = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(output, 1)
            os.dup2(output, 2)
            _Hooks(self._record, blow).install()
            code = body() or 0
        except SystemExit as end:
            code = end.code or 0
        except BaseException:
            traceback.print_exc()
        finally:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os._exit(code)


def _main(command, words):
    sys.argv = [command, *map(str, words)]
    importlib.import_module(f"tfdistill.{command}").main()


class _Hooks:
    """What a fork does beside its command: it records where it is."""

    def __init__(self, record, blow):
        self._record, self._blow = record, blow
        self._stage, self._steps = BETWEEN, 0
        self._writes = self._seen = 0

    def install(self):
        """Wraps the functions that tell of stages, steps and writes."""
        from tfdistill.command_line.console import ProgressLine
        from tfdistill.run import stages
        from tfdistill.system import devices

        prepare, hooks = devices.prepare, self
        devices.prepare = lambda *a, **k: dataclasses.replace(prepare(*a, **k), jit_compile=False)
        self._wrap(ProgressLine, "__init__", after=lambda line, *a: hooks._enter(a[1]))
        self._wrap(ProgressLine, "__call__", before=lambda line, done, *a: hooks._step(line, done))
        self._wrap(ProgressLine, "note", after=lambda line, text: hooks._note(line))
        for stage in stages.ALL:
            self._wrap(type(stage), "run", before=lambda stage, *a: hooks._enter(stage.name))
            self._wrap(type(stage), "run", after=lambda stage, *a: hooks._enter(BETWEEN))
        self._freeze_times()
        fsync, replace = os.fsync, os.replace

        def watched_fsync(file):
            path = os.readlink(f"/proc/self/fd/{file}")
            self._in_write(path, ("half", "full"), file)
            fsync(file)

        def watched_replace(source, target):
            self._in_write(str(target), ("synced",))
            replace(source, target)
            self._in_write(str(target), ("renamed",))
            self._renamed()

        os.fsync, os.replace = watched_fsync, watched_replace

    @staticmethod
    def _wrap(owner, name, before=None, after=None):
        function = getattr(owner, name)

        def wrapped(*args, **named):
            if before:
                before(*args)
            try:
                return function(*args, **named)
            finally:
                if after:
                    after(*args, *named.values())

        setattr(owner, name, wrapped)

    @staticmethod
    def _freeze_times():
        """Latencies are measured, but those of `random` with the files' names are reported."""
        from tfdistill.deployment import bundle

        measure = bundle.measure_latency

        def frozen(paths, *args, **named):
            return {name: random.Random(name).random() for name in measure(paths, *args, **named)}

        bundle.measure_latency = frozen

    def _enter(self, stage):
        self._steps = 0
        self._stage = stage
        self._show()

    def _step(self, line, done):
        if line._name != self._stage:  # another one was shown in between
            self._enter(line._name)
        if done > line._done:
            self._count()

    def _note(self, line):
        if line._steps is None:  # notes are all that such a stage tells
            self._count()

    def _renamed(self):
        if self._stage == "report":  # it has no progress but its files
            self._count()

    def _count(self):
        """Counts a step; the fork kills itself if the blow is at it."""
        self._steps += 1
        self._show()
        if self._blow and self._blow.phase == STEP and self._is_at_blow():
            os.kill(os.getpid(), signal.SIGKILL)

    def _is_at_blow(self):
        return self._stage == self._blow.stage and self._steps >= self._blow.step

    def _show(self, path=""):
        self._record.set(self._steps, self._writes, bool(path), self._stage, path)

    def _in_write(self, path, phases, file=None):
        """The fork kills itself if this write is the one of the blow."""
        blow = self._blow
        self._writes += phases[-1] == "full" or phases[0] == "synced"
        self._show(path)
        if blow and blow.delay is None and blow.phase in phases and self._is_at_blow():
            self._seen += 1
            if self._seen > blow.write:
                if blow.phase == "half" and path.endswith(NEW):  # others are not written whole
                    os.ftruncate(file, os.fstat(file).st_size // 2)
                os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(60)
