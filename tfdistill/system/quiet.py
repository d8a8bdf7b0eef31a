"""Keeps the chatter of native libraries off standard error, and its errors on it."""

import contextlib
import os
import re
import sys
import tempfile

STANDARD_ERROR = 2
# Error and fatal lines of the native loggers: E0000 00:00:1763682712.123456 file.cc:12] ...
_ERROR_LINE = re.compile(rb"^(?:[EF]\d{4} |ERROR)")
# TensorFlow up to 2.18 says this of every CUDA library it is linked with twice.
_REGISTERED_TWICE = re.compile(rb"Unable to register cu(?:DNN|FFT|BLAS) factory")
# Without a driver there is no GPU that CUDA could fail to start.
OF_CUDA = re.compile(rb"cuInit|cuda|cudnn|cublas|cufft|nvidia", re.IGNORECASE)

_originals = []  # what is captured at the moment: descriptors of the true standard error


@contextlib.contextmanager
def quiet_native_output(harmless=None):
    """Captures what C++ writes to file descriptor 2 (Python's logging too).

    When the body succeeds, error lines are passed on and the rest is dropped; when it raises,
    everything captured is attached to the exception as a note, so that a traceback shows it.

    Args:
        harmless: compiled pattern of bytes; error lines in which it is found are dropped too.
    """
    try:
        original = os.dup(STANDARD_ERROR)
    except OSError:  # the process was started without a standard error
        yield
        return
    _flush()
    _originals.append(original)
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), STANDARD_ERROR)
        failure = None
        try:
            yield
        except BaseException as error:
            failure = error
            raise
        finally:
            _flush()
            os.dup2(original, STANDARD_ERROR)
            _originals.pop()
            os.close(original)
            captured.seek(0)
            _pass_on(captured.read(), failure, harmless)


def write_past_capture(text):
    """Writes to standard error, whether or not it is captured; where there is none, nowhere."""
    if _originals:
        os.write(_originals[0], text.encode(errors="backslashreplace"))
    elif sys.stderr is not None:
        print(text, end="", file=sys.stderr, flush=True)


def _flush():
    if sys.stderr is not None:
        sys.stderr.flush()


def _pass_on(text, failure, harmless):
    if failure is not None:
        if text.strip():
            failure.add_note(text.decode(errors="replace"))
        return
    dropped = [pattern for pattern in (_REGISTERED_TWICE, harmless) if pattern]
    for line in text.splitlines(keepends=True):
        if _ERROR_LINE.match(line) and not any(pattern.search(line) for pattern in dropped):
            os.write(STANDARD_ERROR, line)
