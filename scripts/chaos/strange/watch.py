"""Watches what a reader of a stranger's file does: what it writes, runs, and asks for."""

import contextlib
import os
import sys
import tempfile

# Events that write: the places of the path and of the folder's descriptor among their arguments.
_WRITES = {"os.mkdir": (0, 2), "os.remove": (0, 1), "os.rmdir": (0, 1), "os.rename": (1, 3)}
_WRITES |= {"os.link": (1, 3), "os.symlink": (1, 2), "os.truncate": (0, None), "os.chmod": (0, 2)}
_WRITES |= {"os.chown": (0, 3), "shutil.rmtree": (0, 1)}
_NEVER = frozenset(
    "exec os.system os.exec os.posix_spawn os.fork subprocess.Popen pickle.find_class "
    "socket.connect socket.getaddrinfo ftplib.connect urllib.Request ctypes.dlopen code.__new__ "
    "marshal.loads".split()
)
_MODES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_IMPORTS = ".py", ".pyc", ".so"

_state = {"allowed": None, "faults": [], "installed": False}


class Forbidden(BaseException):
    """A reader did what no file may make it do."""


@contextlib.contextmanager
def watched(folder):
    """Within the body, raises `Forbidden` for a write outside a folder, and for code that is run.

    Imports are allowed: readers import what they need when they first run.

    Args:
        folder: the folder in which files may be written. Temporary files lie in "tmp" beside it.
    """
    aside = os.path.join(os.path.dirname(os.path.realpath(folder)), "tmp")
    os.makedirs(aside, exist_ok=True)
    usual, tempfile.tempdir = tempfile.tempdir, aside
    if not _state["installed"]:
        sys.addaudithook(_hook)
        _state["installed"] = True
    _state["allowed"], _state["faults"] = (os.path.realpath(folder), aside), []
    try:
        yield
    finally:
        _state["allowed"], tempfile.tempdir = None, usual
    if _state["faults"]:  # also where the reader caught it
        raise Forbidden(_state["faults"][0])


def _hook(event, arguments):
    allowed = _state["allowed"]
    if allowed is None:
        return
    if event == "open":
        path, _, flags = arguments
        if (
            isinstance(path, str | bytes | os.PathLike)
            and isinstance(flags, int)
            and flags & _MODES
        ):
            _require_inside(event, path, allowed)
    elif event in _WRITES:
        path, descriptor = _WRITES[event]
        at = -1 if descriptor is None else arguments[descriptor]
        _require_inside(event, arguments[path], allowed, at)
    elif event in _NEVER and not _is_import():
        _fail(f"{event} {arguments!r:.200}")


def _require_inside(event, path, allowed, descriptor=-1):
    if isinstance(path, int):
        return
    path = os.fsdecode(path)
    if isinstance(descriptor, int) and descriptor >= 0:
        path = os.path.join(os.readlink(f"/proc/self/fd/{descriptor}"), path)
    real = os.path.realpath(path)
    if real.startswith(("/dev/null", "/proc/")) or real.endswith(_IMPORTS) or "__pycache__" in real:
        return
    if not any(real == root or real.startswith(root + os.sep) for root in allowed):
        _fail(f"{event} {real}, outside {allowed[0]}")


def _is_import():
    frame = sys._getframe(2)
    while frame:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _fail(what):
    _state["faults"].append(what)
    raise Forbidden(what)
