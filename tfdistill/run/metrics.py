"""The content of a run's metrics.json, put together from the facts of its stages."""

from tfdistill.deployment.variants import FLOAT32_FILE, INT8_FILE
from tfdistill.run import verdict
from tfdistill.system import hardware

TEACHER_FILE, TEACHER_INT8_FILE = "teacher.tflite", "teacher_int8.tflite"
# Files of teacher and student by their keys in metrics.json.
FILES = {
    "teacher": {"float32": TEACHER_FILE, "int8": TEACHER_INT8_FILE},
    "student": {"float32": FLOAT32_FILE, "int8": INT8_FILE},
}

FACTS = "bytes", "latency_ms", "own_length_ms"  # of a file


def collect(corpus, models, differences, files, made_from):
    """Puts together what metrics.json holds of the models.

    Args:
        corpus: its name.
        models, differences: what `evaluate_models` and `add_errors` returned.
        files: dict of the files' names to their facts.
        made_from: see `verdict.verdict`.

    Returns:
        The dict.
    """
    models = {key: dict(model) for key, model in models.items()}
    for key, names in FILES.items():
        own = {
            kind: {fact: files[name][fact] for fact in FACTS if fact in files[name]}
            for kind, name in names.items()
            if name in files
        }
        if own:
            # The numbers of one file: the one that ships, and the teacher's as it is.
            shipped = "int8" if key == "student" and "int8" in own else "float32"
            shown = {fact: own[shipped][fact] for fact in ("bytes", "latency_ms")}
            models[key] |= shown | {"file": names[shipped], "files": own}
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


def labelled_facts(task, files, data, run):
    """What metrics.json holds beside for a task with labels.

    Args:
        task: the `Task`.
        files: dict of the files' names to their facts, a teacher's among them.
        data: dict of facts about the data.
        run: what `describe_run` returned.

    Returns:
        dict of `task`, `primary`, `files`, `data` and more of `made_from`.
    """
    key = task.primary.key
    measured = {
        name: {
            "bytes": facts["bytes"],
            "latency_ms": facts["latency_ms"],
            key: facts[f"{key}_lite"],
        }
        for name, facts in files.items()
        if name not in FILES["teacher"].values()  # timed alone: see the teacher's entry in models
    }
    return {
        "task": task.name,
        "primary": {"name": key, "higher_is_better": task.primary.higher_is_better},
        "files": measured,
        "data": data,
        "made_from": {name: run[name] for name in ("command", "flags", "seed", "learning_rates")}
        | {"versions": hardware.versions()},
    }


def judge(models, differences, made_from):
    """The verdict and what it comes to: a dict for metrics.json; see `run.verdict`."""
    criteria = verdict.verdict(models, differences, made_from)
    return {
        "verdict": criteria,
        "conclusion": verdict.conclusion(criteria),
        "teacher_answers": verdict.teacher_answers(differences, made_from),
    }
