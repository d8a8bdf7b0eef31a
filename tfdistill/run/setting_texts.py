"""Settings whose text must be readable even where the run does not need it."""

from tfdistill import recipes
from tfdistill.distillation.layer_maps import LAYER_MAPS
from tfdistill.recipes.recipe_file import is_recipe_file
from tfdistill.run.sources import teacher_weights
from tfdistill.system.errors import UserError


def check_texts(config):
    """Refuses texts that mean nothing.

    Args:
        config: a `RunConfig`.

    Raises:
        UserError: `then` is no recipe, `layer_map` no map, or `teacher_weights` no numbers.
    """
    then, mapped = config.then, config.layer_map
    if then and not is_recipe_file(then) and then not in recipes.names():
        raise UserError(f"`then`={then} is unknown: choose one of {', '.join(recipes.names())}")
    if mapped and not mapped[0].isdigit() and mapped not in LAYER_MAPS:
        raise UserError(
            f"`layer_map`={mapped} is unknown: choose one of {', '.join(LAYER_MAPS)}, or a list "
            "like 2,5,8,11"
        )
    teacher_weights(config)
