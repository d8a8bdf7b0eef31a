"""The first part of a plan: everything that can be refused before TensorFlow is imported."""

import dataclasses
from pathlib import Path
from typing import Any

from tfdistill import recipes, tasks
from tfdistill.distillation.phases import Recipe, require_loss
from tfdistill.models.configs.config_files import CONFIG, config_of, read_json
from tfdistill.models.configs.model_types import get_model_type, types_for_text
from tfdistill.models.heads.answer_rules import DOC_STRIDE, MAX_ANSWER_LENGTH
from tfdistill.recipes.recipe_file import fingerprint, is_recipe_file
from tfdistill.run import sources
from tfdistill.run.augmentation_checks import check_augmentation, source_of_words
from tfdistill.run.baselines import baselines_of, canonical
from tfdistill.run.checks import check_exported_files, check_schedules, check_task
from tfdistill.run.directory import RunDirectory
from tfdistill.run.planned_shapes import (
    WORD_VECTORS,
    Shapes,
    plan_shapes,
    read_shape,
    require_task,
)
from tfdistill.run.recipe_checks import check_own_defaults, with_pairs
from tfdistill.run.setting_texts import check_texts
from tfdistill.settings.settings import options_of
from tfdistill.starts.word_tables import vectors_of_file
from tfdistill.system.errors import UserError
from tfdistill.system.hub import require_model_name, require_on_hub
from tfdistill.system.options import RESULT, STEP
from tfdistill.system.paths import require_folder, require_shards

DATA_WITH_LABELS = "train_data", "validation_data", "test_data", "task_data"  # settings
ANY_FOLDER = "A_FOLDER"  # stored for every `teacher_cache`: where it lies does not matter


@dataclasses.dataclass(frozen=True)
class EarlyPlan:
    """What is known before TensorFlow is imported.

    Args:
        recipe: the `Recipe`, as its file has it.
        teacher_names: list of the folders or hub names of teachers to load.
        task: the `Task`, bound to the classes of the data.
        data: what `Task.open_data` returned.
        tokenizers: the `Tokenizers`; None while one must still be fetched from the hub.
        shapes: the `Shapes`; None while a model must still be fetched from the hub.
    """

    recipe: Recipe
    teacher_names: list
    task: tasks.Task
    data: Any
    tokenizers: sources.Tokenizers | None
    shapes: Shapes | None


def check_settings(config):
    """Checks the settings that need neither text nor models.

    Args:
        config: a `RunConfig`.

    Returns:
        The `Recipe`.

    Raises:
        UserError: one of them is impossible.
    """
    check_task(config)
    check_types(config)
    sources.require_sources_outside(config)
    check_texts(config)
    baselines_of(config.baseline)
    check_schedules(config)
    check_exported_files(config)
    task_losses = tasks.get(config.task).distillation_losses
    recipe = recipes.get(config.recipe, task_losses=task_losses, **dataclasses.asdict(config))
    check_own_defaults(config)
    recipe = with_pairs(config, recipe)
    for phase in recipe.phases:
        require_loss(phase)
    return recipe


def check_types(config):
    """Refuses model types that cannot be trained as the settings ask.

    Args:
        config: a `RunConfig`.

    Raises:
        UserError: there is no such type, it does not learn the task, or such teachers are not
            pre-trained here.
    """
    student = get_model_type(config.student_type, "student_type")
    if not config.student:
        require_task(config, student, f"`student_type`={config.student_type}")
    if not student.has_layers and config.pooling not in ("", "mean"):
        raise UserError(
            f"`pooling`={config.pooling}: a {config.student_type} student has the mean of the "
            "tokens alone: leave it out"
        )
    if student.own_words and config.pooling:
        raise UserError(
            f"`pooling`={config.pooling}: a {config.student_type} has a way of its own to read a "
            "text: leave it out"
        )
    teacher = get_model_type(config.teacher_type, "teacher_type")
    if not teacher.learns_text:
        raise UserError(
            f"`teacher_type`={teacher.name}: such teachers are not pre-trained here: name a folder "
            f"or a hub name with `teacher`, or use one of {', '.join(types_for_text())}"
        )


def open_directory(config):
    """Opens the folder of the run that `output_dir` names; changes nothing in it.

    Args:
        config: a `RunConfig`.

    Returns:
        The `RunDirectory`.

    Raises:
        UserError: the folder holds something else, or a run with other settings.
    """
    settings, defaults = (
        deciding_settings(config),
        deciding_settings(type(config)(task=config.task)),
    )
    return RunDirectory(config.output_dir, settings, force=config.force, defaults=defaults)


def deciding_settings(config):
    """The settings that decide the result of a run: dict of names to values.

    Args:
        config: a `RunConfig`.

    Raises:
        UserError: `recipe` names a file that does not exist.
    """
    values = dataclasses.asdict(config) | {"recipe": fingerprint(config.recipe)}
    values["baseline"] = canonical(config.baseline)
    values["doc_stride"] = config.doc_stride or DOC_STRIDE
    values["max_answer_length"] = config.max_answer_length or MAX_ANSWER_LENGTH
    values["teacher_cache"] = ANY_FOLDER if config.teacher_cache else ""
    options = options_of(config)
    return {name: values[name] for name in options if options[name].effect in (RESULT, STEP)}


