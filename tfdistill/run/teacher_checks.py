"""Checks that a recipe can learn from the loaded teachers, before any long work begins."""

import dataclasses

from tfdistill import recipes, tasks
from tfdistill.models.configs.model_types import get_model_type
from tfdistill.run.planned_shapes import first_teacher
from tfdistill.run.sources import teacher_names, teacher_weights
from tfdistill.system.errors import UserError


def check_teachers(config, recipe, teachers):
    """Checks that a recipe can learn from several teachers.

    Args:
        config: a `RunConfig`.
        recipe: the `Recipe`.
        teachers: list of `ModelDescription`s or models.

    Raises:
        UserError: the weights do not fit, no loss reads all teachers, or the teachers differ too
            much.
    """
    from tfdistill.distillation.losses import LOSSES  # needs TensorFlow
    from tfdistill.distillation.teachers import Teachers

    weights = teacher_weights(config)
    if weights and len(teachers) < 2:
        raise UserError("`teacher_weights` is for several teachers (`teacher`=a,b): leave it out")
    if len(teachers) > 1 and tasks.get(config.task).kind:
        for name, each in zip(teacher_names(config), teachers, strict=False):
            if each.head is None:
                raise UserError(
                    f"`teacher`={name} has no head for `task`={config.task}: fine-tune each of "
                    "several teachers first, or name one"
                )
    _check_pair_heads(config, teachers)
    several = Teachers(teachers, weights)
    for phase in recipe.phases:
        several.check(phase)
    losses = [LOSSES[term.loss] for phase in recipe.phases for term in phase.active_terms]
    if len(teachers) > 1 and not any(loss.mean_of_teachers for loss in losses):
        raise UserError(
            f"`teacher`: no loss of `recipe`={config.recipe} reads the mean of several teachers, "
            "and layers are compared with the first alone; name one teacher"
        )
    for name, each in zip(teacher_names(config)[1:], teachers[1:], strict=False):
        if config.length > each.config.max_length:
            raise UserError(
                f"`length`={config.length} is over the {each.config.max_length} "
                f"positions of `teacher`={name}: use a smaller one"
            )


def _check_pair_heads(config, teachers):
    trained = config.nsp and config.layerdrop_adapt_steps > 0
    setting = "alpha_nsp" if config.alpha_nsp else "layerdrop_adapt_steps" if trained else ""
    for name, each in zip(teacher_names(config), teachers, strict=False):
        if setting and not each.next_sentence:
            raise UserError(
                f"`{setting}` needs a head for pairs of segments, and `teacher`={name} has none: "
                f"take a checkpoint with it (…ForPreTraining), or leave `{setting}` or `nsp` out"
            )


def check_cache(config, recipe, student_config, teacher_config):
    """Checks that the teacher cache can hold what a recipe reads.

    Args:
        config: a `RunConfig`.
        recipe: the `Recipe`, its phases unfolded.
        student_config: `EncoderConfig`.
        teacher_config: `EncoderConfig`, or None.

    Raises:
        UserError: a loss needs a signal that is not cached, or there is no cache to set up.
    """
    from tfdistill.distillation.cached_signals import signals_to_cache  # needs TensorFlow

    if config.teacher_cache:
        signals_to_cache(recipe, student_config, teacher_config)
    elif config.cached_mask_epochs != type(config).cached_mask_epochs:
        raise UserError("`cached_mask_epochs` is for `teacher_cache`: name a folder, or neither")


def gets_head(config, losses, teachers):
    """Whether a masked-LM head is trained for the first teacher, which lacks it.

    Args:
        config: a `RunConfig`.
        losses: list of the recipe's `Loss`es.
        teachers: list of `ModelDescription`s or models.

    Returns:
        True if a loss, the student's start or LayerDrop training needs the head.

    Raises:
        UserError: the head is needed, and such a teacher cannot get one here.
    """
    needs = {
        f"`recipe`={config.recipe} needs its logits": any(
            loss.needs_head and loss.needs_teacher for loss in losses
        ),
        f"`student_init`={config.student_init} measures it": "search" in config.student_init,
        "`layerdrop_adapt_steps` trains it": config.layerdrop_adapt_steps > 0,
    }
    need = next((need for need, there in needs.items() if there), "")
    trained_here = get_model_type(teachers[0].config.model_type).learns_text
    if need and (len(teachers) > 1 or not trained_here):
        raise UserError(
            f"`teacher`={first_teacher(config)} has no masked-LM head, and {need}: take a "
            "checkpoint with the head (…ForMaskedLM), or one of the recipes that do without: "
            f"{', '.join(recipes_without_head(config))}"
        )
    return bool(need)


def recipes_without_head(config):
    """Lists the built-in recipes that need no masked-LM head of the teacher.

    Args:
        config: a `RunConfig`; its options apply to the recipes.

    Returns:
        list of names.
    """
    from tfdistill.distillation.losses import LOSSES  # needs TensorFlow

    options = dataclasses.asdict(config) | {"schedules": ""}
    found = []
    for name in recipes.names():
        terms = [t for phase in recipes.get(name, **options).phases for t in phase.active_terms]
        losses = [LOSSES[term.loss] for term in terms]
        asking = [loss for loss in losses if loss.needs_teacher]
        if asking and not any(loss.needs_head for loss in asking):
            found.append(name)
    return found
