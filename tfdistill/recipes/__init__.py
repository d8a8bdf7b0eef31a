"""Published recipes, one short file each, and recipes in users' files."""

import inspect

from tfdistill.distillation.phases import Recipe
from tfdistill.distillation.schedules import parse_schedules
from tfdistill.recipes.autotinybert import autotinybert
from tfdistill.recipes.bilstm import bilstm
from tfdistill.recipes.distilbert import distilbert
from tfdistill.recipes.dynabert import dynabert
from tfdistill.recipes.hybrid import hybrid
from tfdistill.recipes.kd import kd
from tfdistill.recipes.minilm import minilm, minilm_v1
from tfdistill.recipes.mlm import mlm
from tfdistill.recipes.mobilebert import mobilebert_akt, mobilebert_jkt, mobilebert_pkt
from tfdistill.recipes.options import FROM_THE_TASK, collect_options
from tfdistill.recipes.pkd import pkd
from tfdistill.recipes.recipe_file import is_recipe_file
from tfdistill.recipes.sentence import sentence
from tfdistill.recipes.static import static
from tfdistill.recipes.textbrewer import textbrewer
from tfdistill.recipes.tinybert import tinybert
from tfdistill.recipes.tinybert_task import tinybert_task
from tfdistill.recipes.user_file import load_user_recipe
from tfdistill.system.errors import UserError
from tfdistill.system.options import option_in

VECTORS = "alpha_vectors"  # an option of recipes that learn vectors, and need no labels
_RECIPES = {
    recipe.__name__: recipe
    for recipe in (
        autotinybert,
        bilstm,
        distilbert,
        dynabert,
        hybrid,
        kd,
        minilm,
        minilm_v1,
        mlm,
        mobilebert_akt,
        mobilebert_jkt,
        mobilebert_pkt,
        pkd,
        sentence,
        static,
        textbrewer,
        tinybert,
        tinybert_task,
    )
}
# dict of names to (type, `Option`, default)
OPTIONS = collect_options(_RECIPES)


def names():
    """Returns the names of the recipes, sorted."""
    return tuple(sorted(_RECIPES))


def get(name, schedules="", then="distilbert", **options):
    """Makes a recipe.

    Args:
        name: one of `names()`, or a recipe in a user's file: "path/to/file.py:NAME".
        schedules: options that change during a phase (see `parse_schedules`).
        then: for "hybrid", the name of the recipe that follows.
        **options: settings of all recipes, and the names of the task's losses, `task_losses` (see
            `recipes.kd`). The recipe takes those that it has; its own defaults
            stand in for the rest, and for values of "".

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
        known = ", ".join(names())
        raise UserError(f"`recipe`={name} is unknown: choose one of {known}, or FILE.py:NAME")
    if isinstance(recipe, Recipe):
        return recipe
    parameters = inspect.signature(recipe).parameters
    if "then" in parameters:
        options["then"] = _following(then, schedules, options)
        schedules = ""
    _require_fitting_task(name, parameters, options.get("task_losses"))
    scheduled = parse_schedules(schedules)
    _require_numbers(name, scheduled, parameters)
    options = {key: value for key, value in options.items() if key in parameters and value != ""}
    return recipe(**(options | scheduled))


def own_defaults(name):
    """Returns the defaults of the options of a recipe in a user's file: a dict; else {}."""
    recipe = load_user_recipe(name) if is_recipe_file(name) else None
    if recipe is None or isinstance(recipe, Recipe):
        return {}
    parameters = inspect.signature(recipe).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def options_of(name, then="distilbert"):
    """Returns the names of the options that a recipe takes.

    Args:
        name, then: as for `get`.

    Returns:
        set of str.
    """
    recipe = load_user_recipe(name) if is_recipe_file(name) else _RECIPES[name]
    if isinstance(recipe, Recipe):
        return set()
    known = set(inspect.signature(recipe).parameters) - FROM_THE_TASK
    return known | options_of(then) if "then" in known else known


def _require_fitting_task(name, parameters, task_losses):
    """Refuses a recipe of labels for a task without, and one of vectors for a task with others."""
    takes_labels, takes_vectors = "task_losses" in parameters, VECTORS in parameters
    if task_losses is None or takes_labels == takes_vectors:
        return
    if takes_labels and not task_losses:
        raise UserError(
            f"`recipe`={name} learns from labels, and the task has none: use `recipe`=sentence, or "
            "another `task`"
        )
    if takes_vectors and task_losses:
        raise UserError(
            f"`recipe`={name} learns vectors of texts, which models of this task do not give: set "
            "`task`=sentence_embedding, or use another `recipe`, such as kd"
        )


def _following(then, schedules, options):
    if then not in names() or then == "hybrid":
        others = [name for name in names() if name not in ("hybrid", "mlm")]
        raise UserError(f"`then`={then} is unknown: choose one of {', '.join(others)}")
    return get(then, schedules, **options)


def _require_numbers(name, scheduled, parameters):
    """Refuses a schedule of an option that the recipe lacks, or that is no number to change."""
    numbers = []
    for key, parameter in parameters.items():
        option = option_in(parameter.annotation) or (OPTIONS[key][1] if key in OPTIONS else None)
        is_number = type(parameter.default) in (int, float)
        if is_number and (option is None or option.scheduled):
            numbers.append(key)
    foreign = sorted(set(scheduled) - set(numbers))
    if foreign:
        raise UserError(
            f"`schedules`: the recipe {name} has no number {foreign[0]!r} to change; it knows "
            f"{', '.join(numbers) or 'none'}"
        )
