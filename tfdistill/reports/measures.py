"""What a comparison shows of each model of a run: the columns of its tables, and their numbers."""

import dataclasses
import math

from tfdistill.tasks import task_of
from tfdistill.tasks.metrics import LOSS

EARLY = 0.1  # share of the training after which "early" is measured


@dataclasses.dataclass(frozen=True)
class Measure:
    """A column of a table.

    Args:
        key: in the result of `numbers`.
        name: its heading.
        unit: shown below the heading.
        digits: how `format` writes its numbers.
        phrase: unit of its differences in sentences.
        higher_is_better: whether a higher number is a better one.
    """

    key: str
    name: str
    unit: str
    digits: str
    phrase: str
    higher_is_better: bool = False


def measures(task):
    """Columns of the table of results: a list of `Measure`s.

    Args:
        task: the runs' `Task`.
    """
    loss, primary = LOSS, task.primary
    better = primary.higher_is_better
    phrase = primary.difference_phrase or primary.name
    return [
        Measure(loss.key, loss.name, loss.unit, f".{loss.digits}f", "nats of loss"),
        Measure(primary.key, primary.name, primary.unit, f".{primary.digits}f", phrase, better),
        Measure("agreement", "agree", "%", ".1f", "points of agreement", True),
        Measure("minutes", "training", "min", ".1f", "minutes of training"),
        Measure("memory", "memory", "GB", ".2f", "GB of memory"),
    ]


def progress_measures(task):
    """Columns of the table of the validation split in training: a list of `Measure`s.

    Args:
        task: the runs' `Task`.
    """
    nats, primary = "nats of validation loss", task.primary
    phrase = f"{primary.difference_phrase or primary.name} on the validation split"
    kept = Measure(
        "kept",
        "kept",
        f"{primary.name} {primary.unit}".strip(),
        f".{primary.digits}f",
        phrase,
        primary.higher_is_better,
    )
    return [
        *([kept] if task.kind else []),
        Measure("start", "at start", "nats", ".3f", f"{nats} before training"),
        Measure("early", "after 10 %", "nats", ".3f", f"{nats} after 10 % of the steps"),
        Measure("end", "at end", "nats", ".3f", f"{nats} at the end"),
        Measure("steps", "steps", "to target", ",.0f", "steps to the target"),
    ]


def file_measures():
    """Columns of the table of sizes and files: a list of `Measure`s."""
    return [
        Measure("parameters", "parameters", "million", ".2f", "million parameters"),
        Measure("int8", "int8 file", "MB", ".2f", "MB of the int8 file"),
        Measure("latency", "latency", "ms", ".2f", "ms of the int8 file"),
    ]


def all_measures(task):
    """Columns of all tables: a list of `Measure`s.

    Args:
        task: the runs' `Task`.
    """
    return [*measures(task), *progress_measures(task), *file_measures()]


def numbers(run, model, target):
    """The numbers of one model of a run.

    Args:
        run: a run, see `reports.comparison`; its `target`, where it has one, replaces `target`, and
            its `counted_seconds` are added to the training of its student, and its `teacher_peak`
            is the memory of the run that trained its teacher, where that is another one.
        model: key in metrics.json's `models`.
        target: validation loss of the column of steps; None for none.

    Returns:
        dict of the `Measure.key`s to numbers, None where there is none.
    """
    metrics, curve = run["metrics"], run["curves"].get(model, [])
    own, task = metrics["models"][model], task_of(metrics)
    primary = task.primary
    # The peak of the process when the student was done; later peaks are not of its training.
    peak = {"student": run.get("peak"), "teacher": run.get("teacher_peak")}.get(model)
    int8 = own.get("files", {}).get("int8", {})
    return {
        "loss": own.get("loss"),
        primary.key: _scaled(own.get(primary.key), primary.scale),
        "agreement": _scaled(own.get("agreement"), 100),
        "start": run["start_loss"] if model in ("student", task.same_start_key) else None,
        "kept": _scaled(own.get("validation", {}).get(primary.key), primary.scale),
        "early": early_loss(curve),
        "end": end_of(curve),
        "minutes": _scaled(_seconds(run, model), 1 / 60),
        "memory": _scaled(peak, 1e-9),
        "parameters": _scaled(own.get("parameters"), 1e-6),
        "int8": _scaled(int8.get("bytes"), 1e-6),
        "latency": int8.get("own_length_ms", int8.get("latency_ms")),
        "steps": steps_to(curve, run.get("target", target)),
    }


def _seconds(run, model):
    """Seconds of a model's training; the student's include the filling of the teacher cache."""
    seconds, more = run["metrics"].get("seconds", {}), 0
    if model == "student":
        more = seconds.get("cache", 0) + run.get("counted_seconds", 0)
    return seconds[model] + more if model in seconds else None


def _scaled(value, factor):
    return None if value is None else value * factor


def steps_to(curve, target):
    """The first step with a validation loss of `target` or less; None when there is none."""
    if target is None:
        return None
    reached = (row["step"] for row in curve if row.get("validation_loss", math.inf) <= target)
    return next(reached, None)


def early_loss(curve):
    """The first validation loss after a tenth of the steps; None without any before the end."""
    if not curve:
        return None
    last = curve[-1]["step"]
    measured = (
        row["validation_loss"]
        for row in curve
        if "validation_loss" in row and EARLY * last <= row["step"] < last
    )
    return next(measured, None)


def end_of(curve):
    """The last validation loss of a curve; None without any."""
    return next((row["validation_loss"] for row in curve[::-1] if "validation_loss" in row), None)
