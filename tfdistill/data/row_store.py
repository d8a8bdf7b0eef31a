"""Arrays on disk with one entry per row, which are filled in any order."""

import contextlib
import os
import zlib

import numpy as np

from tfdistill.system.arrays import open_array
from tfdistill.system.errors import UserError
from tfdistill.system.files import write_atomically

ABSENT = 0  # in place of the checksum of a row that is not written


class RowStore:
    """One array (rows, ...) in a NumPy file, whose rows are written in any order.

    Rows that are marked as written are on the disk: a process that is killed loses only rows that
    were not marked. The mark of a row is its checksum, by which a damaged one is found. One process
    at a time may create or fill a store (see `files.locked`); any number may read it.

    Args:
        folder: `Path`; created if missing.
        name: name of the array: NAME.npy holds it, NAME.sums the checksum of each row, uint32.
        shape: (rows, ...).
        dtype: NumPy dtype.
        setting: name of the setting that errors are about.

    Raises:
        UserError: an existing file does not hold such an array.
    """

    def __init__(self, folder, name, shape, dtype, setting="teacher_cache"):
        self._data, self._marks = folder / f"{name}.npy", folder / f"{name}.sums"
        self._setting = setting
        folder.mkdir(parents=True, exist_ok=True)
        if not self._data.exists():
            self._make(shape, dtype)
        try:
            self._array = open_array(self._data)
            marks = self._marks.stat().st_size / np.dtype(np.uint32).itemsize
        except UserError as error:
            raise UserError(f"`{self._setting}`: {error.message}: delete its folder") from None
        except FileNotFoundError as error:
            raise self._damaged(error) from None
        if self._array.shape != tuple(shape) or self._array.dtype != dtype:
            raise self._damaged(f"it is {self._array.dtype} {self._array.shape}")
        if marks != shape[0]:
            raise self._damaged(f"{marks:g} of {shape[0]} rows have marks")
        self._written = {}  # row: its checksum
        self._checked = np.zeros(shape[0], bool)

    @staticmethod
    def is_there(folder, name):
        """Whether such a store exists."""
        return (folder / f"{name}.npy").exists()

    def _make(self, shape, dtype):
        np.full(shape[0], ABSENT, np.uint32).tofile(self._marks)
        aside = self._data.with_suffix(".tmp")
        # A sparse file: `write` fills it, and raises an error if the disk is full.
        with open(aside, "wb") as file:
            header = dict(descr=np.lib.format.dtype_to_descr(np.dtype(dtype)), fortran_order=False)
            np.lib.format.write_array_header_2_0(file, header | {"shape": tuple(shape)})
            file.truncate(file.tell() + np.dtype(dtype).itemsize * int(np.prod(shape)))
        os.replace(aside, self._data)

    def _damaged(self, why):
        return UserError(f"`{self._setting}`: {self._data} is damaged ({why}): delete its folder")

    @property
    def there(self):
        """Which rows are written and marked: bool (rows,)."""
        return np.fromfile(self._marks, np.uint32) != ABSENT

    def find_damaged(self, rows):
        """Compares rows with their checksums; damaged ones are no longer marked.

        Args:
            rows: bool (rows,), which to look at; rows that are not marked are left out, and those
                that this object has compared or written before.

        Returns:
            Number of damaged rows.
        """
        sums = np.fromfile(self._marks, np.uint32)
        asked = np.flatnonzero(rows & (sums != ABSENT) & ~self._checked)
        damaged = [row for row in asked if _checksum(self._array[row].tobytes()) != sums[row]]
        self._checked[asked] = True
        if damaged:
            sums[damaged], self._checked[damaged] = ABSENT, False
            write_atomically(self._marks, sums.tobytes())
        return len(damaged)

    def read(self, rows):
        """The entries of `rows`, int (batch,)."""
        return self._array[rows]

    def write(self, rows, entries):
        """Writes entries (batch, ...) of `rows`, int (batch,); `mark` then marks them as written.

        Raises:
            UserError: they are too large for float16.
            OSError: the disk is full.
        """
        with np.errstate(over="ignore"):
            entries = np.ascontiguousarray(entries, self._array.dtype)
        if entries.dtype.kind == "f" and not np.isfinite(entries).all():
            raise UserError(
                f"`{self._setting}`: the teacher's {self._data.stem} are too large for the float16 "
                "in which they are stored; leave the setting out"
            )
        # Not through the memory map: there, a full disk would kill the process by a signal.
        size = self._array[:1].nbytes
        sums = {}
        with self._opened() as file:
            for row, entry in zip(rows, entries, strict=True):
                file.seek(self._array.offset + int(row) * size)
                data = entry.tobytes()
                file.write(data)
                sums[int(row)] = _checksum(data)
        self._written.update(sums)

    def mark(self):
        """Marks the written rows, once they are on the disk."""
        with self._opened() as file:
            os.fsync(file.fileno())
        sums, rows = np.fromfile(self._marks, np.uint32), list(self._written)
        sums[rows], self._checked[rows] = list(self._written.values()), True
        write_atomically(self._marks, sums.tobytes())
        self._written = {}

    @contextlib.contextmanager
    def _opened(self):
        try:
            with open(self._data, "r+b") as file:
                yield file
        except OSError as error:
            error.filename = error.filename or str(self._data)  # a full disk names no file
            raise


def _checksum(data):
    return zlib.crc32(data) or 1  # 0 stands for a row that is absent
