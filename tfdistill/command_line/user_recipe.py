"""Recipes in users' files run code, so only the command line itself may name one."""

import sys

from tfdistill.recipes.recipe_file import is_recipe_file
from tfdistill.system.errors import UserError
from tfdistill.system.paths import at_home


def require_on_command_line(name):
    """Refuses a recipe in a user's file that a flagfile names.

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
