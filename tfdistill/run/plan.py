"""The plan of a run: models, recipe and steps, checked before any long work begins."""

import dataclasses

from tfdistill import tasks
from tfdistill.distillation.losses import LOSSES
from tfdistill.distillation.phases import Recipe
from tfdistill.distillation.progressive import unfold
from tfdistill.models.configs.encoder_config import EncoderConfig
from tfdistill.run.checks import check_baselines, check_masking
from tfdistill.run.planned_shapes import plan_shapes
from tfdistill.run.recipe_checks import check_losses, check_recipe, check_terms, split_steps
from tfdistill.run.sources import Tokenizers, teacher_names
from tfdistill.run.teacher_checks import check_cache, check_teachers, gets_head


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
        fine_tunes_teacher: whether the loaded teacher lacks the task's head and is fine-tuned on
            the labels in this run.
        gets_head: whether the loaded teacher lacks a masked-LM head, which is trained in this run.
    """

    teacher_config: EncoderConfig | None
    teacher_steps: int
    student_config: EncoderConfig
    student_init: str
    recipe: Recipe
    teacher_names: tuple = ()
    fine_tunes_teacher: bool = False
    gets_head: bool = False

    @property
    def trains_teacher(self):
        """Whether this run changes the teacher's weights."""
        return self.teacher_steps > 0 or self.fine_tunes_teacher


def make_plan(config, recipe, teachers, tokenizer, shapes=None):
    """Makes the plan of a run: shapes, then recipe, then checks, then steps.

    Args:
        config: a `RunConfig`.
        recipe: the `Recipe`.
        teachers: list of the models that `teacher` names: of each, `config` and `head` (see
            `ModelDescription`).
        tokenizer: the student's `Tokenizer`.
        shapes: the `Shapes`, where they are known already; None: teacher and student have the same
            tokenizer.

    Returns:
        A `Plan`.

    Raises:
        UserError: a part of the plan is impossible; the message names the setting.
    """
    check_masking(config, tokenizer)
    check_terms(recipe)
    check_losses(config, recipe)
    losses = [LOSSES[term.loss] for phase in recipe.phases for term in phase.active_terms]
    reads_teacher = any(loss.needs_teacher for loss in losses)
    loaded = teachers[0].config if teachers else None
    tokenizers = Tokenizers(tokenizer, tokenizer)
    teacher, student, init = shapes or plan_shapes(config, reads_teacher, loaded, tokenizers)
    headless = bool(teachers) and teachers[0].head is None
    fine_tunes_teacher = headless and tasks.get(config.task).kind is not None
    needs_head = headless and not fine_tunes_teacher and gets_head(config, losses, teachers)
    check_baselines(config, teacher)
    if teacher:
        recipe = unfold(recipe, student.num_hidden_layers, teacher.num_hidden_layers)
    check_recipe(recipe, student, teacher, lambda model: freeze(model, config))
    check_teachers(config, recipe, teachers)
    check_cache(config, recipe, student, teacher)
    if config.steps:
        split_steps(config.steps, recipe.phases)
    steps = config.layerdrop_adapt_steps if teachers else config.teacher_steps
    names = tuple(teacher_names(config))
    steps = steps if teacher else 0
    return Plan(teacher, steps, student, init, recipe, names, fine_tunes_teacher, needs_head)


def student_steps(config, task, train):
    """Optimizer steps of the student.

    Args:
        config: a `RunConfig`.
        task: the `Task`.
        train: the source of the training split.

    Returns:
        `steps`, or as many as `n_epoch` passes over the split take.
    """
    return config.steps or task.training_steps(train, config)


def prepared_data(context):
    """The `PreparedData` of a run as far as they cost nothing; sets the splits of the context.

    Args:
        context: the `RunContext`.

    Returns:
        The examples with labels, tokenised; or those of a corpus that is prepared already. None for
        another corpus.
    """
    from tfdistill.data.shards import find_prepared
    from tfdistill.run.context import RunSplits

    task, config, tokenizers = context.task, context.config, context.tokenizers
    where = config.shards_dir, config.nsp
    if not task.kind and find_prepared(context.data, tokenizers.student, *where) is None:
        return None
    found = task.prepare(context.data, tokenizers.student, config)
    context.splits = context.teacher_splits = RunSplits.of(task, found.sources, found.train_ids)
    if tokenizers.teacher is not tokenizers.student:
        of_teacher = task.prepare(context.data, tokenizers.teacher, config)
        context.teacher_splits = RunSplits.of(task, of_teacher.sources, of_teacher.train_ids)
    return found


def freeze(student, config):
    """Freezes the embeddings that the settings name.

    Args:
        student: a `MaskedLanguageModel`.
        config: a `RunConfig`.
    """
    embeddings = student.encoder.embeddings
    if embeddings.position_embeddings is not None:
        embeddings.position_embeddings.trainable = not config.freeze_pos_embs
    if embeddings.token_type_embeddings is not None:
        embeddings.token_type_embeddings.trainable = not config.freeze_token_type_embds
