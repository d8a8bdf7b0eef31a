"""Console output and progress lines."""

import contextlib
import os
import shutil
import sys

from tfdistill.command_line.run_config import RunConfig
from tfdistill.reports.units import duration
from tfdistill.settings.settings import options_of
from tfdistill.system import clock
from tfdistill.system.errors import write_settings

QUIET_SECONDS = 15.0  # between two lines, without a terminal that can rewrite a line
REWRITE_SECONDS = 0.1  # between two updates of a rewritten line
NARROWEST = 40  # columns; lines are not cut to less

_unfinished = None  # the stream with an unfinished line; there is one terminal


def as_flags(message):
    """Writes the settings that a message names in backquotes as flags: `length` as --length."""
    options = options_of(RunConfig)
    return write_settings(message, lambda name: f"--{name}" if name in options else name)


class Console:
    """Console output and progress lines.

    Args:
        json: keep standard output for one JSON object; everything else goes to standard error.
        flags: write settings that a text names in backquotes as flags; else as plain names.
    """

    def __init__(self, json=False, flags=True):
        self._stream = sys.stderr if json else sys.stdout
        self._written = as_flags if flags else write_settings

    def say(self, text):
        """Prints one or more lines."""
        finish_line()
        print(self._written(text), file=self._stream, flush=True)

    def warn(self, lines):
        """Prints warnings to standard error.

        Args:
            lines: iterable of str.
        """
        for line in lines:
            print(self._written(line), file=sys.stderr, flush=True)

    def progress(self, name, steps, first=0):
        """Starts the progress line of a long stage.

        Args:
            name: the stage.
            steps: total number of steps; None if unknown.
            first: number of steps done before this start.

        Returns:
            A `ProgressLine`.
        """
        return ProgressLine(self._stream, name, steps, first)

    def preparation(self, size):
        """Starts the progress line of a corpus that is tokenised.

        Args:
            size: size of its text in bytes; None if unknown.

        Returns:
            A function of (bytes done, total bytes, tokens done) that shows the line.
        """
        line, started = self.progress("prepare", size), clock.now()

        def show(done, _, tokens):
            rate = tokens / max(clock.now() - started, 1e-9)
            line(done, f"bytes  {rate:,.0f} tokens/s")

        return show


class ProgressLine:
    """The progress of a stage. On a terminal one line is rewritten; else lines are printed.

    The time left is estimated from the pace since the first call, so that compiling before the
    first step does not count.

    Args:
        stream: where to print.
        name: the stage.
        steps: total number of steps; None if unknown.
        first: number of steps done before this start.
    """

    def __init__(self, stream, name, steps, first):
        self._stream, self._name, self._steps, self._done = stream, name, steps, first
        self._began = None  # (time, steps done) at the first call
        self._shown, self._text = 0.0, ""

    def __call__(self, done, text=None):
        """Shows the line.

        Args:
            done: number of steps done.
            text: further text; None: the same as before.
        """
        now = clock.now()
        self._done = done
        self._text = self._text if text is None else text
        self._began = self._began or (now, done)
        last = self._steps is not None and done >= self._steps
        seconds = REWRITE_SECONDS if self._stream.isatty() else QUIET_SECONDS
        if last or now - self._shown >= seconds:
            self._print(self._text, "done" if last else self._left(now), last)
            self._shown = now

    def note(self, text):
        """Shows what is being done while no steps are counted.

        Without a terminal, notes after the first step appear only if no line was printed for a
        while.
        """
        now = clock.now()
        if self._began is None or self._stream.isatty() or now - self._shown >= QUIET_SECONDS:
            self._print(text, "", False)
            self._shown = now

    def _left(self, now):
        began, first = self._began
        if self._steps is None or self._done <= first:
            return ""
        pace = (now - began) / (self._done - first)
        return f"{duration(pace * (self._steps - self._done))} left"

    def _print(self, text, end, last):
        global _unfinished
        width = _columns(self._stream) - 1  # a full line would already wrap
        head = f"{self._name:>8}"
        if self._steps is not None or self._done:
            head += f" {self._done:,}"
        if self._steps is not None:
            head += f"/{self._steps:,}"
        tail = f"  {end}" if end else ""
        text = _cut(text, width - len(head) - len(tail) - 2)
        line = head + (f"  {text}" if text else "") + tail
        if self._stream.isatty():
            rest = "\n" if last else ""
            print(f"\r{line.ljust(width)}", end=rest, file=self._stream, flush=True)
            _unfinished = None if last else self._stream
        else:
            print(line, file=self._stream, flush=True)


def _cut(text, room):
    """Shortens a text: drops its last parts (double spaces separate parts), then characters."""
    while len(text) > room and "  " in text:
        text = text.rpartition("  ")[0].rstrip()
    if len(text) <= room:
        return text
    return text[: room - 1] + "…" if room > 0 else ""


def finish_line():
    """Ends a line that is being rewritten, so that the next text starts on its own line."""
    global _unfinished
    stream, _unfinished = _unfinished, None
    if stream is not None:
        with contextlib.suppress(OSError):  # the terminal is gone
            print(file=stream, flush=True)


def _columns(stream):
    """Returns the width of a terminal; else COLUMNS or 80."""
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):  # no terminal, or none that the system knows
        columns = shutil.get_terminal_size().columns
    return max(columns or 80, NARROWEST)
