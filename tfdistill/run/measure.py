"""Measures the models of a run on held-out text: every model on the same masks."""

from tfdistill.models.model import parameters
from tfdistill.training.evaluation import agreement, evaluate, evaluate_unigram, scorer
from tfdistill.training.paired_bootstrap import paired_errors

# Whose measures are subtracted from whose; "model" is one that was named by hand.
PAIRS = (
    ("teacher", "unigram"),
    ("student", "unigram"),
    ("student", "teacher"),
    ("student", "teachers"),
    ("student", "student_start"),
    ("student", "baseline_start"),
    ("student", "baseline_text"),
    ("student", "baseline"),
    ("model", "unigram"),
    ("model", "teacher"),
)


def evaluate_models(models, counts, batches, progress=lambda key, done: None):
    """Scores models on the same masks.

    Args:
        models: iterable of (key, `MaskedLanguageModel`); "teacher" stands before those that are
            compared with it. Of one without a masked-LM head only the size is told.
        counts: int64 (vocab,), tokens of the training split.
        batches: iterable of evaluation batches, read once.
        progress: called with the key of a model and the batches done, over all models.

    Returns:
        (models, sums): dict of "unigram" and the keys to the models' metrics and sizes; and dict of
        those that were scored to their `RowSums`.
    """
    batches = list(batches)
    unigram = evaluate_unigram(counts, batches)
    found, sums = {"unigram": unigram.metrics}, {"unigram": unigram.sums}
    teacher_predictions = None
    done = 0

    def counted(key):
        nonlocal done
        for batch in batches:
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
        metrics, predictions, sums[key] = evaluate(scorer(model), counted(key))
        found[key].update(metrics)
        if key == "teacher":
            teacher_predictions = predictions
        elif teacher_predictions is not None:
            found[key]["agreement"] = agreement(predictions, teacher_predictions)
    return found, sums


def evaluate_together(teachers, batches):
    """Scores the mean of several teachers as one model.

    Args:
        teachers: `Teachers`.
        batches: iterable of evaluation batches.

    Returns:
        (dict of metrics and sizes, `RowSums`), as of one of `evaluate_models`.
    """
    sizes = [parameters(teacher) for teacher in teachers.models]
    metrics, _, sums = evaluate(scorer(teachers), batches)
    metrics |= {
        "parameters": sum(size["total"] for size in sizes),
        "parameters_without_embeddings": sum(size["without_embeddings"] for size in sizes),
    }
    return metrics, sums


def add_errors(models, sums):
    """Gives measures and their differences the sampling error of the held-out text.

    Args:
        models, sums: of `evaluate_models`; each model gets `standard_errors`.

    Returns:
        dict of the `PAIRS` that were measured, as "student-teacher", to dicts of "top1" and "loss"
        to {"value", "standard_error"} (see `paired_errors`).
    """
    errors, differences = paired_errors(sums, PAIRS)
    for key, error in errors.items():
        models[key]["standard_errors"] = error
    return differences
