"""The results of a run: every model and file measured, and what they come to."""

from tfdistill.deployment.bundle import FLOAT32_FILE, INT8_FILE, export_bundle
from tfdistill.deployment.latency import measure_latency
from tfdistill.deployment.model_card import write_model_card
from tfdistill.deployment.tflite import DYNAMIC_INT8, export_tflite_files
from tfdistill.distillation.ensemble import MeanOfTeachers
from tfdistill.models.hugging_face.checkpoint import load_model
from tfdistill.models.model import parameters
from tfdistill.run import criteria
from tfdistill.system import hardware
from tfdistill.training.checkpoints import MODELS
from tfdistill.training.evaluation import agreement, evaluate, evaluate_unigram, scorer
from tfdistill.training.paired_bootstrap import paired_errors

LATENCY_RUNS = 100
TEACHER_FILE, TEACHER_INT8_FILE = "teacher.tflite", "teacher_int8.tflite"
# Files of teacher and student by their keys in metrics.json.
FILES = {
    "teacher": {"float32": TEACHER_FILE, "int8": TEACHER_INT8_FILE},
    "student": {"float32": FLOAT32_FILE, "int8": INT8_FILE},
}

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


def kept_models(path):
    """Keys in metrics.json's `models` of those that a run has: a list.

    Args:
        path: `Path` of the run.
    """
    return [key for key, folder in MODELS.items() if (path / folder).is_dir()]


def load_models(path, keys):
    """Loads models of a run, one after the other.

    Args:
        path: `Path` of the run.
        keys: of `kept_models`.

    Yields:
        (key, `MaskedLanguageModel`).
    """
    for key in keys:
        yield key, load_model(path / MODELS[key])


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


def evaluate_together(teachers, shares, batches):
    """Scores several teachers as one (see `MeanOfTeachers`).

    Args:
        teachers: list of `MaskedLanguageModel`.
        shares: of the teachers.
        batches: iterable of evaluation batches.

    Returns:
        (dict of metrics and sizes, `RowSums`), as of one of `evaluate_models`.
    """
    sizes = [parameters(teacher) for teacher in teachers]
    metrics, _, sums = evaluate(scorer(MeanOfTeachers(teachers, shares)), batches)
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


def export_run(path, length, tokenizer, batches, doing=lambda text: None):
    """Exports the student, checks its files, and times them beside the teacher's.

    Args:
        path: `Path` of the run.
        length: tokens in a row.
        tokenizer: the `Tokenizer`.
        batches: evaluation batches.
        doing: called with what is being done, before each part of the work.

    Returns:
        As `export_bundle`, with the teacher's files beside the student's.

    Raises:
        ParityError: the float32 file does not say what the student says.
    """
    export = path / "export"
    student = load_model(path / "student")
    files, failure = export_bundle(student, export, length, tokenizer, batches, doing)
    teacher = load_model(path / "teacher") if (path / "teacher").is_dir() else None
    if teacher is None or teacher.head is None:
        return files, failure
    # The teacher's files are for the comparison alone; they do not ship.
    checkpoints = path / "checkpoints"
    teacher_files = {TEACHER_FILE: None, TEACHER_INT8_FILE: DYNAMIC_INT8}
    doing(f"converting {' and '.join(teacher_files)}, for the comparison")
    by_path = {checkpoints / name: quantize for name, quantize in teacher_files.items()}
    export_tflite_files(teacher, by_path, length)
    paths = {name: export / name for name in files}
    paths |= {name: checkpoints / name for name in teacher_files}
    doing("timing all files")
    latency = measure_latency(paths, runs=LATENCY_RUNS, batch=next(iter(batches)))
    for name, milliseconds in latency.items():
        size = paths[name].stat().st_size
        files[name] = files.get(name, {}) | {"bytes": size, "latency_ms": milliseconds}
    for name in teacher_files:
        paths[name].unlink()
    return files, failure


def collect(corpus, models, differences, files, made_from):
    """Puts together what metrics.json holds of the models.

    Args:
        corpus: its name.
        models, differences: what `evaluate_models` and `add_errors` returned.
        files: what `export_run` returned.
        made_from: see `criteria.verdict`.

    Returns:
        The dict.
    """
    models = {key: dict(model) for key, model in models.items()}
    for key, names in FILES.items():
        own = {
            kind: {fact: files[name][fact] for fact in ("bytes", "latency_ms")}
            for kind, name in names.items()
            if name in files
        }
        if own:
            # The numbers of one file: the one that ships, and the teacher's as it is.
            shipped = "int8" if key == "student" and "int8" in own else "float32"
            models[key] |= own[shipped] | {"file": names[shipped], "files": own}
    return {
        "corpus": corpus,
        "split": "test",
        "models": models,
        "differences": differences,
        **judge(models, differences, made_from),
        "made_from": made_from,
        "versions": hardware.versions(),
        "export": {
            name: fact for name, fact in files.items() if name not in FILES["teacher"].values()
        },
    }


def judge(models, differences, made_from):
    """The verdict and what it comes to: a dict for metrics.json; see `criteria`."""
    verdict = criteria.verdict(models, differences, made_from)
    return {
        "verdict": verdict,
        "conclusion": criteria.conclusion(verdict),
        "teacher_answers": criteria.teacher_answers(differences, made_from),
    }


def write_card(path, metrics):
    """Writes the model card beside the exported files."""
    config = load_model(path / "student").config
    write_model_card(path / "export" / "model_card.md", config, metrics["export"], metrics)
