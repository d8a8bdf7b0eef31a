"""A clock that stands still while the process is stopped, as by Ctrl-Z or SIGSTOP.

A thread looks at the clock twice a second. If it could not for seconds, and the process has used
next to no processor time meanwhile, then the process was stopped.
"""

import threading
import time

INTERVAL = 0.5  # seconds between two looks
PAUSE = 2.0  # seconds without a look from which on the process may have been stopped
IDLE = 0.05  # most processor seconds that a stopped process takes per second


class _Clock:
    def __init__(self):
        self._lock, self._paused, self._thread = threading.Lock(), 0.0, None
        self._look()

    def _look(self):
        self._looked, self._used = time.monotonic(), time.process_time()

    def now(self):
        """Seconds since some time, without pauses."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():  # a fork has no threads
                self._look()
                self._thread = threading.Thread(target=self._watch, daemon=True)
                self._thread.start()
            gap, used = time.monotonic() - self._looked, time.process_time() - self._used
            if gap > PAUSE and used < IDLE * gap:
                self._paused += gap - INTERVAL / 2  # it ran for half an interval, in the mean
            self._look()
            return self._looked - self._paused

    def _watch(self):
        while True:
            time.sleep(INTERVAL)
            self.now()


_clock = _Clock()  # one per process


def now():
    """Seconds since some time in the past, without those in which the process was stopped.

    Returns:
        float; only differences mean anything.

    Example:
        from tfdistill.system import clock

        started = clock.now()
        seconds = clock.now() - started
    """
    return _clock.now()
