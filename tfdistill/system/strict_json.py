"""JSON without NaN and infinite numbers, which the standard does not have."""

import json
import math


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


def _finite(value):
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