def begin_plan(config, recipe, directory):
    """Checks the folders, the shapes and the data of a run.

    Args:
        config: a `RunConfig`.
        recipe: the `Recipe`.
        directory: the `RunDirectory`.

    Returns:
        An `EarlyPlan`.

    Raises:
        UserError: a folder cannot be written, a model of the run has vanished or is not on the
            hub, the shapes do not fit, or there is no data.
    """
    require_folder("output_dir", config.output_dir)
    require_shards(config.shards_dir)
    if config.teacher_cache:
        require_folder("teacher_cache", config.teacher_cache)
    names = sources.teacher_names(config)
    directory.require_models(len(names) or 1)
    if names and directory.done("teacher"):  # their origin may no longer exist
        names = [str(folder) for folder in directory.teachers(len(names))]
    _require_teacher(config, recipe, names)
    models = {config.student: "student", **dict.fromkeys(names, "teacher")}
    augments = config.augmentation and not directory.done("augmentation")
    if augments:
        models.setdefault(*source_of_words(config, names))
    models.pop("", None)
    for name, setting in models.items():
        require_model_name(name, setting)
    vectors = config.word_vectors
    if vectors and not directory.done("start") and not Path(vectors).is_file():
        raise UserError(f"`word_vectors`={vectors}: no such file: correct it, or leave it out")
    task, data = open_task(config, training=True)
    if augments:
        check_augmentation(config, names, len(data.splits["train"]))
    for name, setting in models.items():
        require_on_hub(name, setting)
    tokenizers, shapes = _tokenizers_and_shapes(config, recipe, names, task, data)
    if shapes and shapes.student_init == WORD_VECTORS and not directory.done("start"):
        vectors_of_file(config.word_vectors, tokenizers.student)  # else found after the teacher
    return EarlyPlan(recipe, names, task, data, tokenizers, shapes)


def require_same_data(config, directory):
    """Refuses to show the results of a finished run as those of other data.

    Data that can no longer be read, such as a deleted file, are no reason to hide results.

    Args:
        config: a `RunConfig`.
        directory: the `RunDirectory` of the run.

    Raises:
        UserError: the settings now name data with another content.
    """
    stored = directory.done("prepare").get("data")  # None in runs from before it was stored
    try:
        _, data = open_task(config, training=True)
    except UserError:
        return
    if stored and data.fingerprint != stored:
        raise UserError(
            f"`output_dir`={directory.path} holds the results of other data: their files changed "
            "since: name another `output_dir`, or start over with `force`"
        )


def open_task(config, training=False):
    """Opens the data of a command.

    Args:
        config: a `RunConfig`.
        training: whether it trains models.

    Returns:
        (`Task`, data): the task, bound to the classes of the data; and what `Task.open_data`
        returned.

    Raises:
        UserError: there is no such task or no such data, or the data have labels and the task has
            none.
    """
    task = tasks.get(config.task).of_settings(config)
    named = [name for name in DATA_WITH_LABELS if getattr(config, name)]
    if named and not task.kind:
        raise UserError(
            f"`{named[0]}`={getattr(config, named[0])} names examples with labels, and `task`="
            f"{task.name} reads a corpus: set `task`, such as text_classification"
        )
    data = task.open_data(config) if training else task.open_held_out(config)
    return task.bound(task.labels_of(data), config.pooling).of_data(data), data


def _require_teacher(config, recipe, names):
    task, reads = tasks.get(config.task), reads_teacher(config, recipe)
    if config.augmentation and not reads:
        raise UserError(
            f"`augmentation`={config.augmentation} makes examples without labels, which only a "
            f"teacher can answer, and `recipe`={config.recipe} learns from none: leave it out"
        )
    if task.kind and reads and not names:
        raise UserError(
            f"`teacher` is empty, and `recipe`={config.recipe} learns from one: name the directory "
            "of an encoder, such as one that was pre-trained on text"
        )


def _tokenizers_and_shapes(config, recipe, names, task, data):
    """(`Tokenizers`, `Shapes`) of a run whose models are made here or lie in folders."""
    student = sources.model_source(config.student)
    loaded = [student] * bool(student) + names[:1]
    files = {name: Path(name) / CONFIG for name in loaded if Path(name).is_dir()}
    configs = {name: config_of(read_json(file), file) for name, file in files.items()}
    if not all(name in configs for name in loaded):
        if config.student_config:
            read_shape("student", config)
        return None, None
    teacher = configs[names[0]] if names else None
    tokenizers = sources.load_tokenizers(config, task, names, data)
    given = configs.get(student)
    reads = reads_teacher(config, recipe)
    return tokenizers, plan_shapes(config, reads, teacher, tokenizers, given, task.has_pairs)


def reads_teacher(config, recipe):
    """Whether a recipe learns from a teacher.

    Args:
        config: a `RunConfig`.
        recipe: the `Recipe`.

    Returns:
        bool.
    """
    losses = {term.loss for phase in recipe.phases for term in phase.active_terms}
    # Of all tasks: that a loss is of another task is an error of its own.
    labels_alone = losses <= set().union(*(tasks.get(name).label_losses for name in tasks.names()))
    if labels_alone or not is_recipe_file(config.recipe):
        return not labels_alone
    # The file may bring losses of its own. Imported late: it imports TensorFlow.
    from tfdistill.distillation.losses import LOSSES

    return any(name not in LOSSES or LOSSES[name].needs_teacher for name in losses)
