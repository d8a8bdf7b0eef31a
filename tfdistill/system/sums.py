"""Checksums of the files of a folder, in the format of `sha256sum --check`."""

import hashlib
import re
from pathlib import Path

from tfdistill.system.errors import UserError
from tfdistill.system.files import write_atomically

SUMS = "SHA256SUMS"
_LINE = re.compile("([0-9a-f]{64}) [ *](.+)")


def write_sums(folder):
    """Writes the checksums of all files of a folder into it.

    Args:
        folder: its `Path`; files whose names begin with a dot, in it and below, are left out.

    Raises:
        OSError: a file cannot be read, or the checksums cannot be written.
    """
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    names = [path.relative_to(folder).as_posix() for path in files]
    _write(folder, {n: file_digest(folder / n) for n in names if n != SUMS and n[0] != "."})


def renew_sums(*paths):
    """Lists files that were written beside checksums; those of the other files stay.

    Args:
        *paths: `Path`s; one in a folder without checksums is left out.

    Raises:
        UserError: the checksums are damaged.
        OSError: a file cannot be read, or the checksums cannot be written.
    """
    for path in map(Path, paths):
        if stored := _stored(path.parent):
            _write(path.parent, stored | {path.name: file_digest(path)})


def check_sums(*paths):
    """Compares files with the checksums beside them; without such checksums, none is compared.

    Args:
        *paths: `Path`s; those of no file are left out, and names that begin with a dot.

    Raises:
        UserError: the content of one is not what was written, or the checksums are damaged or lack
            it, as those that were cut off at the end of a line.
    """
    for path in map(Path, paths):
        stored, sums = _stored(path.parent), path.parent / SUMS
        if not stored or not path.is_file() or path.name[0] == ".":
            continue
        if path.name not in stored:
            raise UserError(
                f"{path} is not listed in {sums}, so that it cannot be checked: restore the list, "
                "which may have been cut off, or delete it if the files beside it are sound"
            )
        if stored[path.name] != file_digest(path):
            raise UserError(
                f"{path} is damaged, not what was written: restore or make it again; if the change "
                f"is yours, delete {sums}"
            )


def forget_sums(folder):
    """Deletes the checksums of a folder whose files are about to change.

    Args:
        folder: its `Path`.
    """
    (folder / SUMS).unlink(missing_ok=True)


def file_digest(path):
    """SHA-256 of a file: a str.

    Args:
        path: the file.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(folder, sums):
    """Writes checksums: dict of names to str."""
    lines = [f"{digest}  {name}\n" for name, digest in sorted(sums.items())]
    write_atomically(folder / SUMS, "".join(lines))


def _stored(folder):
    """The checksums of a folder: dict of names to str, empty without any.

    Raises:
        UserError: they are damaged themselves.
    """
    file = folder / SUMS
    if not file.is_file():
        return {}
    lines = file.read_text("utf-8", "replace").splitlines()
    found = [_LINE.fullmatch(line) for line in lines]
    if not (found and all(found)):
        raise UserError(
            f"{file} is damaged, no list of checksums: restore it, or delete it if the files "
            "beside it are sound"
        )
    return {line[2].removeprefix("./"): line[1] for line in found}
