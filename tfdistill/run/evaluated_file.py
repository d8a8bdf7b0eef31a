"""A TFLite file of a task with labels, measured on the test split with the metrics of a run."""

import dataclasses
from pathlib import Path

import numpy as np

from tfdistill.models.heads.answer_rules import AnswerRules
from tfdistill.models.heads.label_names import known_names, with_names_of
from tfdistill.run.data_lines import data_lines, statistics_lines
from tfdistill.run.early_plan import open_task
from tfdistill.run.held_out import open_held_out
from tfdistill.run.model_classes import keeps_classes
from tfdistill.system.errors import UserError


def evaluate_file(config, console):
    """Measures the file that `model` names.

    Args:
        config: a `RunConfig`.
        console: a `Console`.

    Returns:
        dict: "task", "corpus", "split", "models" (the floor, where there are training examples, and
        "model") and "differences" as in metrics.json.

    Raises:
        UserError: there is no such file or no such data, or they do not fit each other.
    """
    from tfdistill.deployment.lite_model import LiteModel
    from tfdistill.deployment.predictor import tokenizer_beside
    from tfdistill.run.measure import FLOOR, add_errors
    from tfdistill.run.sources import tokenizer_of

    path = Path(config.model)
    lite = LiteModel(path)
    _require_task(config, lite)
    task, data = open_task(config)
    if lines := data_lines(task, data):
        console.say(lines)
    task = _with_classes(task, data, lite)
    task = task.of_model(AnswerRules.of(lite.metadata.get("answers")))
    tokenizer = tokenizer_of(task, config.tokenizer or tokenizer_beside(path))
    lite.require_tokenizer(tokenizer)
    of_file = dataclasses.replace(config, length=lite.length)
    train, batches = open_held_out(task, of_file, tokenizer, data, console)
    console.say(statistics_lines(task, {"test": batches.source.facts}))
    fixed = task.fixed_batches(batches, lite.length, len(batches.source))
    line = console.progress("evaluate", len(fixed))
    measured = task.evaluate(_score(task, lite, line), fixed, fixed.source)
    models = {"model": measured.metrics | {"bytes": path.stat().st_size}}
    sums = {"model": measured.sums}
    if train is not None:
        floor = task.floor(train, list(fixed), fixed.source)
        models, sums = {FLOOR: floor.metrics, **models}, {FLOOR: floor.sums, **sums}
    differences = add_errors(task, models, sums)
    found = {"task": task.name, "corpus": data.name, "split": "test"}
    return found | {
        "task_data": config.task_data,
        "models": models,
        "differences": differences,
    }


def _require_task(config, lite):
    """Refuses a file of another task than the settings name, and one that names none."""
    own = lite.metadata.get("task")
    if not own:
        raise UserError(
            f"`model`={lite.path} names no task, as files of masked_lm do not: it cannot be "
            "measured alone; name the folder that it was made from"
        )
    if own != config.task:
        raise UserError(f"`task`={config.task}: {lite.path} is a file of {own}: leave `task` out")


def _with_classes(task, data, lite):
    """The task with the classes of a file, of which the data may lack some."""
    known = task.labels_names
    names = with_names_of(known, tuple(lite.metadata.get("labels", ())), f"`model`={lite.path}")
    return task if keeps_classes(known, names, data) else task.bound(names)


def _score(task, lite, line):
    """The function that runs a file on the rows of a batch and measures its logits."""
    import tensorflow as tf

    order = _order(task, lite)
    done = 0

    def score(batch):
        nonlocal done
        logits = np.zeros((len(batch["input_ids"]), *lite.output_shape[1:]), np.float32)
        for inputs, (row,), _ in task.single_inputs(batch):
            found = lite.logits(inputs)
            logits[row, : len(found)] = found  # a shorter signature leaves out padding
        done += 1
        line(done, "batches")
        tensors = {name: tf.convert_to_tensor(array) for name, array in batch.items()}
        return task.measure(tf.convert_to_tensor(logits[..., order]), tensors)

    return score


def _order(task, lite):
    """Indices that put the file's outputs into the order of the task's classes."""
    labels = known_names(lite.metadata.get("labels", ()), task.labels_names)
    return [labels.index(name) for name in task.labels_names] or slice(None)
