"""The student without a teacher of a task with labels, kept between runs.

It depends on its start, the labels and the settings of training, and not on the recipe: students
that differ in the recipe alone, such as in its temperature, share it.
"""

import dataclasses
import shutil
from pathlib import Path

from tfdistill.run.early_plan import deciding_settings
from tfdistill.run.teacher_cache import digest_of_model
from tfdistill.settings.settings import groups_of, options_of
from tfdistill.system import clock, hardware
from tfdistill.system.kept import MANIFEST, kept_folder

FOLDER = "baselines"  # in `shards_dir`
CURVE = "curve.jsonl"
GROUPS = (
    "teacher",
    "recipe",
    "augmentation",
    "export",
)  # of settings that training on labels alone does not read
NAMES = "recipe", "schedules", "baseline", "layerwise_decay", "teacher_epochs", "teacher_seeds"


def train_or_take(context, key, train):
    """Trains the baseline that has the student's start, or takes the one of an earlier run.

    Args:
        context: the `RunContext`.
        key: the baseline's key in metrics.json; it has one phase.
        train: function without arguments that trains it, saves it and marks it as done.
    """
    model, state = context.directory.model(key), context.directory.training_state(key)
    trained = False

    def make(aside):
        nonlocal trained
        trained = True
        train()
        for file in model.iterdir():
            shutil.copy2(file, aside)
        shutil.copy2(state.curve, aside / CURVE)

    root = Path(context.config.shards_dir) / FOLDER
    folder = kept_folder(root, _identity(context), make, context.tell_wait(key))
    if not trained:
        _take(context, key, folder)


def _take(context, key, folder):
    """Copies a kept baseline into the run, and marks it as done."""
    started = clock.now()
    context.console.say(f"{key}: kept from an earlier run with the same start and labels")
    model, state = context.directory.model(key), context.directory.training_state(key)
    for path in (model, state.directory):
        path.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        if file.name != MANIFEST:
            shutil.copy2(file, state.curve if file.name == CURVE else model)
    context.trainer.show(key, context.task.without_teacher().phases[0])
    context.finish(key, started, stages=[key])


def _identity(context):
    """What the weights depend on: the start, the examples, and how the labels are learned."""
    settings, options = deciding_settings(context.config), options_of(context.config)
    unread = {*NAMES, *(name for name in options if options[name].path)}
    for group in GROUPS:
        unread |= options_of(groups_of(type(context.config))[group]).keys()
    splits = context.splits
    steps = {"steps": context.student_steps} if context.config.augmentation else {}
    return steps | {
        "start": digest_of_model(context.directory.start),
        "tokenizer": context.tokenizer.text_hash,  # its files lie beside the weights
        "examples": [each.digest() for each in (splits.train, splits.validation_source)],
        "labels": list(context.task.labels_names),
        "settings": {name: value for name, value in settings.items() if name not in unread},
        "machine": dataclasses.asdict(dataclasses.replace(context.machine, reason="")),
        "versions": hardware.versions(),
    }
