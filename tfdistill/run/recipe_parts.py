"""The parts of a student that a recipe trains, known from the settings."""

import dataclasses

from tfdistill import recipes, tasks
from tfdistill.models.part_grid import PartGrid


def trains_parts(config):
    """Whether the recipe makes a super-student: its last phase trains parts of it.

    Args:
        config: a `RunConfig`.
    """
    return _parts(config) is not None


def keeps_shape(config):
    """Whether the recipe trains parts of a student that has the shape of its teacher.

    Args:
        config: a `RunConfig`.
    """
    return isinstance(_parts(config), PartGrid)


def _parts(config):
    settings = dataclasses.asdict(config)
    losses = tasks.get(config.task).distillation_losses
    recipe = recipes.get(settings.pop("recipe"), task_losses=losses, **settings)
    return recipe.phases[-1].parts
