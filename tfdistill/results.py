"""The results of a run: every model and file measured, the verdict, and what the report shows."""

import numpy as np

from tfdistill import hardware
from tfdistill.deployment.bundle import FLOAT32_FILE, INT8_FILE, export_bundle
from tfdistill.deployment.latency import measure_latency
from tfdistill.deployment.model_card import write_model_card
from tfdistill.deployment.predictor import Predictor
from tfdistill.deployment.tflite import export_tflite
from tfdistill.distillation.ensemble import MeanOfTeachers
from tfdistill.models.checkpoint import load_model
from tfdistill.models.heads import parameters
from tfdistill.training.evaluation import agreement, evaluate, evaluate_unigram, scorer

QUALITY, SPEED, SIZE = 0.9, 1.5, 0.6
LATENCY_RUNS = 100
TEACHER_FILE = "teacher.tflite"
EXAMPLES, EXAMPLE_TOKENS = 6, 20

# Where a run keeps the models of its table, by their keys in metrics.json.
MODELS = {
    "teacher": "teacher",
    "student_start": "checkpoints/student_start",
    "student": "student",
    "baseline": "checkpoints/baseline_model",
    "baseline_start": "checkpoints/baseline_start_model",
}


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
        dict of "unigram" and the keys to the models' metrics and sizes.
    """
    batches = list(batches)
    found = {"unigram": evaluate_unigram(counts, batches)}
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
        }
        if model.head is None:
            continue
        metrics, predictions = evaluate(scorer(model), counted(key))
        found[key].update(metrics)
        if key == "teacher":
            teacher_predictions = predictions
        elif teacher_predictions is not None:
            found[key]["agreement"] = agreement(predictions, teacher_predictions)
    return found


def evaluate_together(teachers, shares, batches):
    """Scores several teachers as one (see `MeanOfTeachers`).

    Args:
        teachers: list of `MaskedLanguageModel`.
        shares: of the teachers.
        batches: iterable of evaluation batches.

    Returns:
        A dict of metrics and sizes, as of one of `evaluate_models`.
    """
    sizes = [parameters(teacher) for teacher in teachers]
    return evaluate(scorer(MeanOfTeachers(teachers, shares)), batches)[0] | {
        "parameters": sum(size["total"] for size in sizes),
        "parameters_without_embeddings": sum(size["without_embeddings"] for size in sizes),
    }


def export_run(path, length, tokenizer, batches):
    """Exports the student, checks its files, and times them beside the teacher's.

    Args:
        path: `Path` of the run.
        length: tokens in a row.
        tokenizer: the `Tokenizer`.
        batches: evaluation batches.

    Returns:
        As `export_bundle`, with the teacher's file beside the student's.

    Raises:
        ParityError: the float32 file does not say what the student says.
    """
    export = path / "export"
    student = load_model(path / "student")
    files, failure = export_bundle(student, export, length, tokenizer, batches)
    teacher = load_model(path / "teacher") if (path / "teacher").is_dir() else None
    if teacher is None or teacher.head is None:
        return files, failure
    # The teacher's file is for the comparison alone; it does not ship.
    teacher_file = path / "checkpoints" / TEACHER_FILE
    export_tflite(teacher, teacher_file, None, length)
    paths = {name: export / name for name in files} | {TEACHER_FILE: teacher_file}
    files[TEACHER_FILE] = {"bytes": teacher_file.stat().st_size}
    latency = measure_latency(paths, runs=LATENCY_RUNS, batch=next(iter(batches)))
    for name, milliseconds in latency.items():
        files[name]["latency_ms"] = milliseconds
    teacher_file.unlink()
    return files, failure


def collect(corpus, models, files, seconds, peak_memory_bytes):
    """Puts together what metrics.json holds.

    Args:
        corpus: its name.
        models: what `evaluate_models` returned.
        files: what `export_run` returned.
        seconds: dict of stages to seconds.
        peak_memory_bytes: int.

    Returns:
        The dict.
    """
    models = {key: dict(model) for key, model in models.items()}
    # One float32 latency for each model: equal precision is the only fair ratio. The student's
    # size is that of the file that ships.
    shipped = shipped_of(files)
    models["student"]["bytes"] = files[shipped]["bytes"]
    models["student"]["latency_ms"] = files[FLOAT32_FILE]["latency_ms"]
    if TEACHER_FILE in files:
        models["teacher"].update(files[TEACHER_FILE])
    return {
        "corpus": corpus,
        "split": "test",
        "models": models,
        "verdict": verdict(models, shipped),
        "seconds": seconds,
        "peak_memory_bytes": peak_memory_bytes,
        "versions": hardware.versions(),
        "export": {name: fact for name, fact in files.items() if name != TEACHER_FILE},
    }


def shipped_of(files):
    """Name of the student's file that ships: int8, unless that costs too much and is not there."""
    return INT8_FILE if INT8_FILE in files else FLOAT32_FILE


