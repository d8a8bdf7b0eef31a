"""Errors that the user can correct, and settings named in messages.

A message names a setting in backquotes: "`length`=200 is over the 128 positions". Python users read
the plain name, `length=200`; the command line writes the flag in its place.
"""

import re

LONGEST = 1500  # characters of a message
_SETTING = re.compile(r"`([a-z][a-z0-9_]*)`")


def write_settings(message, write=str):
    """Replaces every setting that a message names in backquotes.

    Args:
        message: text with names in backquotes.
        write: function of a setting's name to the text that replaces it, backquotes included. By
            default the plain name.

    Returns:
        str.
    """
    return _SETTING.sub(lambda found: write(found[1]), message)


def _shortened(message):
    """The message without its middle, if a value or a name in it is very long."""
    if len(message) <= LONGEST:
        return message
    return f"{message[: LONGEST // 2]} … {message[-LONGEST // 2 :]}"


class UserError(Exception):
    """Wrong input that the user can correct.

    `str(error)` is the message with plain names of settings. Command lines print it, with flags in
    their place, as one line and exit with a code other than zero; there is no traceback.

    Args:
        message: one line: what is wrong, the setting or file that causes it, and what to do. Names
            of settings stand in backquotes.

    Example:
        error = UserError("`length`=200 is over the 128 positions: use a smaller one")
        str(error)  # "length=200 is over the 128 positions: use a smaller one"
    """

    def __init__(self, message=""):
        super().__init__(_shortened(message))

    @property
    def message(self):
        """The message as it was written, with names of settings in backquotes."""
        return self.args[0]

    def __str__(self):
        return write_settings(self.message)


class NoGpuError(UserError):
    """A GPU was requested, but TensorFlow finds none."""
