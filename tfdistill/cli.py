"""How every command starts and ends: flags in, one clear line for what went wrong, an exit code."""

import os
import sys
from pathlib import Path

from tfdistill import flags as tfdistill_flags
from tfdistill.errors import UserError

INTERRUPTED = 130  # the shell's code for a command ended by Ctrl-C


def run(main, doc, shown, positional=None, of_run=(), separator=" "):
    """Parses the flags, calls `main` and exits with its code.

    Args:
        main: called with a `RunConfig`; what it returns is the exit code (None: 0).
        doc: the command's help, shown above its flags.
        shown: the flags that `--help` shows (see `flags.declare`).
        positional: name of the flag that the words without `--` fill, or None to refuse them.
        of_run: flags that, where they are not given and --model is not either, are those that the
            run in --output_dir was made with.
        separator: stands between the words in the value of `positional`.
    """
    from absl import app, flags

    # TensorFlow's start-up messages are not for the users of a command; its errors are.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.modules["__main__"].__doc__ = doc
    try:
        tfdistill_flags.declare(flags.FLAGS, shown)
        words = _parse(app, flags, sys.argv)
        if words and positional:
            flags.FLAGS[positional].value = separator.join(words)
        elif words:
            raise UserError(f"unexpected word {words[0]!r}: flags start with --")
        if of_run and not flags.FLAGS.model:
            _adopt(flags.FLAGS, of_run)
        code = main(tfdistill_flags.config_from(flags.FLAGS))
        sys.stdout.flush()
    except UserError as error:
        code = _fail(str(error))
    except BrokenPipeError:  # who reads the output has ended, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except OSError as error:
        named = f"{error.filename}: " if error.filename else ""
        code = _fail(f"{named}{error.strerror or error}: free the disk or fix the path and repeat")
    except KeyboardInterrupt:
        code = _fail("stopped; the same command goes on from the last checkpoint", INTERRUPTED)
    sys.exit(code or 0)


def _parse(app, flags, argv):
    """Returns the words that are no flags; `--help` prints and exits here."""
    app.define_help_flags()
    try:
        return flags.FLAGS(argv)[1:]
    except flags.Error as error:
        raise UserError(" ".join(str(error).split())) from None


def _adopt(flag_values, names):
    """Reads flags that were not given from the flags.txt of the run in --output_dir."""
    file = Path(flag_values.output_dir) / "flags.txt"
    if not file.is_file():
        return
    stored = tfdistill_flags.parse_flag_lines(file.read_text().splitlines())
    for name in names:
        if not flag_values[name].present:
            flag_values[name].parse(stored[name])


def _fail(message, code=1):
    line = " ".join(message.split())
    print(f"error: {line}", file=sys.stderr, flush=True)
    return code
