"""A recipe that is given to the advice: the shapes of students that it can train."""

import dataclasses

from tfdistill import recipes
from tfdistill.system.devices import import_quietly
from tfdistill.system.errors import UserError


def trainable_shapes(shapes, task, teacher, config):
    """Leaves out the shapes that a recipe cannot train.

    Args:
        shapes: dict of names to `EncoderConfig`s.
        task: the `Task`.
        teacher: `EncoderConfig`.
        config: a `RunConfig` with the recipe and its options.

    Returns:
        set of names.

    Raises:
        UserError: the recipe is unknown or not for this task, or can train none of the shapes.
    """
    options = dataclasses.asdict(config)
    recipe = recipes.get(config.recipe, task_losses=task.distillation_losses, **options)
    import_quietly("tfdistill.distillation.bound_terms")  # TensorFlow comes with it
    from tfdistill.distillation.bound_terms import check_phase
    from tfdistill.distillation.progressive import unfold
    from tfdistill.run.recipe_checks import check_losses

    check_losses(config, recipe)
    found, refused = set(), None
    for name, student in shapes.items():
        depths = student.num_hidden_layers, teacher.num_hidden_layers
        try:
            for phase in unfold(recipe, *depths).phases:
                check_phase(phase, student, teacher)
        except UserError as error:
            refused = error
        else:
            found.add(name)
    if refused and not found:
        raise UserError(
            f"`recipe`={config.recipe} fits none of the shapes that are advised for this teacher: "
            "leave it out, or choose a `student_config` yourself"
        )
    return found
