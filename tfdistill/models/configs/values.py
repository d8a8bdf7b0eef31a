"""Conditions on the values of configs."""

import sys

from tfdistill.system.errors import UserError


def require(condition, message):
    """Raises `UserError` with a message unless a condition holds."""
    if not condition:
        raise UserError(message)


def is_integer(value):
    """Whether a value is a whole number, and no truth value."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value):
    """Whether a value is a finite number of float's range, and no truth value."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and abs(value) <= sys.float_info.max  # also for whole numbers of any size
