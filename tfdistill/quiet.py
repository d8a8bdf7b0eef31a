"""Keeps the chatter of native libraries off standard error, and its errors on it."""

import contextlib
import os
import re
import sys
import tempfile

STANDARD_ERROR = 2
# Error and fatal lines of the native loggers: E0000 00:00:1763682712.123456 file.cc:12] ...
_ERROR_LINE = re.compile(rb"^(?:[EF]\d{4} |ERROR)")


@contextlib.contextmanager
def quiet_native_output(errors=True):
    """Captures what C++ writes to file descriptor 2 (Python's logging too).

    When the body succeeds, error lines are passed on and the rest is dropped; when it raises,
    everything captured is attached to the exception as a note, so that a traceback shows it.

    Args:
        errors: pass error lines on; False drops them too.
    """
    sys.stderr.flush()
    original = os.dup(STANDARD_ERROR)
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), STANDARD_ERROR)
        failure = None
        try:
            yield
        except BaseException as error:
            failure = error
            raise
        finally:
            sys.stderr.flush()
            os.dup2(original, STANDARD_ERROR)
            os.close(original)
            captured.seek(0)
            _pass_on(captured.read() if errors or failure else b"", failure)


def _pass_on(text, failure):
    if failure is not None:
        if text.strip():
            failure.add_note(text.decode(errors="replace"))
        return
    for line in text.splitlines(keepends=True):
        if _ERROR_LINE.match(line):
            os.write(STANDARD_ERROR, line)
