"""The teacher's logits for the examples of a task with labels, kept between runs."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from tfdistill.data.labelled.answers import LOGITS, collect_logits, kept_answers
from tfdistill.data.labelled.batches import EXAMPLE
from tfdistill.run.teacher_cache import digest_of_model
from tfdistill.system.errors import UserError
from tfdistill.tasks.label_heads import TEXT
from tfdistill.training.evaluation import scorer

FOLDER = "answers"  # in `shards_dir`
VERSION = 1  # of the format of the arrays


def answers_of(context, source, teacher, precision):
    """The logits of the run's saved teacher, from disk, or computed where they are not there.

    Args:
        context: the `RunContext`.
        source: `EncodedExamples` of the teacher's tokenizer.
        teacher: function without arguments that returns the `Model`, called only to compute.
        precision: that of the model's products.

    Returns:
        float32 (rows, outputs) or (tokens, outputs): see `data.labelled.answers`.

    Raises:
        UserError: the logits are NaN or infinite.
    """
    identity = {
        "version": VERSION,
        "teacher": digest_of_model(context.directory.teacher),
        "task": context.task.name,
        "labels": list(context.task.labels_names),
        "examples": source.digest(),
        "precision": precision,
    }
    folder = Path(context.config.shards_dir) / FOLDER
    logits = kept_answers(folder, identity, lambda: _compute(context, source, teacher()))
    if not np.isfinite(logits).all():
        raise UserError("`teacher`: its logits are NaN or infinite: use another")
    return logits


def answered_batches(context, source):
    """The evaluation of the saved teacher by its kept logits.

    Args:
        context: the `RunContext`.
        source: `EncodedExamples` of the teacher's tokenizer.

    Returns:
        (score, batches) for `Task.evaluate`.
    """
    task = context.task
    logits = answers_of(context, source, lambda: context.models.saved("teacher"), "float32")
    place = "per_row" if task.kind == TEXT else "per_token"
    answered = source.with_arrays(**{place: {LOGITS: logits}})

    def score(batch):
        tensors = {name: tf.convert_to_tensor(array) for name, array in batch.items()}
        return task.measure(tensors[LOGITS], tensors)

    return score, task.evaluation_batches(answered)


def _compute(context, source, teacher):
    line, done = context.console.progress("answers", len(source)), 0
    line.note("computing the teacher's answers")
    score = scorer(teacher, lambda logits, batch: {"logits": logits})

    def logits_of(batch):
        nonlocal done
        done += int((batch[EXAMPLE] >= 0).sum())
        logits = score(batch)["logits"].numpy()
        line(done, "examples")
        return logits

    return collect_logits(logits_of, source)
