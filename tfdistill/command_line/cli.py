"""How every command starts and ends: flags in, one line for an error, an exit code."""

import dataclasses
import itertools
import os
import sys

import tfdistill
from tfdistill.command_line import flagfile
from tfdistill.command_line.console import as_flags, finish_line
from tfdistill.command_line.early_paths import require_there
from tfdistill.settings.settings import options_of
from tfdistill.system import quiet, stopping
from tfdistill.system.errors import UserError
from tfdistill.system.paths import cure_of

LONGEST_NAME = 60  # characters of a flag
INTERRUPTED = 130  # the shell's code for a command ended by Ctrl-C


@dataclasses.dataclass(frozen=True)
class Command:
    """A command: its help, its settings, and how its words become a `RunConfig`.

    Args:
        doc: text above the flags in the help.
        settings: the settings that the command uses: names, and classes for whole groups.
        help: dict of settings to help texts that replace the general ones.
        positional: setting that takes the words without dashes; None to refuse such words.
        separator: text between these words in the value of `positional`.
        places: settings that take one such word each, in this order, in place of `positional`.
        reads_run: the text and row length of the run in --output_dir are the defaults, unless
            --model is given.
        reads_model: whether the task of --model is the default where that is a .tflite file, and
            its row length, where a task with labels has one.
    """

    doc: str
    settings: tuple
    help: dict = dataclasses.field(default_factory=dict)
    positional: str | None = None
    separator: str = " "
    places: tuple = ()
    reads_run: bool = False
    reads_model: bool = False

    def setting_names(self):
        """Returns the names of all settings of the command: a list."""
        found = [
            [each] if isinstance(each, str) else list(options_of(each)) for each in self.settings
        ]
        return [name for names in found for name in names]

    def run(self, main, left=None):
        """Parses the command line, calls `main` and exits with its code.

        Ctrl-C and SIGTERM end the command with 130 and 143 (see `stopping`).

        Args:
            main: called with a `RunConfig`; returns the exit code (None: 0).
            left: function that returns what a stopped command leaves; None: nothing.
        """
        _prepare_streams()
        quiet.hide_retracing()

        def body():
            config = self.config(sys.argv[1:])
            require_there(config, self.setting_names())
            return main(config)

        sys.exit(exit_code_of(body, left))

    def config(self, words):
        """Reads a command line; --help and --version print and exit.

        Args:
            words: list of str, without the command itself.

        Returns:
            A `RunConfig`.

        Raises:
            UserError: a flag or a value is wrong.
        """
        from absl import flags

        from tfdistill.command_line import absl_flags

        self._answer(words)
        values = flags.FlagValues()
        absl_flags.declare(values)
        words = flagfile.expand(words)
        _refuse_long_names(words)
        try:
            rest = values(["tfdistill", *words])[1:]
        except flags.Error as error:
            raise UserError(absl_flags.explained(error)) from None
        taken = len(rest) if self.positional else len(self.places)
        if len(rest) > taken:
            cure = "put each text in quotes" if self.places else "flags start with --"
            raise UserError(f"unexpected word {rest[taken]!r}: {cure}")
        for name, word in zip(self.places, rest, strict=False):
            _refuse_twice(values, name)
            values[name].value = word
        if rest and self.positional:
            _refuse_twice(values, self.positional)
            values[self.positional].value = self.separator.join(rest)
        if self.reads_run and not values.model:
            from tfdistill.command_line.run_text import adopt_settings

            adopt_settings(values)
        if self.reads_model and values.model:
            from tfdistill.command_line.run_text import adopt_length, adopt_task

            adopt_task(values)
            adopt_length(values)
        return absl_flags.config_from(values)

    def _answer(self, words):
        from tfdistill.command_line.help import VERSION, requested_help

        text = requested_help(words, self)
        if text is None and set(words) & set(VERSION):
            text = f"tfdistill {tfdistill.__version__}"
        if text is not None:
            print(text)
            sys.stdout.flush()
            sys.exit(0)


def _refuse_twice(values, name):
    if values[name].present:
        raise UserError(f"`{name}` is given as a flag and as a word: leave one of them out")


def _refuse_long_names(words):
    """Refuses what cannot be a flag: absl would compare it with all of them, letter by letter."""
    for word in itertools.takewhile("--".__ne__, words):
        name = word.partition("=")[0]
        if word.startswith("-") and len(name) > LONGEST_NAME:
            raise UserError(f"unknown flag {name[:LONGEST_NAME]}…: see --helpfull")


def _prepare_streams():
    for stream in filter(None, (sys.stdout, sys.stderr)):
        # File names and tokens may hold characters that the terminal's encoding lacks.
        if hasattr(stream, "reconfigure") and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def exit_code_of(body, left=None):
    """Runs the body of a command and prints one line for an error.

    Args:
        body: function without arguments; returns the exit code (None: 0).
        left: function that returns what a stopped command leaves; None: nothing.

    Returns:
        The exit code.
    """

    def farewell():
        _tell(f"stopped; {as_flags(left())}" if left else "stopped")

    try:
        with stopping.handled(_tell, farewell):
            code = body()
            sys.stdout.flush()
    except UserError as error:
        code = _fail(as_flags(error.message))
    except BrokenPipeError:  # the reader of the output ended, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except OSError as error:
        named = f"{error.filename}: " if error.filename else ""
        code = _fail(f"{named}{error.strerror or error}: {cure_of(error)}")
    except KeyboardInterrupt as stop:
        farewell()
        code = stop.code if isinstance(stop, stopping.Stopped) else INTERRUPTED
    return code or 0


def _fail(message, code=1):
    _tell(f"error: {' '.join(message.split())}")
    return code


def _tell(line):
    """Writes a line to standard error, also while that is captured."""
    finish_line()
    quiet.write_past_capture(f"{line}\n")
