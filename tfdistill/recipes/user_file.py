"""Recipes that users keep in files of their own.

    # my_recipes.py
    from tfdistill.distillation.phases import Phase, Recipe, Term

    def angles(alpha_cos=1.0, alpha_mlm=2.0):  # filled from --alpha_cos and --alpha_mlm
        terms = (Term("mlm", alpha_mlm), Term("cos", alpha_cos))
        return Recipe("angles", (Phase("distil", terms),), source="my own")

    python -m tfdistill.train --flagfile=configs/mini.flags --recipe=my_recipes.py:angles

Loading one runs its code. So only the command line itself may name one, no flagfile.
"""

import functools
import hashlib
import importlib.util
from pathlib import Path

from tfdistill.distillation.phases import Recipe
from tfdistill.errors import UserError


def is_user_file(name):
    """Whether `--recipe` names a file."""
    return ".py" in name


def load_user_recipe(name):
    """Runs a user's file and takes a recipe out of it.

    Args:
        name: "path/to/file.py:NAME", NAME a `Recipe` or a function that returns one, whose
            arguments are filled from the flags of the same names.

    Returns:
        What NAME stands for.

    Raises:
        UserError: there is no such file or name, or the file does not run.
    """
    path, _, attribute = name.rpartition(":")
    if not path:
        raise UserError(f"--recipe={name} names no recipe in the file: add :NAME")
    _require_file(name, path)
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UserError(f"--recipe={name}: the file does not run: {error!r}") from error
    recipe = getattr(module, attribute, None)
    if callable(recipe):
        return _checked(name, recipe)
    if not isinstance(recipe, Recipe):
        raise UserError(f"--recipe={name}: {path} has no recipe {attribute!r}")
    return recipe


def fingerprint(name):
    """What a run remembers of a user's recipe: its name, and a hash of its file.

    Args:
        name: what `--recipe` was given.

    Returns:
        str; for a recipe of ours just the name.

    Raises:
        UserError: there is no such file.
    """
    if not is_user_file(name):
        return name
    path = name.rpartition(":")[0]
    _require_file(name, path)
    return f"{name} ({hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]})"


def _require_file(name, path):
    if not Path(path).is_file():
        raise UserError(f"--recipe={name}: there is no file {path}")


def _checked(name, function):
    @functools.wraps(function)
    def recipe(**options):
        try:
            made = function(**options)
        except Exception as error:
            raise UserError(f"--recipe={name} fails: {error!r}") from error
        if not isinstance(made, Recipe):
            raise UserError(f"--recipe={name} returned {type(made).__name__}, not a Recipe")
        return made

    return recipe
