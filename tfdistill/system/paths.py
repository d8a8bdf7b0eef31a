"""Paths in settings: home folders, other folders' relative paths, and what can be written."""

import errno
import glob
import os
import re
import sys
import tempfile
from pathlib import Path

from tfdistill.system.errors import UserError

_CURES = {
    errno.ENOSPC: "free the disk and repeat",
    errno.EDQUOT: "free the disk and repeat",
    errno.EROFS: "name a path on another disk",
    errno.EACCES: "change the permissions (chmod, chown) or name another path",
    errno.EPERM: "change the permissions (chmod, chown) or name another path",
    errno.ENAMETOOLONG: "shorten the name",
}


def cure_of(error):
    """Returns what the user can do about an `OSError`: str."""
    return _CURES.get(error.errno, "fix the path and repeat")


def cache_folder():
    """The user's folder of tfdistill for files that can be made again: a `Path`.

    It lies in `XDG_CACHE_HOME` if that is set, else in ~/Library/Caches on macOS, else in ~/.cache.
    """
    usual = "Library/Caches" if sys.platform == "darwin" else ".cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / usual) / "tfdistill"


def at_home(text, separator=None):
    """Replaces `~` and `~NAME` at the start of a path by home folders.

    Args:
        text: a path, "hf:PATH", or with `separator` several.
        separator: text between two paths; None for one path.

    Returns:
        str.
    """
    return _each(text, separator, os.path.expanduser)


def seen_from(text, folder, separator=None):
    """Makes paths absolute that are relative to another folder.

    Args:
        text: as for `at_home`.
        folder: the other folder.
        separator: as for `at_home`.

    Returns:
        str: relative paths and globs that exist in `folder` become absolute; other text, such as
        hub names, is unchanged.
    """

    def absolute(item):
        path = os.path.join(folder, item)
        return path if item and (os.path.exists(path) or glob.glob(path, recursive=True)) else item

    return _each(text, separator, absolute)


def _each(text, separator, change):
    changed = []
    for item in text.split(separator) if separator else [text]:
        lead = re.match(r"\s*(?:hf:)?", item)[0]
        changed.append(lead + change(item[len(lead) :]))
    return (separator or "").join(changed)


def require_folder(setting, text):
    """Refuses a folder that cannot be written or created. Nothing is left behind.

    Args:
        setting: name of the setting.
        text: its value.

    Raises:
        UserError: why, and what to do.
    """
    if not text:
        raise UserError(f"`{setting}` is empty: name a folder")
    if os.path.exists(text) and not os.path.isdir(text):
        raise UserError(f"`{setting}`={text} is a file: name a folder")
    _require_writable(f"`{setting}`={text}", Path(text))


def require_shards(text):
    """Like `require_folder` for `shards_dir`; a folder with prepared text may be read-only.

    Args:
        text: the setting's value.

    Raises:
        UserError: why, and what to do.
    """
    if not (text and glob.glob(os.path.join(glob.escape(text), "*", "manifest.json"))):
        require_folder("shards_dir", text)


def require_file(setting, text):
    """Refuses a file that cannot be written or replaced.

    Args:
        setting, text: as for `require_folder`.

    Raises:
        UserError: why, and what to do.
    """
    if not text:
        raise UserError(f"`{setting}` is empty: name a file")
    if os.path.isdir(text):
        raise UserError(f"`{setting}`={text} is a folder: name a file")
    if os.path.exists(text) and not os.path.isfile(text):
        raise UserError(f"`{setting}`={text} is a device: name a file")
    _require_writable(f"`{setting}`={text}", Path(text).parent)


def _require_writable(named, folder):
    nearest = folder
    while not os.path.lexists(nearest) and nearest != nearest.parent:
        nearest = nearest.parent
    if not os.path.isdir(nearest):
        what = "a link that leads nowhere" if os.path.islink(nearest) else "a file"
        raise UserError(f"{named}: {nearest} is {what}, where a folder must be: name another path")
    try:
        longest = max((len(os.fsencode(part)) for part in folder.parts), default=0)
        if longest > os.pathconf(nearest, "PC_NAME_MAX"):
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        # Permissions are not enough: root ignores them, and disks may be read-only.
        tempfile.TemporaryDirectory(prefix=".tfdistill-", dir=nearest).cleanup()
    except OSError as error:
        reason = error.strerror or error
        raise UserError(
            f"{named} cannot be written ({nearest}: {reason}): {cure_of(error)}"
        ) from None
