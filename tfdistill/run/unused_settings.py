"""Settings that other settings leave without a use."""

from tfdistill import tasks
from tfdistill.data.corpus import WIKITEXT_HUB
from tfdistill.models.configs.config_files import config_file
from tfdistill.models.configs.model_types import get_model_type
from tfdistill.run.early_plan import DATA_WITH_LABELS
from tfdistill.run.planned_shapes import WORD_VECTORS
from tfdistill.run.recipe_checks import changes_recipe, without_meaning
from tfdistill.run.sources import has_own_words
from tfdistill.settings.augmentation import BILSTM, TINYBERT
from tfdistill.settings.labelled_data import LabelledDataSettings
from tfdistill.settings.settings import options_of
from tfdistill.tasks.label_heads import TAGS

_OF_BOTH = "augmentation_variants", "augmentation_rows"
_OF_TINYBERT = "augmentation_model", "augmentation_probability", "augmentation_candidates"
_OF_BILSTM = (
    *("augmentation_mask_probability", "augmentation_tag_probability"),
    *("augmentation_ngram_probability", "augmentation_ngrams"),
)
_OF_LABELS = (
    *options_of(LabelledDataSettings),
    *("teacher_epochs", "teacher_seeds", "layerwise_decay", "tokens_per_batch", "patience"),
    *("pooling", "mediapipe"),
)
_OF_TABLES = "text_column", "text_pair_column", "label_column", "tag_column", "data_format"
_OF_FRESH_TEACHER = "teacher_type", "teacher_config", "teacher_steps"
_OF_TUNED_TEACHER = "teacher_epochs", "teacher_seeds", "layerwise_decay", "teacher_learning_rate"
_LABELS = "only for a `task` with labels"
_OWN_WORDS = "only for a student with words of its own, such as `student_type`=bilstm"
_FRESH_TEACHER = "only without `teacher`, for one that is pre-trained here"


def unused_lines(config, tunes_teacher=True):
    """Writes which settings are given and change nothing, those of recipes first.

    Args:
        config: a `RunConfig`.
        tunes_teacher: whether the teacher of a task with labels is fine-tuned in the run.

    Returns:
        list of lines.
    """
    of_recipes = [
        f"`{name}` changes nothing in this `recipe`={config.recipe}: left out"
        for name in without_meaning(config)
    ]
    others = unused_settings(config, tunes_teacher).items()
    return [*of_recipes, *(f"`{n}` changes nothing here, {when}: left out" for n, when in others)]


def unused_settings(config, tunes_teacher=True):
    """Lists the settings that are given and change nothing.

    Args:
        config, tunes_teacher: as for `unused_lines`.

    Returns:
        dict of their names to when they would change something; options of recipes are listed by
        `recipe_checks.without_meaning`.
    """
    usual = type(config)(task=config.task)
    return {
        name: when
        for names, used, when in _rules(config, tunes_teacher)
        if not used
        for name in names
        if getattr(config, name) != getattr(usual, name)
    }


def without_use(config, others):
    """Lists the settings that change nothing in a run, whether they are given or not.

    Args:
        config: a `RunConfig`.
        others: list of those of the runs beside it: an option of a bundled recipe changes nothing
            if with their values the recipe would be the same.

    Returns:
        set of names.
    """
    found = {name for names, used, _ in _rules(config) if not used for name in names}
    for name in (name for name, option in options_of(config).items() if option.recipes):
        values = {getattr(other, name) for other in others} - {getattr(config, name)}
        if not any(changes_recipe(config, name, value) for value in values):
            found.add(name)
    return found


def _rules(config, tunes_teacher=True):
    """Yields (names of settings, whether they are used, when they are)."""
    task, own_words = tasks.get(config.task), has_own_words(config)
    with_labels, of_model = bool(task.kind), config.augmentation == TINYBERT
    yield _OF_LABELS, with_labels, _LABELS
    yield from _rules_of_labels(config, tunes_teacher) if with_labels else _rules_of_text(config)
    masked = "masked_lm_prob", "whole_word_masking"
    yield masked, not with_labels or of_model, "only where masked LM is learned"
    named = any(getattr(config, name) for name in DATA_WITH_LABELS)
    reads_text = not with_labels or of_model or not (task.learns_labels or named)
    yield ("corpus",), reads_text, "only where text without labels is read"
    answers = config.task == "question_answering"
    yield ("doc_stride", "max_answer_length"), answers, "only for `task`=question_answering"
    yield ("vocabulary_size",), own_words, _OWN_WORDS
    from_file = bool(config.student_config and config_file(config.student_config))
    yield ("embedding_size",), own_words and not from_file, f"{_OWN_WORDS}, without a config file"
    yield ("dropout",), _names_shape(config), "only for a model whose shape is given by name"
    with_vectors = of_model or config.student_init == WORD_VECTORS
    yield (
        ("word_vectors",),
        with_vectors,
        f"only with `augmentation`={TINYBERT} or `student_init`={WORD_VECTORS}",
    )
    yield _OF_BOTH, bool(config.augmentation), "only with `augmentation`"
    yield _OF_TINYBERT, of_model, f"only with `augmentation`={TINYBERT}"
    gets_head = bool(config.teacher) and not with_labels
    yield (
        ("head_steps",),
        of_model or gets_head,
        f"only with `augmentation`={TINYBERT}, or for the `teacher` of masked LM",
    )
    yield _OF_BILSTM, config.augmentation == BILSTM, f"only with `augmentation`={BILSTM}"
    yield ("teacher_weights",), "," in config.teacher, "only with several teachers"
    cached = bool(config.teacher_cache)
    yield ("cached_mask_epochs",), cached, "only with `teacher_cache`"
    yield ("n_epoch",), not config.steps, "only where `steps` is 0"
    named = config.corpus in WIKITEXT_HUB or config.task_data.startswith("glue/")
    yield ("data_dir",), named, "only for wikitext and GLUE"


def _rules_of_labels(config, tunes_teacher):
    """The rules of tasks with labels alone, as `_rules`."""
    task = tasks.get(config.task)
    yield _OF_TABLES, not config.task_data, "only without `task_data`, which has its own format"
    tags = task.kind == TAGS
    yield ("tag_column",), tags, "only for `task`=token_classification"
    yield ("label_column", "text_pair_column"), not tags, "not for `task`=token_classification"
    tunes_teacher = tunes_teacher and task.learns_labels
    yield _OF_TUNED_TEACHER, tunes_teacher, "only for a teacher that is fine-tuned here"
    yield (*_OF_FRESH_TEACHER, "layerdrop", "mlm_smoothing"), False, "only for `task`=masked_lm"


def _rules_of_text(config):
    """The rules of masked LM alone, as `_rules`."""
    fresh, adapted = not config.teacher, config.layerdrop_adapt_steps > 0
    yield _OF_FRESH_TEACHER, fresh, _FRESH_TEACHER
    of_trained = "layerdrop", "teacher_learning_rate"
    yield of_trained, fresh or adapted, f"{_FRESH_TEACHER}, or with `layerdrop_adapt_steps`"


def _names_shape(config):
    """Whether a model's shape is given by a name, so that the settings say its dropout."""
    teacher = not (tasks.get(config.task).kind or config.teacher)
    student, kind = config.student_config, get_model_type(config.student_type)
    by_name = bool(student) or kind.own_words or not kind.has_layers
    by_name = by_name and not config.student and not (student and config_file(student))
    return by_name or (teacher and not config_file(config.teacher_config))
