"""Checks of a recipe beside the settings, before any long work begins."""

import dataclasses

from tfdistill import recipes, tasks
from tfdistill.distillation.phases import rates_of, trained_by
from tfdistill.models.configs.model_types import get_model_type
from tfdistill.models.part_grid import PartGrid
from tfdistill.recipes.next_sentence import PART, learns_pairs, with_next_sentence
from tfdistill.recipes.recipe_file import is_recipe_file
from tfdistill.settings.settings import options_of
from tfdistill.system.errors import UserError


def check_terms(recipe):
    """Refuses a recipe with an unknown loss or a wrong option of a loss.

    Args:
        recipe: the `Recipe`.

    Raises:
        UserError: a term names no known loss, or an option that the loss lacks.
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
        freeze: called with the student; freezes the embeddings that the settings name.

    Raises:
        UserError: a term cannot compare the models, or a phase trains a missing part.
    """
    from tfdistill.distillation.bound_terms import check_phase  # needs TensorFlow
    from tfdistill.models.heads.classification import POOLER

    pairs = any(PART in phase.trainable for phase in recipe.phases)
    skeleton = _skeleton(student_config, POOLER if pairs else "")
    freeze(skeleton)
    for phase in recipe.phases:
        check_phase(phase, student_config, teacher_config)
        rates_of(phase, trained_by(phase, skeleton), student_config.num_hidden_layers)


def _skeleton(config, next_sentence):
    """A model with as many layers, each of the smallest size: names of weights are the same."""
    from tfdistill.models.encoder import Encoder  # needs TensorFlow
    from tfdistill.models.heads.small import SmallHead
    from tfdistill.models.model import MaskedLanguageModel, Model

    tiny = dict.fromkeys(config.sizes, 1) | {"vocab_size": 2}
    kept = ("num_hidden_layers", "num_feedforward_networks", "max_position_embeddings")
    tiny = {name: size for name, size in tiny.items() if name not in kept}
    shape = dataclasses.replace(config, **tiny, **config.WITHOUT_TOKENS, attention_head_size=None)
    if get_model_type(config.model_type).learns_text:
        return MaskedLanguageModel(shape, seed=None, next_sentence=next_sentence)
    return Model(Encoder(shape), SmallHead(shape, outputs=1), seed=None)


def check_losses(config, recipe):
    """Refuses losses, and parts of students, that the models of a task do not have.

    Args:
        config: a `RunConfig`.
        recipe: the `Recipe`.

    Raises:
        UserError: a loss reads scores of all tokens, and the task's head gives none; or a phase
            trains a grid of parts, which only tasks with labels have.
    """
    from tfdistill.distillation.losses import LOSSES  # needs TensorFlow
    from tfdistill.distillation.signals import VOCABULARY_SIGNALS

    task = tasks.get(config.task)
    tokens, usual = task.outputs_are_tokens, "kd" if task.learns_labels else "sentence"
    if tokens and any(isinstance(phase.parts, PartGrid) for phase in recipe.phases):
        raise UserError(
            f"`recipe`={config.recipe} trains parts of a student for labels: set `task`, such as "
            "text_classification, or use `recipe`=autotinybert"
        )
    if tokens:
        return
    for term in (term for phase in recipe.phases for term in phase.active_terms):
        if VOCABULARY_SIGNALS & set(LOSSES[term.loss].signals(**term.options)):
            raise UserError(
                f"`recipe`={config.recipe}: the loss {term.loss!r} reads scores of all tokens, "
                f"which models of `task`={config.task} do not give: use a recipe for that task, "
                f"such as {usual}"
            )


def check_tokenizers(task, recipe, tokenizers):
    """Refuses a recipe that compares tokens of models that cut a text into different ones.

    Args:
        task: the `Task`.
        recipe: the `Recipe`.
        tokenizers: the `Tokenizers`.

    Raises:
        UserError: the recipe reads more of the teacher than its predictions.
    """
    from tfdistill.distillation.cached_signals import answers_suffice  # needs TensorFlow

    same = tokenizers.teacher is tokenizers.student
    if task.kind and not same and not answers_suffice(*recipe.phases):
        raise UserError(
            f"`recipe`={recipe.name} compares tokens of teacher and student, whose tokenizers "
            "differ: use `recipe`=kd, or a student of the teacher's vocabulary"
        )


