"""Recipes in users' files, without running the files."""

import hashlib
from pathlib import Path

from tfdistill.system.errors import UserError


def is_recipe_file(name):
    """Returns whether the setting `recipe` names a user's file, not a bundled recipe."""
    return ".py" in name


def split_name(name):
    """Splits "path/to/file.py:NAME".

    Args:
        name: the setting `recipe`.

    Returns:
        (path, NAME).

    Raises:
        UserError: NAME is missing, or there is no such file.
    """
    path, _, attribute = name.rpartition(":")
    if not path.endswith(".py"):
        raise UserError(f"`recipe`={name} names no recipe in the file: add :NAME")
    if not Path(path).is_file():
        raise UserError(f"`recipe`={name}: there is no file {path}")
    return path, attribute


def fingerprint(name):
    """Identifies a recipe: its name and, for a user's file, a hash of the file.

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
