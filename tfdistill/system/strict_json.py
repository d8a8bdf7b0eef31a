"""JSON of and for other programs: what is written every reader takes, what is read is checked."""

import hashlib
import json
import math
import re
from pathlib import Path

from tfdistill.system.errors import UserError

SEAL = "sha256"  # key of the checksum of an object
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


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


def parse(text):
    """Reads a JSON value; halves of surrogate pairs, which no text has, become U+FFFD.

    NaN and Infinity are read, since Python's programs write them.

    Args:
        text: str, or bytes in UTF-8, with or without a byte order mark.

    Returns:
        The value.

    Raises:
        ValueError: it is not JSON, or nested too deeply to be read.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig")  # json.loads would let halves of pairs pass
    try:
        value = json.loads(text)
        return _without_surrogates(value) if "\\ud" in text or "\\uD" in text else value
    except RecursionError:
        raise json.JSONDecodeError("nested too deeply", "", 0) from None


def _without_surrogates(value):
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_surrogates(each) for each in value]
    if isinstance(value, dict):
        return {_without_surrogates(k): _without_surrogates(v) for k, v in value.items()}
    return value


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
        found = parse(Path(path).read_bytes())
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
