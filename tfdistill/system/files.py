"""Atomic writes of files and folders; locks; Git LFS pointers."""

import contextlib
import errno
import fcntl
import os
import shutil
from pathlib import Path

from tfdistill.system.errors import UserError

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"


def refuse_lfs_pointer(path):
    """Refuses a Git LFS pointer, which a clone without LFS has in place of the file.

    Args:
        path: the file.

    Raises:
        UserError: the file is a pointer.
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
            raise UserError(
                f"{path} is a Git LFS pointer, not the file; run `git lfs pull` in its folder"
            )


def write_atomically(path, data, parents=True):
    """Writes a file under another name, then renames it.

    Args:
        path: the file.
        data: bytes or str (written as UTF-8).
        parents: whether missing parent folders are created.

    Raises:
        OSError: the write failed; an earlier file at `path` is unchanged.
    """
    path = Path(path)
    if parents:
        path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".tmp")
    try:
        if aside.is_symlink():  # somebody else's: it would be followed
            aside.unlink()
        with open(aside, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except OSError as error:
        error.filename = error.filename or str(path)  # a full disk names no file
        aside.unlink(missing_ok=True)
        raise


def free_bytes(path):
    """Bytes that are free on the disk of a file or folder, which need not exist yet."""
    path = Path(path).resolve()
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


class FolderInRun:
    """A folder that is made when something is written into it, but not anew if its run vanished.

    Args:
        path: its `Path`.

    Attributes:
        path: the same.
    """

    def __init__(self, path):
        self.path, self._has_run = path, path.parent.is_dir()

    def make(self):
        """Makes the folder if it is missing.

        Raises:
            OSError: it cannot be made, or the folder that it lay in has vanished.
        """
        self.path.mkdir(parents=not self._has_run, exist_ok=True)
        self._has_run = True


def link_out(folder):
    """Finds a symbolic link in a folder that leads out of it.

    Args:
        folder: its path; the folder itself may be a link.

    Returns:
        `Path` of the first such link, or None.
    """
    inside = os.path.realpath(folder)
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(place, name)
            if os.path.islink(path):
                real = os.path.realpath(path)
                if os.path.commonpath((real, inside)) != inside:
                    return Path(path)
    return None


@contextlib.contextmanager
def locked(path, wait=True, waiting=None):
    """Holds a lock. The system releases it when the process ends in any way.

    Args:
        path: the file to lock; created if missing.
        wait: wait until the lock is free; else a held lock raises `BlockingIOError`.
        waiting: function without arguments, called before a wait.

    Yields:
        The open file; a child process that inherits it holds the lock, too.
    """
    with open(path, "ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                raise
            if waiting:
                waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file


@contextlib.contextmanager
def taken(path, refusal):
    """Holds a lock that keeps other processes out: they do not wait, but end with an error.

    Args:
        path: as for `locked`; missing parent folders are created.
        refusal: the message of a process that finds the lock held.

    Raises:
        UserError: another process holds the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(locked(path, wait=False))
        except BlockingIOError:
            raise UserError(refusal) from None
        yield


@contextlib.contextmanager
def folder_aside(path):
    """Yields an empty folder to fill; if the body succeeds, it replaces `path`.

    Args:
        path: the folder to create or replace.

    Yields:
        `pathlib.Path` of the new folder.

    Raises:
        OSError: a write failed; an earlier folder at `path` is unchanged.
    """
    path = Path(path)
    # Names that no user gives, because leftovers of stopped processes are deleted.
    aside, old = (path.with_name(f".{path.name}.tfdistill-{end}") for end in ("new", "old"))
    if old.exists() and not path.exists():  # stopped between the two renames below
        os.replace(old, path)
    for leftover in (aside, old):
        shutil.rmtree(leftover, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        yield aside
        if path.exists():
            os.replace(path, old)
        os.replace(aside, path)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        if old.exists() and not path.exists():
            os.replace(old, path)
        raise
    shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def tensorflow_os_errors():
    """Raises TensorFlow's exceptions for full disks and invalid paths as `OSError`."""
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError as error:
        raise _os_error(error.message) from error


def _os_error(message):
    """The `OSError` that a message of TensorFlow, "PATH; REASON", is about."""
    path, _, reason = message.rpartition("; ")
    for code in errno.errorcode:
        if os.strerror(code) == reason.strip():
            return OSError(code, reason.strip(), path)
    return OSError(message)
