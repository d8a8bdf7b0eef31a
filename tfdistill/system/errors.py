"""The one exception that the command lines turn into a single line of text."""


class UserError(Exception):
    """Input that the user can put right.

    The message is one line: what is wrong, the flag or file it concerns, and the cure. Command
    lines print it and exit non-zero, without a traceback.
    """


class NoGpuError(UserError):
    """A GPU is asked for, and TensorFlow sees none."""
