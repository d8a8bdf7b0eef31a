"""Settings that other settings leave without a use."""

from tfdistill import tasks
from tfdistill.data.corpus import WIKITEXT_HUB
from tfdistill.models.configs.config_files import config_file
from tfdistill.run.planned_shapes import WORD_VECTORS
from tfdistill.run.recipe_checks import changes_recipe, without_meaning
from tfdistill.run.sources import has_own_words
from tfdistill.settings.augmentation import BILSTM, TINYBERT
from tfdistill.settings.labelled_data import LabelledDataSettings
from tfdistill.settings.settings import options_of

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
_LABELS = "only for a `task` with labels"
_OWN_WORDS = "only for a student with words of its own, such as `student_type`=bilstm"
_FRESH_TEACHER = "only without `teacher`, for one that is pre-trained here"


def unused_lines(config):
    """Writes which settings are given and change nothing, those of recipes first.

    Args:
        config: a `RunConfig`.

    Returns:
        list of lines.
    """
    of_recipes = [
        f"`{name}` changes nothing in this `recipe`={config.recipe}: left out"
        for name in without_meaning(config)
    ]
    others = unused_settings(config).items()
    return [*of_recipes, *(f"`{n}` changes nothing here, {when}: left out" for n, when in others)]


def unused_settings(config):
    """Lists the settings that are given and change nothing.

    Args:
        config: a `RunConfig`.

    Returns:
        dict of their names to when they would change something; options of recipes are listed by
        `recipe_checks.without_meaning`.
    """
    usual = type(config)(task=config.task)
    return {
        name: when
        for names, used, when in _rules(config)
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


def _rules(config):
    """Yields (names of settings, whether they are used, when they are)."""
    with_labels, own_words = bool(tasks.get(config.task).kind), has_own_words(config)
    yield _OF_LABELS, with_labels, _LABELS
    yield ("masked_lm_prob", "whole_word_masking"), not with_labels, "only for `task`=masked_lm"
    answers = config.task == "question_answering"
    yield ("doc_stride", "max_answer_length"), answers, "only for `task`=question_answering"
    yield ("vocabulary_size",), own_words, _OWN_WORDS
    from_file = bool(config.student_config and config_file(config.student_config))
    yield ("embedding_size",), own_words and not from_file, f"{_OWN_WORDS}, without a config file"
    with_vectors = config.augmentation == TINYBERT or config.student_init == WORD_VECTORS
    yield (
        ("word_vectors",),
        with_vectors,
        f"only with `augmentation`={TINYBERT} or `student_init`={WORD_VECTORS}",
    )
    varied = bool(config.augmentation)
    yield _OF_BOTH, varied, "only with `augmentation`"
    of_model = config.augmentation == TINYBERT
    yield _OF_TINYBERT, of_model, f"only with `augmentation`={TINYBERT}"
    gets_head = bool(config.teacher) and not with_labels
    yield (
        ("head_steps",),
        of_model or gets_head,
        f"only with `augmentation`={TINYBERT}, or for the `teacher` of masked LM",
    )
    yield _OF_BILSTM, config.augmentation == BILSTM, f"only with `augmentation`={BILSTM}"
    if not with_labels:
        yield ("teacher_config", "teacher_steps"), not config.teacher, _FRESH_TEACHER
    yield ("teacher_weights",), "," in config.teacher, "only with several teachers"
    cached = bool(config.teacher_cache)
    yield ("cached_mask_epochs",), cached, "only with `teacher_cache`"
    yield ("n_epoch",), not config.steps, "only where `steps` is 0"
    named = config.corpus in WIKITEXT_HUB or config.task_data.startswith("glue/")
    yield ("data_dir",), named, "only for wikitext and GLUE"
