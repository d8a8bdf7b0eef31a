"""What the runs of a grid read: whether it is there, before the first of them begins."""

from functools import partial
from pathlib import Path

from tfdistill import tasks
from tfdistill.data.corpus import WIKITEXT_HUB, is_named
from tfdistill.data.corpus_files import find_files
from tfdistill.data.hub_sets import PREFIX
from tfdistill.recipes.recipe_file import is_recipe_file, split_name
from tfdistill.run.directory import read_state
from tfdistill.run.early_plan import DATA_WITH_LABELS, open_task
from tfdistill.run.planned_shapes import read_shape
from tfdistill.run.sources import paths_in
from tfdistill.settings.labelled_data import LabelledDataSettings
from tfdistill.settings.settings import options_of
from tfdistill.settings.text import Corpus
from tfdistill.system.errors import UserError
from tfdistill.system.hub import require_model_name

_MODELS = "teacher", "student", "tokenizer", "augmentation_model"
_FILES = "train_data", "validation_data", "test_data", "word_vectors"
_READ_UNTIL = {"teacher": "teacher", "word_vectors": "start"}  # stages of a run that goes on
_OF_DATA = ("task", "length", *options_of(LabelledDataSettings), *options_of(Corpus))


def missing_sources(runs, command):
    """Finds what runs would read and is not there, or cannot be read.

    What is on the hub is not looked for, nor what other runs of the grid make.

    Args:
        runs: list of `GridRun`s.
        command: the `Command` that makes a run.

    Returns:
        dict of names of runs to lists of messages; without the runs that miss nothing.
    """
    found, opened = {}, {}
    for run in runs:
        config = command.config(run.words())
        paths = _Paths(config, run)
        checks = [*_model_checks(config, paths), *_data_checks(config, paths, opened)]
        if messages := list(filter(None, map(_message, checks))):
            found[run.name] = messages
    return found


class _Paths:
    """The paths that a run still reads, without those in the folders of runs that it needs."""

    def __init__(self, config, run):
        self._config, self._options = config, options_of(config)
        self._others = [each.folder for each in run.needs]
        self._done = read_state(run.folder)["done"]

    def __call__(self, name):
        if _READ_UNTIL.get(name) in self._done:
            return []
        found = paths_in(getattr(self._config, name), self._options[name])
        return [path for path in found if path and not self._is_made(path)]

    def _is_made(self, path):
        return any(Path(path).is_relative_to(folder) for folder in self._others)


def _message(check):
    """What a check complains of; "" if it does not."""
    try:
        check()
    except UserError as error:
        return error.message
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    return ""


def _model_checks(config, paths):
    """Yields functions without arguments that refuse what is missing of models and recipe."""
    for name in _MODELS:
        yield from (partial(require_model_name, path, name) for path in paths(name))
    if paths("student_config"):
        yield partial(read_shape, "student", config)
    if paths("teacher_config") and not config.teacher:
        yield partial(read_shape, "teacher", config)
    if is_recipe_file(config.recipe):
        yield partial(split_name, config.recipe)


def _data_checks(config, paths, opened):
    """Yields the same for text and examples; `opened`: dict of data to what is wrong with them."""
    named = [name for name in DATA_WITH_LABELS if getattr(config, name)]
    files = [(name, path) for name in _FILES for path in paths(name) if not _is_on_hub(path)]
    absent = [(name, path) for name, path in files if not Path(path).is_file()]
    yield from (partial(_refuse, name, path, "file") for name, path in absent)
    here = {"task_data", *dict(files)} - {*dict(absent)}
    if here.issuperset(named):
        yield partial(_require_examples, config, opened)
    if config.augmentation or not (config.train_data or config.task_data):
        yield from (partial(_require_text, path, config.data_dir) for path in paths("corpus"))


def _refuse(name, path, kind):
    raise UserError(f"`{name}`={path}: no such {kind}")


def _is_on_hub(name):
    return name.startswith(PREFIX)


def _require_text(spec, data_dir):
    """Like `find_files`; text that has a name is in a folder, in the package, or on the hub."""
    if spec in WIKITEXT_HUB and data_dir and not Path(data_dir).is_dir():
        _refuse("data_dir", data_dir, "folder")
    if not (is_named(spec) or _is_on_hub(spec)):
        find_files(spec)


def _require_examples(config, opened):
    """Reads the examples of a run, those of several runs once; a corpus would take longer."""
    task = tasks.get(config.task)
    if not (config.train_data or config.task_data or (task.kind and task.learns_labels)):
        return
    key = tuple(getattr(config, name) for name in _OF_DATA)
    if key not in opened:
        opened[key] = _message(lambda: open_task(config, training=True))
    if opened[key]:
        raise UserError(opened[key])
