"""The teacher's logits for the examples of a task with labels, kept between runs."""

import functools
from pathlib import Path

import tensorflow as tf

from tfdistill.data.cached_batches import answer_name
from tfdistill.data.labelled.answers import collect_logits, kept_answers
from tfdistill.run.teacher_cache import digest_of_model
from tfdistill.tasks.label_heads import TEXT
from tfdistill.training.evaluation import scorer

FOLDER = "answers"  # in `shards_dir`
VERSION = 2  # of the arrays; the first stored logits that are no numbers, too


def answers_of(context, source, teacher, precision, number=0):
    """The logits of one of the run's saved teachers: read from disk, or computed and stored.

    Args:
        context: the `RunContext`.
        source: `EncodedExamples` of the teacher's tokenizer.
        teacher: function without arguments that returns the `Model`, called only to compute.
        precision: that of the model's products.
        number: of the teacher, from 0.

    Returns:
        float32 (rows, outputs) or (tokens, outputs): see `data.labelled.answers`.

    Raises:
        UserError: the logits are NaN or infinite.
    """
    folder = context.directory.teachers(number + 1)[number]
    identity = {
        "version": VERSION,
        "teacher": digest_of_model(folder),
        "task": context.task.name,
        "labels": list(context.task.labels_names),
        "examples": source.digest(),
        "precision": precision,
    }
    folder = Path(context.config.shards_dir) / FOLDER
    told = context.tell_wait("teacher's answers")

    def compute(parts):
        return _compute(context, source, teacher(), parts)

    return kept_answers(folder, identity, compute, told)


def answered_batches(context, source, shares=(1.0,), first=0):
    """The evaluation of a saved teacher, or of several as one, by their kept logits.

    Args:
        context: the `RunContext`.
        source: `EncodedExamples` of the teachers' tokenizer.
        shares: weights of the teachers in their mean; they sum to 1.
        first: number of the first of these teachers, from 0.

    Returns:
        (score, batches) for `Task.evaluate`.
    """
    task, models, count = context.task, context.models, len(shares)
    arrays = {}
    for number in range(first, first + count):
        teacher = functools.partial(models.saved_teacher, number)
        arrays[answer_name(number)] = answers_of(context, source, teacher, "float32", number)
    answered = source.with_arrays(**{"per_row" if task.kind == TEXT else "per_token": arrays})

    def score(batch):
        tensors = {name: tf.convert_to_tensor(array) for name, array in batch.items()}
        logits = [tensors[name] for name in arrays]
        return task.measure(task.joint_logits(logits, shares) if count > 1 else logits[0], tensors)

    return score, task.evaluation_batches(answered)


def _compute(context, source, teacher, parts):
    line = context.console.progress("answers", len(source))
    line.note("computing the teacher's answers")
    score = scorer(teacher, lambda logits, batch: {"logits": logits})
    return collect_logits(
        lambda batch: score(batch)["logits"].numpy(),
        source,
        parts,
        progress=lambda done: line(done, "examples"),
    )
