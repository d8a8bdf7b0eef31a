"""JSON without NaN and infinite numbers, which the standard does not have."""

import json
import math
from pathlib import Path

from tfdistill.system.errors import UserError


def dumps(value, indent=None):
    """Writes a value as JSON that every reader takes.

    Args:
        value: dicts, lists, strings and numbers.
        indent: as for `json.dumps`.

    Returns:
        str; NaN and infinite numbers are null.

    Example:
        from tfdistill.system import strict_json

        strict_json.dumps({"pearson": float("nan")})  # '{"pearson": null}'
    """
    return json.dumps(_finite(value), indent=indent, allow_nan=False)


def read_object(path, kinds, cure):
    """Reads a JSON object that tfdistill wrote.

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
    return found


def _finite(value):
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
