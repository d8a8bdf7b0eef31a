"""Published recipes, one short file each."""

import inspect

from tfdistill.errors import UserError
from tfdistill.recipes.distilbert import distilbert
from tfdistill.recipes.mlm import mlm

_RECIPES = {recipe.__name__: recipe for recipe in (distilbert, mlm)}


def names():
    """Names of the recipes, sorted."""
    return tuple(sorted(_RECIPES))


def get(name, **options):
    """Makes a recipe.

    Args:
        name: one of `names()`.
        **options: settings of all recipes; this one takes those it knows, its own defaults
            stand for the rest.

    Returns:
        A `Recipe`.

    Raises:
        UserError: there is no such recipe.
    """
    if name not in _RECIPES:
        raise UserError(f"--recipe={name} is unknown: choose one of {', '.join(names())}")
    recipe = _RECIPES[name]
    known = inspect.signature(recipe).parameters
    return recipe(**{key: value for key, value in options.items() if key in known})