def verdict(models, shipped):
    """Holds the student against its teacher by the usual three criteria.

    Args:
        models: `models` of metrics.json.
        shipped: name of the student's file that ships.

    Returns:
        dict of `quality`, `speed` and `size` to value, threshold, passed and definition; empty
        without a teacher whose logits and file were measured.
    """
    teacher, student = models.get("teacher", {}), models["student"]
    if "top1" not in teacher or "latency_ms" not in teacher:
        return {}
    quality = student["top1"] / max(teacher["top1"], 1e-9)
    speed = teacher["latency_ms"] / student["latency_ms"]
    size = student["bytes"] / teacher["bytes"]
    return {
        "quality": _criterion(
            quality, QUALITY, quality >= QUALITY, "student's top-1 / teacher's, held-out split"
        ),
        "speed": _criterion(
            speed,
            SPEED,
            speed >= SPEED,
            "teacher's latency / student's, both float32 TFLite, LiteRT, 1 thread, one [MASK]",
        ),
        "size": _criterion(
            size,
            SIZE,
            size <= SIZE,
            f"shipped file ({shipped}) / teacher's float32 file, bytes",
        ),
    }


def _criterion(value, threshold, passed, definition):
    return dict(value=value, threshold=threshold, passed=passed, definition=definition)


def fill_examples(path, tokenizer, rows):
    """Hides a word in a few held-out texts and asks teacher and student.

    Args:
        path: `Path` of the run.
        tokenizer: the `Tokenizer`.
        rows: `Rows` of the held-out split.

    Returns:
        list of dicts: `text` with one [MASK], `truth`, and `teacher` and `student`: lists of
        (token, probability).
    """
    texts = example_texts(tokenizer, rows)
    predictors = {
        name: Predictor.open(path / name)
        for name in ("teacher", "student")
        if (path / name).is_dir() and load_model(path / name).head is not None
    }
    return [
        {"text": text, "truth": truth}
        | {name: predictor.fill(text, top_k=3)[0] for name, predictor in predictors.items()}
        for text, truth in texts
    ]


def example_texts(tokenizer, rows):
    """Picks short held-out texts and hides one whole word in each.

    Args:
        tokenizer: the `Tokenizer`.
        rows: `Rows` of the held-out split.

    Returns:
        list of (text with one [MASK], the hidden word), spread over the split.
    """
    found = []
    for index in np.unique(np.linspace(0, len(rows) - 1, 4 * EXAMPLES, dtype=np.int64)):
        ids = rows.gather(np.array([index]))[0][1:-1]
        tokens = [tokenizer.id_to_token(i) for i in ids]
        # A row may begin within a word.
        first = next((i for i, token in enumerate(tokens) if not token.startswith("##")), 0)
        ids, tokens = (part[first : first + EXAMPLE_TOKENS] for part in (ids, tokens))
        whole = [
            place
            for place in range(len(ids) // 2, len(ids) - 2)
            if len(tokens[place]) > 3
            and tokens[place].isalpha()
            and not tokens[place + 1].startswith("##")
        ]
        special = set(map(int, ids)) & set(tokenizer.special_ids)
        if whole and not special:
            truth, ids[whole[0]] = tokens[whole[0]], tokenizer.mask_id
            found.append((tokenizer.decode(ids), truth))
    return found[:: max(1, len(found) // EXAMPLES)][:EXAMPLES]


def examples_markdown(examples):
    """Writes fill-mask examples as a Markdown table for TensorBoard's text panel."""
    lines = ["| text | hidden | teacher | student |", "|---|---|---|---|"]
    for example in examples:
        guesses = [
            ", ".join(f"{token} {share:.0%}" for token, share in example.get(name, []))
            for name in ("teacher", "student")
        ]
        lines.append(f"| {example['text']} | {example['truth']} | {guesses[0]} | {guesses[1]} |")
    return "\n".join(lines)


def write_card(path, metrics):
    """Writes the model card beside the exported files."""
    config = load_model(path / "student").config
    write_model_card(path / "export" / "model_card.md", config, metrics["export"], metrics)
