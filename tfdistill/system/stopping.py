"""Ctrl-C (SIGINT) and SIGTERM: what was learned is stored first; a second one ends at once.

Python runs its signal handlers in the main thread, between two of its own instructions: not before
TensorFlow has compiled a step or converted a model. A thread that hears of signals by a pipe does
what cannot wait for that.
"""

import contextlib
import os
import select
import signal
import threading
import time

GRACE = 2.0  # seconds for the main thread to end by itself, where nothing has to be stored
DOUBLED = 0.25  # seconds within which two signals are one that came twice, as from `timeout`
HANDLED = (signal.SIGINT, signal.SIGTERM)
STORING = "stopping once what was learned is stored; a second Ctrl-C ends at once"


class Stopped(KeyboardInterrupt):
    """The process was asked to end.

    Args:
        signum: the signal.

    Attributes:
        code: the shell's exit code for a command ended by it.
    """

    def __init__(self, signum):
        super().__init__(signal.Signals(signum).name)
        self.signum, self.code = signum, 128 + signum


class Request:
    """What a stage that stores its state asks and tells.

    Attributes:
        signum: the signal that asks for the end; None so long as there was none.
        unsaved: whether an end right now would lose work that can be stored.
    """

    def __init__(self):
        self.signum, self.unsaved = None, False
        self._depth, self._watched = 0, False
        self._since, self._raised = 0.0, False

    def check(self):
        """Raises `Stopped` when the end was asked for."""
        if self.signum is not None:
            raise Stopped(self.signum)

    def _handle(self, signum, frame):
        now = time.monotonic()
        if self.signum is None:
            self.signum, self._since = signum, now
            if not self._depth:
                self._raised = True
                raise Stopped(signum)
        elif not self._watched and now - self._since > DOUBLED:
            raise Stopped(signum)

    def _clear(self):
        self.signum, self.unsaved, self._raised = None, False, False


_request = Request()  # signals are the process's, and so is this


@contextlib.contextmanager
def postponed():
    """A stop waits inside until the body checks the request it is given, or ends.

    Stretches may lie in each other; at the end of the outermost one a stop that was asked for
    raises `Stopped`. Without `handled`, as in a notebook, only Ctrl-C is waited for.

    Yields:
        The `Request`.
    """
    with contextlib.ExitStack() as stack:
        if not _request._depth and not _request._watched:
            stack.callback(_request._clear)
            stack.enter_context(_handlers(signal.SIGINT))
        _request._depth += 1
        try:
            yield _request
        finally:
            _request._depth -= 1
            if not _request._depth:
                _request.unsaved = False
        if not _request._depth:
            _request.check()


@contextlib.contextmanager
def handled(say, farewell):
    """Both signals raise `Stopped` inside, or wait where they are `postponed`.

    Args:
        say: called with a line for the user, from another thread.
        farewell: called, from another thread, before the process ends at once.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ear, mouth = os.pipe()
    os.set_blocking(mouth, False)
    threading.Thread(target=_watch, args=(ear, say, farewell), daemon=True).start()
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, mouth)  # which ends the thread
        stack.callback(_request._clear)
        stack.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(mouth, warn_on_full_buffer=False))
        handlers = stack.enter_context(_handlers(*HANDLED))
        _request._watched = True
        stack.callback(setattr, _request, "_watched", False)
        try:
            yield
        except Exception as error:
            if not _request._raised:
                raise
            # In a call of TensorFlow's, which made an error of its own of it.
            raise Stopped(_request.signum) from error
        finally:
            if _request.signum is not None:  # from here on another one ends the process
                handlers.update(dict.fromkeys(handlers, signal.SIG_DFL))


@contextlib.contextmanager
def _handlers(*signums):
    """Takes the signals that Python or the system would end the process by; not ignored ones."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        for signum in signums:
            if signal.getsignal(signum) in (signal.SIG_DFL, signal.default_int_handler):
                before[signum] = signal.signal(signum, _request._handle)
    try:
        yield before
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _watch(ear, say, farewell):
    """Ends the process when the main thread does not, or when a second signal comes."""
    signum = _heard(ear)
    if signum is None:
        return os.close(ear)
    storing = _request.unsaved
    if storing:
        say(STORING)
    until = time.monotonic() + GRACE
    time.sleep(DOUBLED)
    while select.select([ear], [], [], 0)[0]:
        if _heard(ear) is None:  # the main thread has come to its end
            return os.close(ear)
    left = None if storing else max(0.0, until - time.monotonic())
    if select.select([ear], [], [], left)[0] and _heard(ear) is None:
        return os.close(ear)
    farewell()
    os._exit(128 + signum)


def _heard(ear):
    """The next signal; None when there will be no more."""
    while heard := os.read(ear, 1):
        if heard[0] in HANDLED:
            return heard[0]
    return None
