"""Published recipes, one short file each, and those that users write."""

import inspect

from tfdistill.distillation.phases import Recipe
from tfdistill.distillation.schedules import parse_schedules
from tfdistill.recipes.distilbert import distilbert
from tfdistill.recipes.hybrid import hybrid
from tfdistill.recipes.minilm import minilm, minilm_v1
from tfdistill.recipes.mlm import mlm
from tfdistill.recipes.mobilebert import TRANSFERS, by_transfer
from tfdistill.recipes.pkd import pkd
from tfdistill.recipes.recipe_file import is_recipe_file
from tfdistill.recipes.tinybert import tinybert
from tfdistill.recipes.user_file import load_user_recipe
from tfdistill.system.errors import UserError

_RECIPES = {
    recipe.__name__: recipe
    for recipe in (distilbert, hybrid, minilm, minilm_v1, mlm, pkd, tinybert)
} | {f"mobilebert_{transfer}": by_transfer(transfer) for transfer in TRANSFERS}


# Numbers that are settled before the first step.
_SETTLED = "mlm_share head_share transfer_share lower_rate relation_heads relation_layer".split()


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

    Example:
        import tfdistill

        recipe = tfdistill.recipes.get("distilbert", alpha_ce=1.0, temperature=4.0)
        [term.loss for term in recipe.phases[0].terms]
    """
    recipe = load_user_recipe(name) if is_recipe_file(name) else _RECIPES.get(name)
    if recipe is None:
        raise UserError(
            f"`recipe`={name} is unknown: choose one of {', '.join(names())}, or FILE.py:NAME"
        )
    if isinstance(recipe, Recipe):
        return recipe
    known = inspect.signature(recipe).parameters
    if "then" in known:
        options["then"] = _following(then, schedules, options)
        schedules = ""
    scheduled = parse_schedules(schedules)
    numbers = [
        key
        for key, parameter in known.items()
        if type(parameter.default) in (int, float) and key not in _SETTLED
    ]
    foreign = sorted(set(scheduled) - set(numbers))
    if foreign:
        raise UserError(
            f"`schedules`: the recipe {name} has no number {foreign[0]!r} to change; it knows "
            f"{', '.join(numbers) or 'none'}"
        )
    options = {key: value for key, value in options.items() if key in known and value != ""}
    return recipe(**(options | scheduled))


def own_defaults(name):
    """The options of a user's recipe that have defaults: a dict; of a bundled one, {}."""
    recipe = load_user_recipe(name) if is_recipe_file(name) else None
    if recipe is None or isinstance(recipe, Recipe):
        return {}
    parameters = inspect.signature(recipe).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def options_of(name, then="distilbert"):
    """Names of the options that a recipe takes.

    Args:
        name, then: as for `get`.

    Returns:
        set of str.
    """
    recipe = load_user_recipe(name) if is_recipe_file(name) else _RECIPES[name]
    if isinstance(recipe, Recipe):
        return set()
    known = set(inspect.signature(recipe).parameters)
    return known | options_of(then) if "then" in known else known


def _following(then, schedules, options):
    if then not in names() or then == "hybrid":
        others = [name for name in names() if name not in ("hybrid", "mlm")]
        raise UserError(f"`then`={then} is unknown: choose one of {', '.join(others)}")
    return get(then, schedules, **options)
