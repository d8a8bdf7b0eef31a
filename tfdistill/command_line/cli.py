"""How every command starts and ends: flags in, one clear line for what went wrong, an exit code."""

import os
import sys
from pathlib import Path

import tfdistill
from tfdistill.command_line import flagfile
from tfdistill.command_line.console import as_flags, finish_line
from tfdistill.settings import flags as tfdistill_flags
from tfdistill.system import quiet, stopping
from tfdistill.system.errors import UserError
from tfdistill.system.paths import cure_of

INTERRUPTED = 130  # the shell's code for a command ended by Ctrl-C


def run(main, doc, shown, positional=None, of_run=(), separator=" ", help=None, left=None):
    """Parses the flags, calls `main` and exits with its code.

    Ctrl-C and SIGTERM end it with 130 and 143 (see `stopping`).

    Args:
        main: called with a `RunConfig`; what it returns is the exit code (None: 0).
        doc: the command's help, shown above its flags.
        shown: the flags that `--help` shows (see `flags.declare`).
        positional: name of the flag that the words without `--` fill, or None to refuse them.
        of_run: flags that, where they are not given and --model is not either, are those that the
            run in --output_dir was made with.
        separator: stands between the words in the value of `positional`.
        help: dict of flags to what they mean for this command, where that is not what they mean
            for the main job.
        left: function that says what a command that was stopped leaves; None: there is nothing.
    """

    def farewell():
        _tell(f"stopped; {left()}" if left else "stopped")

    for stream in filter(None, (sys.stdout, sys.stderr)):
        # Names of files, and tokens, may hold what the terminal's encoding lacks.
        if hasattr(stream, "reconfigure") and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
    # TensorFlow's start-up messages are not for the users of a command; its errors are.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        with stopping.handled(_tell, farewell):
            code = main(_config(doc, shown, positional, of_run, separator, help or {}))
            sys.stdout.flush()
    except UserError as error:
        code = _fail(as_flags(error.message))
    except BrokenPipeError:  # who reads the output has ended, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except OSError as error:
        named = f"{error.filename}: " if error.filename else ""
        code = _fail(f"{named}{error.strerror or error}: {cure_of(error)}")
    except KeyboardInterrupt as stop:
        farewell()
        code = stop.code if isinstance(stop, stopping.Stopped) else INTERRUPTED
    sys.exit(code or 0)


def _config(doc, shown, positional, of_run, separator, help):
    """Reads the command line as a `RunConfig`; the arguments are those of `run`."""
    from absl import flags

    tfdistill_flags.declare(flags.FLAGS, shown, help)
    words = _parse(flags, sys.argv, doc)
    if words and positional:
        flags.FLAGS[positional].value = separator.join(words)
    elif words:
        raise UserError(f"unexpected word {words[0]!r}: flags start with --")
    if of_run and not flags.FLAGS.model:
        _adopt(flags.FLAGS, of_run)
    return tfdistill_flags.config_from(flags.FLAGS)


def _parse(flags, argv, doc):
    """Returns the words that are no flags; `--help` and `--version` print and exit here."""
    flag_values = flags.FLAGS

    def answers(name, short_name, help, text):
        class Answer(flags.BooleanFlag):
            def parse(self, argument):
                super().parse(argument)
                if self.value:
                    print(text())
                    sys.stdout.flush()
                    sys.exit(0)

        flags.DEFINE_flag(Answer(name, False, help, short_name=short_name), flag_values)
        for key in filter(None, (name, short_name)):
            flag_values.register_key_flag_for_module(argv[0], flag_values[key])

    def of_command():
        return f"{doc}\nflags:\n{flag_values.main_module_help()}"

    answers("help", "h", "Show this help.", of_command)
    answers("helpshort", None, "Show this help.", of_command)
    answers("helpfull", None, "Show the flags of all commands.", lambda: f"{doc}\n{flag_values}")
    answers("version", None, "Show the version.", lambda: f"tfdistill {tfdistill.__version__}")
    try:
        return flag_values([argv[0], *flagfile.expand(argv[1:])])[1:]
    except flags.Error as error:
        raise UserError(" ".join(str(error).split())) from None


def _adopt(flag_values, names):
    """Reads flags that were not given from the flags.txt of the run in --output_dir."""
    file = Path(flag_values.output_dir).expanduser() / "flags.txt"
    if not file.is_file():
        return
    from absl import flags

    from tfdistill.run.held_out import as_meant_in
    from tfdistill.training.checkpoints import stored_folder

    stored = tfdistill_flags.parse_flag_lines(file.read_text().splitlines())
    folder = stored_folder(file.parent)
    for name in names:
        if not flag_values[name].present and name in stored:  # an older run knew fewer flags
            value = as_meant_in(name, stored[name], folder)
            try:
                flag_values[name].parse(value)
            except flags.Error as error:
                raise UserError(f"{file}: {' '.join(str(error).split())}") from None


def _fail(message, code=1):
    _tell(f"error: {' '.join(message.split())}")
    return code


def _tell(line):
    """Writes a line of its own to standard error, also while that is captured."""
    finish_line()
    quiet.write_past_capture(f"{line}\n")
