"""What commands know of a user's recipe file without running it."""

import hashlib
import sys
from pathlib import Path

from tfdistill.system.errors import UserError
from tfdistill.system.paths import at_home


def is_recipe_file(name):
    """Whether `recipe` names a file of the user's, not a recipe of ours."""
    return ".py" in name


def split_name(name):
    """Takes "path/to/file.py:NAME" apart.

    Args:
        name: the setting `recipe`.

    Returns:
        (path, NAME).

    Raises:
        UserError: it names no recipe in the file, or there is no such file.
    """
    path, _, attribute = name.rpartition(":")
    if not path.endswith(".py"):
        raise UserError(f"`recipe`={name} names no recipe in the file: add :NAME")
    if not Path(path).is_file():
        raise UserError(f"`recipe`={name}: there is no file {path}")
    return path, attribute


def fingerprint(name):
    """What a run remembers of its recipe: the name, and of a user's file a hash.

    Args:
        name: the setting `recipe`.

    Returns:
        str.

    Raises:
        UserError: there is no such file.
    """
    if not is_recipe_file(name):
        return name
    path, _ = split_name(name)
    return f"{name} ({hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]})"


def require_on_command_line(name):
    """Refuses a user's recipe that a flagfile names: settings must not run code.

    Args:
        name: the setting `recipe`.

    Raises:
        UserError: no word of the command line names it.
    """
    words = [at_home(word.lstrip("-").removeprefix("recipe=")) for word in sys.argv]
    if is_recipe_file(name) and name not in words:
        raise UserError(
            f"`recipe`={name} runs code, so no flagfile may name it: repeat it on the command line"
        )
