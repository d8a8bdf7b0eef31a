"""The plan of a run: models, recipe and steps, checked before any long work begins."""

import dataclasses
import math

from tfdistill.distillation.cached_signals import signals_to_cache
from tfdistill.distillation.losses import LOSSES
from tfdistill.distillation.phases import Recipe
from tfdistill.distillation.progressive import unfold
from tfdistill.distillation.teachers import Teachers
from tfdistill.models.configs.encoder_config import EncoderConfig
from tfdistill.run.baselines import BOTH, baselines_of
from tfdistill.run.checks import check_recipe, check_terms, recipes_without_head, split_steps
from tfdistill.run.planned_shapes import first_teacher, plan_shapes
from tfdistill.run.sources import teacher_names, teacher_weights
from tfdistill.system.errors import UserError


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a run trains.

    Args:
        teacher_config: `EncoderConfig`, or None for a run without a teacher.
        teacher_steps: steps that the teacher is trained in this run; 0 for a teacher as it is.
        student_config: `EncoderConfig`.
        student_init: where the student starts.
        recipe: the `Recipe`, its phases unfolded for these depths.
        teacher_names: tuple of the names in `teacher`.
    """

    teacher_config: EncoderConfig | None
    teacher_steps: int
    student_config: EncoderConfig
    student_init: str
    recipe: Recipe
    teacher_names: tuple = ()


def make_plan(config, recipe, teachers, tokenizer, shapes=None):
    """Makes the plan of a run: shapes, then recipe, then checks, then steps.

    Args:
        config: a `RunConfig`.
        recipe: the `Recipe`.
        teachers: list of the models that `teacher` names: of each, `config` and `head` (see
            `ModelDescription`).
        tokenizer: the `Tokenizer`.
        shapes: the `Shapes`, where they are known already.

    Returns:
        A `Plan`.

    Raises:
        UserError: a part of the plan is impossible; the message names the setting.
    """
    _check_masking(config, tokenizer)
    check_terms(recipe)
    losses = [LOSSES[term.loss] for phase in recipe.phases for term in phase.active_terms]
    reads_teacher = any(loss.needs_teacher for loss in losses)
    loaded = teachers[0].config if teachers else None
    teacher, student, init = shapes or plan_shapes(config, reads_teacher, loaded, tokenizer)
    if teachers and teachers[0].head is None:
        _require_no_head(config, losses)
    _check_baselines(config, teacher)
    if teacher:
        recipe = unfold(recipe, student.num_hidden_layers, teacher.num_hidden_layers)
    check_recipe(recipe, student, teacher, lambda model: freeze(model, config))
    _check_teachers(config, recipe, teachers, student, teacher)
    if config.steps:
        split_steps(config.steps, recipe.phases)
    steps = config.layerdrop_adapt_steps if teachers else config.teacher_steps
    names = tuple(teacher_names(config))
    return Plan(teacher, steps if teacher else 0, student, init, recipe, names)


def _check_masking(config, tokenizer):
    if config.whole_word_masking and not tokenizer.ids.continues.any():
        raise UserError(
            "`whole_word_masking` finds no words to mask: the tokenizer's vocabulary has no pieces "
            "(##…) that continue one; leave it out"
        )


def _check_baselines(config, teacher_config):
    if teacher_config is None and set(baselines_of(config.baseline)) & set(BOTH):
        raise UserError(
            f"`baseline`={config.baseline} would train the student a second time: it has no "
            "teacher, and starts at random; leave it out, or give text"
        )


def _check_teachers(config, recipe, teachers, student_config, teacher_config):
    weights = teacher_weights(config)
    if weights and len(teachers) < 2:
        raise UserError("`teacher_weights` is for several teachers (`teacher`=a,b): leave it out")
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
        if config.length > each.config.max_position_embeddings:
            raise UserError(
                f"`length`={config.length} is over the {each.config.max_position_embeddings} "
                f"positions of `teacher`={name}: use a smaller one"
            )
    if config.teacher_cache:
        signals_to_cache(recipe, student_config, teacher_config)
    elif config.cached_mask_epochs != type(config).cached_mask_epochs:
        raise UserError("`cached_mask_epochs` is for `teacher_cache`: name a folder, or neither")


def _require_no_head(config, losses):
    """Checks that nothing needs the masked-LM head that the teacher lacks."""
    needs = {
        f"`recipe`={config.recipe} needs its logits": any(
            loss.needs_head and loss.needs_teacher for loss in losses
        ),
        f"`student_init`={config.student_init} measures it": "search" in config.student_init,
        "`layerdrop_adapt_steps` trains it": config.layerdrop_adapt_steps > 0,
    }
    for need, there in needs.items():
        if there:
            raise UserError(
                f"`teacher`={first_teacher(config)} has no masked-LM head, and {need}: take a "
                "checkpoint with the head (…ForMaskedLM), or one of the recipes that do without: "
                f"{', '.join(recipes_without_head(config))}"
            )


def require_even_batches(config, replicas):
    """Checks that each batch can be divided among the GPUs.

    Args:
        config: a `RunConfig`.
        replicas: GPUs that share each batch.

    Raises:
        UserError: `batch_size` is not a multiple of their number.
    """
    if config.batch_size % replicas:
        raise UserError(
            f"`batch_size`={config.batch_size} cannot be split over {replicas} GPUs: take a "
            f"multiple of {replicas}, or show fewer of them with CUDA_VISIBLE_DEVICES"
        )


def teacher_learning_rate(config):
    """Peak learning rate of the teacher; the default depends on where the teacher starts."""
    return config.teacher_learning_rate or (1e-4 if config.teacher else 1e-3)


def student_steps(config, rows):
    """Optimizer steps of the student.

    Args:
        config: a `RunConfig`.
        rows: rows of the training split.

    Returns:
        `steps`, or as many as `n_epoch` passes over the rows take.
    """
    per_step = config.batch_size * config.gradient_accumulation_steps
    return config.steps or max(1, math.ceil(config.n_epoch * rows / per_step))


def freeze(student, config):
    """Freezes the embeddings that the settings name.

    Args:
        student: a `MaskedLanguageModel`.
        config: a `RunConfig`.
    """
    embeddings = student.encoder.embeddings
    embeddings.position_embeddings.trainable = not config.freeze_pos_embs
    if embeddings.token_type_embeddings is not None:
        embeddings.token_type_embeddings.trainable = not config.freeze_token_type_embds
