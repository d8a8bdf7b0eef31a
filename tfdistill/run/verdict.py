"""The verdict: the student compared with its teacher, and the gain from the teacher's outputs.

A difference is shown when it is more than two paired standard errors from zero (see
`training.paired_bootstrap`). Everything here is a function of the content of metrics.json; the
primary metric, the floor and their words come from the run's task.
"""

from tfdistill.tasks import task_of

QUALITY, SPEED, SIZE = 0.9, 1.5, 0.6
ERRORS = 2  # standard errors that a difference must exceed
PASSED, FAILED, NOT_SHOWN = "passed", "failed", "not shown"
TOO_SHORT = "the held-out split is too short for a standard error: add text or examples"
PARTS = (
    "the student is a super-student, of which only parts are used: tfdistill.search or the "
    "report's table of parts measures them"
)


def verdict(models, differences, made_from):
    """Compares the student with its teacher by quality, speed and size.

    Args:
        models: `models` of metrics.json; of teacher and student also `files`: dict of "float32" and
            "int8" to `bytes` and `latency_ms`, where there is such a file.
        differences: `differences` of metrics.json.
        made_from: dict with `recipe`; `reads_teacher`, whether one of its losses does;
            `trains_parts`, whether only parts of the student are used;
            `student_init`; and `task`, its name.

    Returns:
        dict of `quality`, `speed` and `size` to dicts: `value` (None where it cannot be computed),
        `threshold`, `passed`, `state` ("passed", "failed" or "not shown"), `definition`, `beside`
        (dict of other ratios' definitions to their values) and, where it is not shown, `reason`.
        Empty without a teacher whose quality and file were measured.
    """
    teacher, task = models.get("teacher", {}), task_of({"made_from": made_from})
    if task.primary.key not in teacher or "float32" not in teacher.get("files", {}):
        return {}
    criteria = {
        "quality": _quality(task, models, differences, made_from),
        "speed": _speed(task, models),
        "size": _size(models),
    }
    if made_from.get("trains_parts"):
        return {name: each | _not_shown(PARTS) for name, each in criteria.items()}
    return criteria


def _quality(task, models, differences, made_from):
    keys, metric = ("student", "teacher", task.floor_key), task.primary
    student, teacher, floor = (models[key][metric.key] for key in keys)
    gain = teacher - floor  # of a metric that is to be low, both gains are negative
    better = gain > 0 if metric.higher_is_better else gain < 0
    value = (student - floor) / gain if better else None
    reason = _why_not_shown(task, differences, made_from)
    criterion = _criterion(
        value,
        QUALITY,
        value is not None and value >= QUALITY,
        f"share of the teacher's gain in {metric.name} over the {task.words.floor}, held-out split",
        {f"student's {metric.name} / teacher's": student / teacher} if teacher else {},
    )
    if reason:
        criterion |= _not_shown(reason)
    return criterion


def _not_shown(reason):
    return {"passed": False, "state": NOT_SHOWN, "reason": reason}


def _why_not_shown(task, differences, made_from):
    """Why the student's quality says nothing about its distillation; "" if it does."""
    if not made_from.get("reads_teacher", True):
        return f"no loss of recipe={made_from.get('recipe')} reads the teacher's outputs"
    metric, beside = task.primary, same_start(differences, made_from)
    gain = differences.get(f"teacher-{task.floor_key}", {}).get(metric.key)
    if _lacks_error(gain):
        return TOO_SHORT
    if outcome(gain, metric) != "better":
        return (
            f"the teacher is not above the {task.words.floor} by two standard errors"
            f"{_in_brackets(gain, metric)}"
        )
    lead = differences.get(f"student-{beside}", {}).get(metric.key)
    if lead is None:
        return "the same start without a teacher was not trained (baseline=start)"
    if _lacks_error(lead):
        return TOO_SHORT
    if outcome(lead, metric) != "better":
        return (
            "the student is not above the same start without a teacher by two standard errors"
            f"{_in_brackets(lead, metric)}"
        )
    return ""


def _lacks_error(difference):
    """Whether there are too few rows: one, or a few with equal differences."""
    if difference is None:
        return False
    error = difference["standard_error"]
    return error is None or (error == 0 and difference["value"] != 0)


def same_start(differences, made_from):
    """Key of the model without a teacher that has the student's start.

    A student that starts at random, or from the text, has the start of that baseline.
    """
    key = task_of({"made_from": made_from}).same_start_key
    fresh = {"random": "baseline", "text": "baseline_text"}.get(made_from.get("student_init"))
    return fresh if fresh and f"student-{key}" not in differences else key


