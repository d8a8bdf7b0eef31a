"""Lines for the person who waits."""

import sys
import time

QUIET_SECONDS = 15.0  # between two lines where the terminal cannot rewrite one


class Console:
    """Prints what a command has to say.

    Args:
        json: standard output belongs to one JSON object; all else goes to standard error.
    """

    def __init__(self, json=False):
        self._stream = sys.stderr if json else sys.stdout

    def say(self, text):
        """Prints one or more lines."""
        print(text, file=self._stream, flush=True)

    def progress(self, name, steps, first=0):
        """Starts the progress line of a long stage.

        Args:
            name: the stage.
            steps: all its steps; None where that is not known.
            first: steps done before this start.

        Returns:
            A function of (steps done, text) that shows the line.
        """
        return _ProgressLine(self._stream, name, steps, first)

    def preparation(self, size):
        """Starts the progress line of a corpus that is tokenised.

        Args:
            size: bytes of its text; None where that is not known.

        Returns:
            A function of (bytes done, all bytes, tokens done) that shows the line.
        """
        line, started = self.progress("prepare", size), time.monotonic()

        def show(done, _, tokens):
            rate = tokens / max(time.monotonic() - started, 1e-9)
            line(done, f"bytes  {rate:,.0f} tokens/s")

        return show


class _ProgressLine:
    def __init__(self, stream, name, steps, first):
        self._stream, self._name, self._steps, self._first = stream, name, steps, first
        self._started = time.monotonic()
        self._shown = 0.0

    def __call__(self, done, text=""):
        now = time.monotonic()
        last = self._steps is not None and done >= self._steps
        rewrites = self._stream.isatty()
        if not (last or rewrites or now - self._shown >= QUIET_SECONDS):
            return
        self._shown = now
        pace = (now - self._started) / max(done - self._first, 1)
        if self._steps is None:
            line = f"{self._name:>14} {done:>7,}  {text}"
        else:
            left = "done" if last else f"{duration(pace * (self._steps - done))} left"
            line = f"{self._name:>14} {done:>7,}/{self._steps:,}  {text}  {left}"
        end = "\n" if last or not rewrites else "\r"
        print(line.ljust(79), end=end, file=self._stream, flush=True)


def duration(seconds):
    """Writes seconds for a person: `42 s`, `3 min 05 s`, `2 h 10 min`."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"
