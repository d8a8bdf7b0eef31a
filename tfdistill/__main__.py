"""Lists the commands and the bundled flagfiles.

python -m tfdistill
"""

import importlib
import sys

import tfdistill
from tfdistill.command_line import flagfile

COMMANDS = ("train", "prepare", "evaluate", "export", "compare", "fill_mask", "doctor")


def main():
    """Runs the command."""
    words = sys.argv[1:]
    if "--version" in words:
        print(f"tfdistill {tfdistill.__version__}")
        return 0
    other = [word for word in words if word not in ("-h", "--help")]
    if other:
        named = other[0] if other[0] in COMMANDS else "COMMAND"
        print(
            f"error: {other[0]}: commands are modules: run python -m tfdistill.{named} with its "
            "flags; python -m tfdistill lists the commands",
            file=sys.stderr,
        )
        return 1
    print(listing())
    return 0


def listing():
    """Returns the commands with their purpose, and the paths of the flagfiles, as text."""
    lines = [tfdistill.__doc__.splitlines()[0], ""]
    for name in COMMANDS:
        module = importlib.import_module(f"tfdistill.{name}")
        lines.append(f"python -m tfdistill.{name:<12}{module.__doc__.splitlines()[0]}")
    lines += ["", "Each lists its flags with --help. Flagfiles for --flagfile=NAME:", ""]
    lines += [f"{name:<22}{path}" for name, path in flagfile.bundled().items()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