def _speed(task, models):
    def ratio(kind):
        teacher, student = (models[key]["files"][kind] for key in ("teacher", "student"))
        return teacher["latency_ms"] / student["latency_ms"]

    value = ratio("float32")
    beside = {"both int8": ratio("int8")} if "int8" in _kinds(models) else {}
    return _criterion(
        value,
        SPEED,
        value >= SPEED,
        "teacher's latency / student's, both float32 TFLite, LiteRT, 1 thread, "
        f"{task.words.one_input}",
        beside,
    )


def _size(models):
    teacher, student = (models[key]["files"] for key in ("teacher", "student"))
    ratios = {kind: student[kind]["bytes"] / teacher[kind]["bytes"] for kind in _kinds(models)}
    shipped = "int8" if "int8" in student else "float32"
    kind = "int8" if "int8" in ratios else "float32"
    beside = {f"both {other}": ratio for other, ratio in ratios.items() if other != kind}
    if shipped != "float32":
        beside[f"the {shipped} file, which ships, / teacher's float32 file"] = (
            student[shipped]["bytes"] / teacher["float32"]["bytes"]
        )
    definition = f"student's TFLite file / teacher's, both {kind}, bytes"
    return _criterion(ratios[kind], SIZE, ratios[kind] <= SIZE, definition, beside)


def _kinds(models):
    """Kinds of files that both have."""
    teacher, student = (models[key]["files"] for key in ("teacher", "student"))
    return [kind for kind in ("float32", "int8") if kind in teacher and kind in student]


def _criterion(value, threshold, passed, definition, beside):
    state = PASSED if passed else FAILED
    return dict(
        value=value,
        threshold=threshold,
        passed=passed,
        state=state,
        definition=definition,
        beside=beside,
    )


def conclusion(criteria):
    """Sums up the criteria.

    Args:
        criteria: what `verdict` returned.

    Returns:
        dict of `state` and `text`, a sentence; empty without criteria. The state is "not shown" if
        one criterion is not shown: the others then say nothing about the distillation.
    """
    if not criteria:
        return {}
    states = {name: criterion["state"] for name, criterion in criteria.items()}
    state = next((s for s in (NOT_SHOWN, FAILED) if s in states.values()), PASSED)
    reasons = {}
    for name, criterion in criteria.items():
        if "reason" in criterion:
            reasons.setdefault(criterion["reason"], []).append(name)
    parts = [
        f"{NOT_SHOWN}: {', '.join(names)}, because {reason}" for reason, names in reasons.items()
    ]
    for each in (FAILED, PASSED):
        names = [name for name, own in states.items() if own == each]
        parts += [f"{each}: {', '.join(names)}"] * bool(names)
    return {"state": state, "text": "; ".join(parts)}


def teacher_answers(differences, made_from):
    """The gain from the teacher's outputs: the student compared with the same start without them.

    Args:
        differences, made_from: as for `verdict`.

    Returns:
        dict of `text`, a sentence, and if the same start was trained without a teacher the keys of
        the task's compared metrics, such as `top1` and `loss`, each "better", "worse" or "not
        shown"; empty if no loss reads a teacher.
    """
    if not made_from.get("reads_teacher") or made_from.get("trains_parts"):
        return {}
    lead = differences.get(f"student-{same_start(differences, made_from)}")
    if lead is None:
        return {"text": "not shown: the same start without a teacher was not trained"}
    metrics = task_of({"made_from": made_from}).compared
    found = {metric.key: outcome(lead[metric.key], metric) for metric in metrics}
    text = ", ".join(
        f"{metric.difference_sentence(lead[metric.key])} ({found[metric.key]})"
        for metric in metrics
    )
    return {"text": f"{text}: the student minus the same start without a teacher", **found}


def outcome(difference, metric):
    """Whether a difference of a metric is "better", "worse" or "not shown".

    Args:
        difference: as for `is_above`; None is not shown.
        metric: the `Metric`.
    """
    if difference is None:
        return NOT_SHOWN
    signed = {**difference, "value": difference["value"] * (1 if metric.higher_is_better else -1)}
    if is_above(signed):
        return "better"
    return "worse" if is_above({**signed, "value": -signed["value"]}) else NOT_SHOWN


def is_above(difference):
    """Whether a difference is above zero by more than two of its standard errors.

    Args:
        difference: dict of `value` and `standard_error`, which may be None; or None.

    Returns:
        bool; False if something is missing, and with an error of 0: then all rows have the same
        difference, and its spread is unknown.
    """
    if difference is None or not difference["standard_error"]:
        return False
    return difference["value"] > ERRORS * difference["standard_error"]


def _in_brackets(difference, metric):
    return "" if difference is None else f" ({metric.difference_sentence(difference)})"
