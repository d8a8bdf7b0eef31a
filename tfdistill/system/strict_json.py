"""JSON without NaN and infinite numbers, which the standard does not have."""

import hashlib
import json
import math
from pathlib import Path

from tfdistill.system.errors import UserError

SEAL = "sha256"  # key of the checksum of an object


def dumps(value, indent=None, seal=False):
    """Writes a value as JSON that every reader takes.

    Args:
        value: dicts, lists, strings and numbers.
        indent: as for `json.dumps`.
        seal: whether the value, a dict, gets a checksum (see `sealed`).

    Returns:
        str; NaN and infinite numbers are null.

    Example:
        from tfdistill.system import strict_json

        strict_json.dumps({"pearson": float("nan")})  # '{"pearson": null}'
    """
    value = _finite(value)
    return json.dumps(sealed(value) if seal else value, indent=indent, allow_nan=False)


def sealed(value):
    """Adds a checksum to an object that is about to be written, by which damage is found.

    Args:
        value: dict that is written as JSON.

    Returns:
        dict with a further key, `SEAL`.
    """
    return value | {SEAL: _checksum(value)}


def read_object(path, kinds, cure):
    """Reads a JSON object that tfdistill wrote, without its checksum.

    Args:
        path: the file.
        kinds: dict of keys that it must have to the types of their values.
        cure: what to do about a damaged file, for the message.

    Returns:
        dict.

    Raises:
        UserError: the file is damaged.
        OSError: it cannot be read.
    """
    try:
        found = json.loads(Path(path).read_bytes())
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(
        isinstance(found.get(key), kind) for key, kind in kinds.items()
    ):
        raise UserError(f"{path} is damaged: {cure}")
    if found.pop(SEAL, None) not in (None, _checksum(found)):
        raise UserError(f"{path} is damaged, not what was written: {cure}")
    return found


def _checksum(value):
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def _finite(value):
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