def check_own_defaults(config):
    """Refuses a user's recipe with defaults that never apply, because settings fill them in.

    Args:
        config: a `RunConfig`.

    Raises:
        UserError: a default differs from that of the setting of the same name.
    """
    for name, default in recipes.own_defaults(config.recipe).items():
        usual = getattr(type(config)(task=config.task), name, "")
        if usual not in ("", default):
            raise UserError(
                f"`recipe`={config.recipe}: {name}={default!r} never counts there, for `{name}` "
                f"fills it in: write {name}={usual!r} and set it in the run, or choose another name"
            )


def with_pairs(config, recipe):
    """Adds the prediction of the next sentence to a recipe, if the settings ask for it.

    Args:
        config: a `RunConfig`.
        recipe: the `Recipe`.

    Returns:
        A `Recipe`.

    Raises:
        UserError: the task or the recipe cannot predict it, or the recipe names its losses.
    """
    if any(map(learns_pairs, recipe.phases)):
        raise UserError(
            f"`recipe`={config.recipe} names a loss of pairs of segments, which `nsp` and "
            "`alpha_nsp` add: leave it out there, and set them"
        )
    if config.alpha_nsp and not config.nsp:
        raise UserError("`alpha_nsp` compares logits of pairs of segments: set `nsp`, too")
    if not config.nsp:
        return recipe
    if tasks.get(config.task).kind:
        raise UserError(f"`nsp` is for `task`=masked_lm, not {config.task}: leave it out")
    return with_next_sentence(recipe, config.alpha_nsp)


def without_meaning(config):
    """Lists the settings that are given but that the recipe does not take, or not as it is set.

    Args:
        config: a `RunConfig`.

    Returns:
        list of names.
    """
    known = recipes.options_of(config.recipe, config.then)
    of_recipes = [name for name, option in options_of(config).items() if option.recipes]
    usual = type(config)(task=config.task)
    given = [name for name in of_recipes if getattr(config, name) != getattr(usual, name)]
    return [name for name in given if name not in known or _is_idle(config, name, usual)]


def _is_idle(config, name, usual):
    """Whether a bundled recipe is the same without an option that it takes."""
    value = getattr(usual, name)
    # An empty setting stands for the recipe's own default, which a user may also write down.
    return value != "" and not changes_recipe(config, name, value)


def changes_recipe(config, name, value):
    """Whether another value of an option makes another recipe of a bundled one.

    Args:
        config: a `RunConfig`.
        name: of the option.
        value: the other value.

    Returns:
        bool; True also where that is not known, as of a user's file.
    """
    if is_recipe_file(config.recipe):
        return True
    settings = dataclasses.asdict(config)
    settings["task_losses"] = tasks.get(config.task).distillation_losses
    settings["name"] = settings.pop("recipe")
    try:
        return _counted(**settings | {name: value}) != _counted(**settings)
    except UserError:  # such as a schedule that only the given `then` has a number for
        return True


def _counted(**settings):
    """The phases of a recipe without terms of weight 0."""
    return [
        dataclasses.replace(phase, terms=phase.active_terms)
        for phase in recipes.get(**settings).phases
    ]


def split_steps(steps, phases):
    """Divides steps among phases by their shares.

    Args:
        steps: int.
        phases: the `Phase`s, with their shares.

    Returns:
        A list of ints that add up to `steps`.

    Raises:
        UserError: a phase would get no step.
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
            f"`steps`: of {steps} steps none is left for the phase {empty.name!r} with its share "
            f"of {empty.share:.2g}; take more (`n_epoch`, where `steps` is 0)"
        )
    return found
