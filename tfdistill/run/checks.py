"""What a run's flags and its recipe must agree on, checked before any long work begins."""

import dataclasses
import math

from tfdistill import recipes
from tfdistill.distillation.phases import rates_of, trained_by
from tfdistill.distillation.schedules import parse_schedules
from tfdistill.settings.flags import FIELDS
from tfdistill.system.errors import UserError

# Flags that some recipes take and others do not.
RECIPE_FLAGS = (
    "alpha_ce alpha_mlm alpha_cos alpha_mse temperature restrict_ce_to_mask alpha_attention "
    "alpha_hidden alpha_embedding alpha_relations then mlm_share head_share layer_map projection "
    "relation_heads relation_layer alpha beta pt_over_width alpha_feature_map alpha_feature_mean "
    "alpha_feature_variance transfer_share lower_rate"
).split()


def check_terms(recipe):
    """Refuses a recipe whose terms no loss of ours understands.

    Args:
        recipe: the `Recipe`.

    Raises:
        UserError: there is such a term.
    """
    from tfdistill.distillation.bound_terms import check_term  # needs TensorFlow

    for phase in recipe.phases:
        for term in phase.active_terms:
            check_term(term)


def check_recipe(recipe, student_config, teacher_config, freeze):
    """Refuses a recipe that cannot run between two models.

    Args:
        recipe: the `Recipe`.
        student_config: `EncoderConfig`.
        teacher_config: `EncoderConfig`, or None.
        freeze: called with the student; freezes what the flags name.

    Raises:
        UserError: a term cannot compare them, or a phase names what the student does not have.
    """
    from tfdistill.distillation.bound_terms import check_phase  # needs TensorFlow
    from tfdistill.models.model import MaskedLanguageModel

    # As many layers as the student, and next to nothing in them: paths are the same.
    tiny = dict.fromkeys(student_config.sizes, 1) | {"vocab_size": 2}
    kept = ("num_hidden_layers", "num_feedforward_networks")
    tiny = {name: size for name, size in tiny.items() if name not in kept}
    shape = dataclasses.replace(student_config, **tiny, pad_token_id=0)
    skeleton = MaskedLanguageModel(shape, seed=None)
    freeze(skeleton)
    for phase in recipe.phases:
        check_phase(phase, student_config, teacher_config)
        rates_of(phase, trained_by(phase, skeleton), student_config.num_hidden_layers)


def recipes_without_head(config):
    """Recipes of ours that compare layers alone, so that a teacher needs no masked-LM head.

    Args:
        config: a `RunConfig`; the recipes are taken with its flags.

    Returns:
        list of names.
    """
    from tfdistill.distillation.terms import LOSSES  # needs TensorFlow

    options = {name: getattr(config, name) for name in FIELDS if name != "schedules"}
    found = []
    for name in recipes.names():
        terms = [t for phase in recipes.get(name, **options).phases for t in phase.active_terms]
        losses = [LOSSES[term.loss] for term in terms]
        asking = [loss for loss in losses if loss.needs_teacher]
        if asking and not any(loss.needs_head for loss in asking):
            found.append(name)
    return found


def check_own_defaults(config):
    """Refuses a user's recipe with defaults that would never count, because flags fill them in.

    Args:
        config: a `RunConfig`.

    Raises:
        UserError: there is such a default.
    """
    for name, default in recipes.own_defaults(config.recipe).items():
        usual = FIELDS[name].default if name in FIELDS else ""
        if usual not in ("", default):
            raise UserError(
                f"--recipe={config.recipe}: {name}={default!r} never counts there, for --{name} "
                f"fills it in: write {name}={usual!r} and set the flag, or choose another name"
            )


def check_schedules(config):
    """Refuses schedules that leave the range of the flags whose place they take.

    Args:
        config: a `RunConfig`.

    Raises:
        UserError: one does.
    """
    for name, schedule in parse_schedules(config.schedules).items():
        facts = FIELDS[name].metadata if name in FIELDS else {}
        least = facts.get("minimum") if facts.get("minimum") is not None else -math.inf
        most = facts.get("maximum") if facts.get("maximum") is not None else math.inf
        for value in (schedule.begin, schedule.end):
            if not (math.isfinite(value) and least <= value <= most):
                raise UserError(
                    f"--schedules: {name} cannot be {value}: --{name} goes from {least} to {most}"
                )


def without_meaning(config):
    """Flags that were given and that the recipe does not take.

    Args:
        config: a `RunConfig` with a recipe of ours or of the user's.

    Returns:
        list of names.
    """
    known = recipes.options_of(config.recipe, config.then)
    given = [name for name in RECIPE_FLAGS if getattr(config, name) != FIELDS[name].default]
    return [name for name in given if name not in known]


def split_steps(steps, phases):
    """Shares steps among phases.

    Args:
        steps: int.
        phases: the `Phase`s, with their shares.

    Returns:
        A list of ints that add up to `steps`.

    Raises:
        UserError: there are so few that a phase gets none.
    """
    whole = sum(phase.share for phase in phases)
    ends = [
        round(steps * sum(phase.share for phase in phases[: index + 1]) / whole)
        for index in range(len(phases))
    ]
    found = [end - begin for begin, end in zip([0, *ends], ends, strict=False)]
    if not all(found):
        empty = phases[found.index(0)]
        raise UserError(
            f"--steps: of {steps} steps none is left for the phase {empty.name!r} with its share "
            f"of {empty.share:.2g}; take more (--n_epoch, where --steps is 0)"
        )
    return found
