"""Published recipes, one short file each, and those that users write."""

import inspect

from tfdistill.distillation.phases import Recipe
from tfdistill.distillation.schedules import parse_schedules
from tfdistill.errors import UserError
from tfdistill.recipes.distilbert import distilbert
from tfdistill.recipes.hybrid import hybrid
from tfdistill.recipes.minilm import minilm, minilm_v1
from tfdistill.recipes.mlm import mlm
from tfdistill.recipes.pkd import pkd
from tfdistill.recipes.tinybert import tinybert
from tfdistill.recipes.user_file import is_user_file, load_user_recipe

_RECIPES = {
    recipe.__name__: recipe
    for recipe in (distilbert, hybrid, minilm, minilm_v1, mlm, pkd, tinybert)
}


def names():
    """Names of the recipes, sorted."""
    return tuple(sorted(_RECIPES))


def get(name, schedules="", then="distilbert", **options):
    """Makes a recipe.

    Args:
        name: one of `names()`, or a user's own: "path/to/file.py:NAME".
        schedules: options that change over a phase (see `parse_schedules`).
        then: for "hybrid", the name of the recipe that follows.
        **options: settings of all recipes; this one takes those it knows, its own defaults
            stand for the rest and for those that are "".

    Returns:
        A `Recipe`.

    Raises:
        UserError: there is no such recipe, or it has no such option to schedule.
    """
    recipe = load_user_recipe(name) if is_user_file(name) else _RECIPES.get(name)
    if recipe is None:
        raise UserError(
            f"--recipe={name} is unknown: choose one of {', '.join(names())}, or FILE.py:NAME"
        )
    if isinstance(recipe, Recipe):
        return recipe
    known = inspect.signature(recipe).parameters
    if "then" in known:
        options["then"] = _following(then, schedules, options)
        schedules = ""
    scheduled = parse_schedules(schedules)
    # Weights and temperatures; a share of the steps is settled before the first.
    numbers = [k for k, p in known.items() if type(p.default) is float and "share" not in k]
    foreign = sorted(set(scheduled) - set(numbers))
    if foreign:
        raise UserError(
            f"--schedules: --recipe={name} has no number {foreign[0]!r} to change; it knows "
            f"{', '.join(numbers) or 'none'}"
        )
    options = {key: value for key, value in options.items() if key in known and value != ""}
    return recipe(**(options | scheduled))


def _following(then, schedules, options):
    if then not in names() or then == "hybrid":
        others = [name for name in names() if name not in ("hybrid", "mlm")]
        raise UserError(f"--then={then} is unknown: choose one of {', '.join(others)}")
    return get(then, schedules, **options)
