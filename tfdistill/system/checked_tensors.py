"""Safetensors files that hold a checksum of their content, by which damage is found."""

import contextlib
import hashlib
import json

import numpy as np

from tfdistill.system.errors import UserError
from tfdistill.system.files import write_atomically

CHECKSUM = "sha256"  # of the metadata


class DamagedFileError(UserError):
    """The content of a file is not what was written.

    Args:
        path: the file.
        why: what is wrong with it.

    Attributes:
        path: the file.
    """

    def __init__(self, path, why="its checksum is another"):
        super().__init__(f"{path} is damaged ({why}): restore it, or delete its folder")
        self.path = path


def write_tensors(path, arrays, facts=None):
    """Writes arrays and facts to a safetensors file, atomically.

    Args:
        path: the file, in a folder that exists.
        arrays: dict of names to NumPy arrays.
        facts: dict of str to str, stored as metadata.

    Raises:
        OSError: the write failed; an earlier file at `path` is unchanged.
    """
    from safetensors.numpy import save

    facts = dict(facts or {})
    summed = _checksum(facts, sorted(arrays), arrays.__getitem__)
    write_atomically(path, save(arrays, facts | {CHECKSUM: summed}), parents=False)


@contextlib.contextmanager
def open_tensors(path):
    """Opens a file of `write_tensors`. Older files, without a checksum, are not compared.

    Args:
        path: the file.

    Yields:
        (`safetensors.safe_open` of the file, dict of its facts).

    Raises:
        DamagedFileError: its content is not what was written.
        OSError: it cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    try:
        opened = safe_open(path, framework="np")
    except SafetensorError as error:
        raise DamagedFileError(path, str(error)) from None
    with opened as file:
        facts = dict(file.metadata() or {})
        stored = facts.pop(CHECKSUM, None)
        if stored and stored != _checksum(facts, sorted(file.keys()), file.get_tensor):
            raise DamagedFileError(path)
        yield file, facts


def read_tensors(path):
    """Reads a file of `write_tensors`: dict of names to arrays.

    Args:
        path: the file.

    Raises:
        DamagedFileError, OSError: as for `open_tensors`.
    """
    with open_tensors(path) as (file, _):
        return {name: file.get_tensor(name) for name in file.keys()}


def _checksum(facts, names, tensor):
    found = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name in names:
        array = np.ascontiguousarray(tensor(name))
        found.update(f"{name} {array.dtype.str} {array.shape}".encode())
        found.update(array.reshape(-1).view(np.uint8))
    return found.hexdigest()
