"""Hides messages of native libraries on standard error, but not their errors."""

import atexit
import contextlib
import logging
import os
import re
import sys
import tempfile

STANDARD_ERROR = 2
# Error and fatal lines of the native loggers: E0000 00:00:1763682712.123456 file.cc:12] ...
_ERROR_LINE = re.compile(rb"^(?:[EF]\d{4} |ERROR)")
# TensorFlow up to 2.18 logs this for CUDA libraries that it links twice.
_REGISTERED_TWICE = re.compile(rb"Unable to register cu(?:DNN|FFT|BLAS) factory")
# Without a driver these errors are harmless.
OF_CUDA = re.compile(rb"cuInit|cuda|cudnn|cublas|cufft|nvidia", re.IGNORECASE)

_originals = []  # descriptors of the true standard error while it is captured


@contextlib.contextmanager
def quiet_native_output(harmless=None):
    """Captures file descriptor 2, to which C++ code and Python's logging write.

    If the body succeeds, error lines are passed on and the rest is dropped. If it raises, all
    captured text is attached to the exception as a note, so that a traceback shows it.

    Args:
        harmless: compiled pattern of bytes; error lines that contain it are dropped too.
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


def quiet_end():
    """Drops what native libraries write to standard error when they end, after Python's own end."""
    atexit.register(_drop_standard_error)


def hide_retracing():
    """Hides TensorFlow's warning of functions traced often: ours are traced once for each shape."""
    logging.getLogger("tensorflow").addFilter(_is_no_retracing)


def _is_no_retracing(record):
    return "tf.function retracing" not in str(record.msg)


def _drop_standard_error():
    _flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, STANDARD_ERROR)
    os.close(nowhere)


def write_past_capture(text):
    """Writes to standard error even while it is captured; does nothing if there is none."""
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
