"""One case: a damaged folder is written, read under watch, and what happened is judged."""

import re
import resource
import shutil
import time
import traceback
from pathlib import Path

from scripts.chaos.strange.watch import watched

MOST_SECONDS, MOST_MEGABYTES, LONGEST_MESSAGE = 5.0, 400, 2000


class Fault(AssertionError):
    """A reader broke its promise."""


def write(folder, files):
    """Writes a folder anew.

    Args:
        folder: `Path`.
        files: dict of names to bytes.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def check(kind, files, folder):
    """Reads a damaged folder.

    Args:
        kind: `Format`.
        files: dict of the names of its files to bytes.
        folder: `Path` to write it to.

    Returns:
        "read" or "refused".

    Raises:
        Fault: the reader raised something else than an error for users, ran code, wrote outside the
            folder, took too long or too much memory.
    """
    from tfdistill.system.errors import UserError

    folder = Path(folder)
    write(folder, files)
    before, begin = _peak(), time.process_time()
    try:
        with watched(folder):
            kind.read(folder)
        outcome = "read"
    except UserError as error:
        _judge(kind, error, folder)
        outcome = "refused"
    except OSError as error:
        if not (error.strerror and error.filename):
            raise Fault(f"{kind.name}: an OSError without a file: {error}") from error
        outcome = "refused"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise Fault(
            f"{kind.name}: {_place(error)}: {type(error).__name__}: {error}"[:1500]
        ) from error
    seconds, megabytes = time.process_time() - begin, (_peak() - before) / 1024
    if seconds > MOST_SECONDS:
        raise Fault(f"{kind.name}: {seconds:.1f} s")
    if megabytes > MOST_MEGABYTES:
        raise Fault(f"{kind.name}: {megabytes:.0f} MB")
    return outcome


def _judge(kind, error, folder):
    message = str(error)
    if not message.strip() or len(message) > LONGEST_MESSAGE:
        raise Fault(f"{kind.name}: a message of {len(message):,} characters: {message[:300]}")
    names = [path.name for path in folder.rglob("*")]
    if "`" in error.message or "flag" in message:  # names a setting
        return
    if str(folder) not in message and not any(name in message for name in names):
        raise Fault(f"{kind.name}: the message names no file: {message[:300]}")


def _place(error):
    """The innermost place in the package: "file:line"."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "/tfdistill/" in f.filename]
    if not frames:
        return "?"
    return f"{re.sub(r'.*/tfdistill/', '', frames[-1].filename)}:{frames[-1].lineno}"


def _peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
