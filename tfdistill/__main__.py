"""Lists the commands and the bundled flagfiles.

python -m tfdistill
"""

import importlib
import sys

import tfdistill
from tfdistill.command_line import flagfile
from tfdistill.command_line.cli import exit_code_of
from tfdistill.system.errors import UserError

COMMANDS = (
    "train",
    "prepare",
    "evaluate",
    "export",
    "compare",
    "experiment",
    "benchmark",
    "search",
    "predict",
    "fill_mask",
    "advise",
    "doctor",
)


def main():
    """Runs the command."""
    return exit_code_of(_main)


def _main():
    words = [word for word in sys.argv[1:] if word not in ("-h", "--help")]
    if "--version" in words:
        print(f"tfdistill {tfdistill.__version__}")
    elif words:
        named = words[0] if words[0] in COMMANDS else "COMMAND"
        raise UserError(
            f"{words[0]}: commands are modules: run python -m tfdistill.{named} with its flags; "
            "python -m tfdistill lists the commands"
        )
    else:
        print(listing())


def listing():
    """Returns the commands and the flagfiles with their purposes, as text."""
    lines = [tfdistill.__doc__.splitlines()[0], ""]
    for name in COMMANDS:
        module = importlib.import_module(f"tfdistill.{name}")
        lines.append(f"python -m tfdistill.{name:<12}{module.__doc__.splitlines()[0]}")
    lines += ["", f"Each lists its flags with --help. Flagfiles in {flagfile.BUNDLED}:", ""]
    bundled = flagfile.bundled()
    width = max(map(len, bundled)) + len("--flagfile=") + 2
    for name, path in bundled.items():
        lines.append(f"{'--flagfile=' + name:<{width}}{flagfile.purpose(path)}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
