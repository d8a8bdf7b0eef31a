"""Recipes in users' files; docs/RECIPES.md shows one."""

import functools
import importlib.util
from pathlib import Path

from tfdistill.distillation.phases import Recipe
from tfdistill.recipes.recipe_file import split_name
from tfdistill.system.errors import UserError


def load_user_recipe(name):
    """Runs a user's file and returns a recipe that it defines.

    Args:
        name: "path/to/file.py:NAME"; NAME is a `Recipe` or a function that returns one.

    Returns:
        The `Recipe`, or a function of its options.

    Raises:
        UserError: there is no such file or name, or the file does not run.
    """
    path, attribute = split_name(name)
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UserError(f"`recipe`={name}: the file does not run: {error!r}") from error
    recipe = getattr(module, attribute, None)
    if callable(recipe):
        return _checked(name, recipe)
    if not isinstance(recipe, Recipe):
        raise UserError(f"`recipe`={name}: {path} has no recipe {attribute!r}")
    return recipe


def _checked(name, function):
    @functools.wraps(function)
    def recipe(**options):
        try:
            made = function(**options)
        except Exception as error:
            raise UserError(f"`recipe`={name} fails: {error!r}") from error
        if not isinstance(made, Recipe):
            raise UserError(f"`recipe`={name} returned {type(made).__name__}, not a Recipe")
        return made

    return recipe
