"""Ctrl-C (SIGINT) and SIGTERM: training state is stored first; a second signal ends at once.

Python runs signal handlers in the main thread between two Python instructions, so not while
TensorFlow compiles a step or converts a model. A second thread therefore reads the signals from a
pipe and ends the process if the main thread does not.
"""

import contextlib
import os
import select
import signal
import threading
import time

GRACE = 2.0  # seconds for the main thread to end by itself if nothing has to be stored
DOUBLED = 0.25  # seconds within which two signals count as one, as `timeout` sends them
HANDLED = (signal.SIGINT, signal.SIGTERM)
STORING = "stopping after the checkpoint is written; a second Ctrl-C stops at once"


class Stopped(KeyboardInterrupt):
    """The process received a signal to end.

    Args:
        signum: the signal.

    Attributes:
        code: the shell's exit code for a command ended by this signal.
    """

    def __init__(self, signum):
        super().__init__(signal.Signals(signum).name)
        self.signum, self.code = signum, 128 + signum


class Request:
    """A request to stop, for code that has to store its state first.

    Attributes:
        signum: the signal received; None if there was none.
        unsaved: whether stopping now would lose work that can be stored.
    """

    def __init__(self):
        self.signum, self.unsaved = None, False
        self._depth, self._watched = 0, False
        self._since, self._raised = 0.0, False
        self._gives_way = False

    @contextlib.contextmanager
    def giving_way(self):
        """A context: work inside that calls `give_way` may be left undone, and is done again."""
        self._gives_way = True
        try:
            yield
        finally:
            self._gives_way = False

    def check(self):
        """Raises `Stopped` if a signal was received."""
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


_request = Request()  # one per process, like signals


def give_way():
    """Raises `Stopped` if a signal was received, and what is being done is to give way to it."""
    if _request._gives_way:
        _request.check()


@contextlib.contextmanager
def postponed():
    """Postpones a stop until the body checks the request, or ends.

    Contexts may be nested; at the end of the outermost one a pending stop raises `Stopped`. Without
    `handled`, as in a notebook, only Ctrl-C is postponed.

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
    """Makes both signals raise `Stopped` inside, or wait while they are `postponed`.

    Args:
        say: called with a line for the user, from another thread.
        farewell: called, from another thread, before the process ends at once.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    threading.Thread(target=_watch, args=(reader, say, farewell), daemon=True).start()
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, writer)  # this ends the thread
        stack.callback(_request._clear)
        stack.callback(
            signal.set_wakeup_fd, signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        )
        handlers = stack.enter_context(_handlers(*HANDLED))
        _request._watched = True
        stack.callback(setattr, _request, "_watched", False)
        try:
            yield
        except Exception as error:
            if not _request._raised:
                raise
            # The signal came during a call of TensorFlow, which turned it into its own error.
            raise Stopped(_request.signum) from error
        finally:
            if _request.signum is not None:  # from here on a signal ends the process
                handlers.update(dict.fromkeys(handlers, signal.SIG_DFL))


@contextlib.contextmanager
def _handlers(*signums):
    """Installs handlers for signals with a default handler; ignored signals stay ignored."""
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


def _watch(reader, say, farewell):
    """Ends the process if the main thread does not, or when a second signal comes."""
    signum = _next_signal(reader)
    if signum is None:
        return os.close(reader)
    storing = _request.unsaved
    if storing:
        say(STORING)
    until = time.monotonic() + GRACE
    time.sleep(DOUBLED)
    while select.select([reader], [], [], 0)[0]:
        if _next_signal(reader) is None:  # the main thread has come to its end
            return os.close(reader)
    left = None if storing else max(0.0, until - time.monotonic())
    if select.select([reader], [], [], left)[0] and _next_signal(reader) is None:
        return os.close(reader)
    farewell()
    os._exit(128 + signum)


def _next_signal(reader):
    """Returns the next signal; None when the pipe is closed."""
    while byte := os.read(reader, 1):
        if byte[0] in HANDLED:
            return byte[0]
    return None
