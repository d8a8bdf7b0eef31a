"""Measures the models of a run on held-out text: every model on the same examples."""

from tfdistill.models.model import parameters
from tfdistill.tasks.metrics import of_sums
from tfdistill.training.paired_bootstrap import paired_errors

FLOOR = "floor"  # stands for the key of the task's floor
# Pairs whose differences are measured; "model" is a model that the user named.
PAIRS = (
    ("teacher", FLOOR),
    ("student", FLOOR),
    ("student", "teacher"),
    ("student", "teachers"),
    ("student", "student_start"),
    ("student", "baseline_start"),
    ("student", "no_teacher"),
    ("student", "baseline_text"),
    ("student", "baseline"),
    ("model", FLOOR),
    ("model", "teacher"),
)


def evaluate_models(task, models, train, batches, progress=lambda key, done: None, teacher=None):
    """Scores models on the same examples.

    Args:
        task: the `Task`.
        models: iterable of (key, `Model`); "teacher" comes before the models that are compared with
            it. Models without a head get sizes only.
        train: the source of the training split, from which the floor is made; None: no floor.
        batches: `EvaluationBatches`, read once.
        progress: called with the key of a model and the number of batches done, over all models.
        teacher: (score, `EvaluationBatches`) of the teacher, where it is measured in another way,
            such as with a tokenizer of its own; the score may be None for that of the model.

    Returns:
        (models, sums): dict of the keys, the floor's first, to metrics and sizes; and dict of the
        keys of scored models to their `RowSums`.
    """
    source, batches = getattr(batches, "source", None), list(batches)
    found, sums = {}, {}
    if train is not None:
        floor = task.floor(train, batches, source)
        found[task.floor_key], sums[task.floor_key] = floor.metrics, floor.sums
    teacher_predictions = None
    done = 0

    def counted(key, chosen):
        nonlocal done
        for batch in chosen:
            yield batch
            done += 1
            progress(key, done)

    for key, model in models:
        sizes = parameters(model)
        found[key] = {
            "parameters": sizes["total"],
            "parameters_without_embeddings": sizes["without_embeddings"],
            "layers": model.config.num_hidden_layers,
            "width": model.config.hidden_size,
        }
        if model.head is None:
            continue
        score, chosen, own = None, batches, source
        if key == "teacher" and teacher is not None:
            (score, chosen), own = teacher, teacher[1].source
        scores = task.of_model(model.head.answer_rules).evaluate(
            score or task.scorer(model), counted(key, chosen), own
        )
        metrics, predictions, sums[key] = scores
        found[key].update(metrics)
        if key == "teacher":
            teacher_predictions = predictions
        elif teacher_predictions is not None:
            found[key] |= task.compare(predictions, teacher_predictions, source)
    return found, sums


def evaluate_together(task, teachers, score, batches):
    """Scores the mean of several teachers as one model.

    Args:
        task: the `Task`.
        teachers: `Teachers`.
        score: what scores a batch with their mean (see `Task.evaluate`).
        batches: `EvaluationBatches`.

    Returns:
        (dict of metrics and sizes, `RowSums`), as of one of `evaluate_models`.
    """
    sizes = [parameters(teacher) for teacher in teachers.models]
    metrics, _, sums = task.evaluate(score, batches, batches.source)
    metrics |= {
        "parameters": sum(size["total"] for size in sizes),
        "parameters_without_embeddings": sum(size["without_embeddings"] for size in sizes),
    }
    return metrics, sums


def add_errors(task, models, sums):
    """Adds the sampling errors of the held-out text to metrics and their differences.

    Args:
        task: the `Task`.
        models, sums: of `evaluate_models`; each model gets `standard_errors`, and of a task with
            labelled examples for each metric `NAME_interval`, [low, high].

    Returns:
        dict of the measured `PAIRS`, as "student-teacher", to dicts of the task's compared metrics
        to {"value", "standard_error"} (see `paired_errors`).
    """
    pairs = [tuple(task.floor_key if key == FLOOR else key for key in pair) for pair in PAIRS]
    errors = paired_errors(sums, pairs, of_sums(task.compared))
    for key, own in errors.own.items():
        models[key]["standard_errors"] = own
        if task.kind:
            intervals = errors.intervals[key].items()
            models[key] |= {f"{name}_interval": interval for name, interval in intervals}
    return errors.differences
