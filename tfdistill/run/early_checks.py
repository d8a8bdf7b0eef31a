"""What a training can be refused for in a second, before TensorFlow is imported."""

import dataclasses
from pathlib import Path

from tfdistill import recipes
from tfdistill.data.corpus import open_corpus
from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.distillation.phases import TEXT_ALONE, require_loss
from tfdistill.models.configs.config_files import config_of, read_json
from tfdistill.run import sources
from tfdistill.run.baselines import baselines_of
from tfdistill.run.checks import check_own_defaults, check_schedules
from tfdistill.run.planned_shapes import plan_shapes, read_shape
from tfdistill.system.errors import UserError
from tfdistill.system.paths import require_folder, require_shards
from tfdistill.training.checkpoints import RunDirectory


def check_early(config):
    """Looks at the recipe, the shapes, the text and the folders that flags name.

    What a loaded teacher is made of is checked later, as is text of the hub.

    Args:
        config: a `RunConfig`.

    Returns:
        The `Corpus`; None where the run in `--output_dir` is finished and needs no text.

    Raises:
        UserError: something is wrong; the message names the flag.
    """
    sources.require_sources_outside(config)
    baselines_of(config.baseline)
    check_schedules(config)
    recipe = recipes.get(config.recipe, **dataclasses.asdict(config))
    check_own_defaults(config)
    for phase in recipe.phases:
        require_loss(phase)
    # Whether the folder may be taken; whether with these flags, the run itself asks.
    if RunDirectory(config.output_dir, {}, force=config.force).done("report"):
        return None
    require_folder("output_dir", config.output_dir)
    require_shards(config.shards_dir)
    if config.teacher_cache:
        require_folder("teacher_cache", config.teacher_cache)
    _check_shapes(config, recipe)
    return open_text(config)


def open_text(config):
    """Opens the text that flags name; text of the hub is not looked at yet.

    Args:
        config: a `RunConfig`.

    Returns:
        The `Corpus`.

    Raises:
        UserError: it is missing, no text, or empty.
    """
    corpus = open_corpus(config.corpus, config.data_dir, config.text_column)
    if corpus.size is not None and next(iter(corpus.splits["train"]()), None) is None:
        raise UserError(
            f"corpus {corpus.name}: no text in --corpus={config.corpus}: give it more, or name "
            "another"
        )
    return corpus


def _check_shapes(config, recipe):
    """Shapes of models that are made here or lie in a folder; a hub's are not known yet."""
    names = sources.teacher_names(config)
    shape = None
    if names:
        file = Path(names[0]) / "config.json"
        if not file.is_file():
            if config.student_config:
                read_shape("student", config)
            return
        shape = config_of(read_json(file), file)
    tokenizer = load_tokenizer(sources.tokenizer_source(config, names))
    terms = [term for phase in recipe.phases for term in phase.active_terms]
    plan_shapes(config, any(term.loss not in TEXT_ALONE for term in terms), shape, tokenizer)
