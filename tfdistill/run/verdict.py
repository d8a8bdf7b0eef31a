"""The verdict: the student held against its teacher, and what the measured differences show.

A difference is shown when it is more than two paired standard errors from zero (see
`training.paired_bootstrap`). Everything here is a function of what metrics.json holds.
"""

QUALITY, SPEED, SIZE = 0.9, 1.5, 0.6
ERRORS = 2  # standard errors that a difference must exceed
PASSED, FAILED, NOT_SHOWN = "passed", "failed", "not shown"
TOO_SHORT = "the held-out text is too short for a standard error: give --corpus more text"


def verdict(models, differences, made_from):
    """Holds the student against its teacher by quality, speed and size.

    Args:
        models: `models` of metrics.json; of teacher and student also `files`: dict of "float32" and
            "int8" to `bytes` and `latency_ms`, where there is such a file.
        differences: `differences` of metrics.json.
        made_from: dict with `recipe`; `reads_teacher`, whether a loss of it does; and
            `student_init`.

    Returns:
        dict of `quality`, `speed` and `size` to dicts: `value` (None where it cannot be computed),
        `threshold`, `passed`, `state` ("passed", "failed" or "not shown"), `definition`, `beside`
        (dict of other ratios' definitions to their values) and, where it is not shown, `reason`.
        Empty without a teacher whose answers and file were measured.
    """
    teacher = models.get("teacher", {})
    if "top1" not in teacher or "float32" not in teacher.get("files", {}):
        return {}
    return {
        "quality": _quality(models, differences, made_from),
        "speed": _speed(models),
        "size": _size(models),
    }


def _quality(models, differences, made_from):
    student, teacher, floor = (models[key]["top1"] for key in ("student", "teacher", "unigram"))
    gain = teacher - floor
    value = (student - floor) / gain if gain > 0 else None
    reason = _why_not_shown(differences, made_from)
    criterion = _criterion(
        value,
        QUALITY,
        value is not None and value >= QUALITY,
        "share of the teacher's gain in top-1 over the token frequencies, held-out split",
        {"student's top-1 / teacher's": student / teacher} if teacher else {},
    )
    if reason:
        criterion |= {"passed": False, "state": NOT_SHOWN, "reason": reason}
    return criterion


def _why_not_shown(differences, made_from):
    """Why the student's quality proves nothing of its distillation; "" where it does."""
    if not made_from.get("reads_teacher", True):
        return f"no loss of --recipe={made_from.get('recipe')} reads the teacher's answers"
    gain = differences.get("teacher-unigram", {}).get("top1")
    if _lacks_error(gain):
        return TOO_SHORT
    if not is_above(gain):
        return (
            "the teacher is not above the token frequencies by two standard errors"
            f"{_in_brackets(gain)}"
        )
    lead = differences.get(f"student-{same_start(differences, made_from)}", {}).get("top1")
    if lead is None:
        return "the same start without a teacher was not trained (--baseline=start)"
    if _lacks_error(lead):
        return TOO_SHORT
    if not is_above(lead):
        return (
            "the student is not above the same start without a teacher by two standard errors"
            f"{_in_brackets(lead)}"
        )
    return ""


def _lacks_error(difference):
    """Whether the rows are too few: one, or a handful that all differ alike."""
    if difference is None:
        return False
    error = difference["standard_error"]
    return error is None or (error == 0 and difference["value"] != 0)


def same_start(differences, made_from):
    """Key of the model without a teacher that has the student's start.

    A student that starts at random has the start of the random baseline.
    """
    random = made_from.get("student_init") == "random"
    if random and "student-baseline_start" not in differences:
        return "baseline"
    return "baseline_start"


def _speed(models):
    def ratio(kind):
        teacher, student = (models[key]["files"][kind] for key in ("teacher", "student"))
        return teacher["latency_ms"] / student["latency_ms"]

    value = ratio("float32")
    beside = {"both int8": ratio("int8")} if "int8" in _kinds(models) else {}
    return _criterion(
        value,
        SPEED,
        value >= SPEED,
        "teacher's latency / student's, both float32 TFLite, LiteRT, 1 thread, one [MASK]",
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
    """What the criteria come to.

    Args:
        criteria: what `verdict` returned.

    Returns:
        dict of `state` and `text`, a sentence; empty without criteria. It is "not shown" where one
        criterion is, for then the others say nothing of the distillation.
    """
    if not criteria:
        return {}
    states = {name: criterion["state"] for name, criterion in criteria.items()}
    state = next((s for s in (NOT_SHOWN, FAILED) if s in states.values()), PASSED)
    parts = [
        f"{NOT_SHOWN}: {name}, because {criterion['reason']}"
        for name, criterion in criteria.items()
        if "reason" in criterion
    ]
    for each in (FAILED, PASSED):
        names = [name for name, own in states.items() if own == each]
        parts += [f"{each}: {', '.join(names)}"] * bool(names)
    return {"state": state, "text": "; ".join(parts)}


def teacher_answers(differences, made_from):
    """Whether the teacher's answers were worth anything: the student beside the same start.

    Args:
        differences, made_from: as for `verdict`.

    Returns:
        dict of `text`, a sentence, and where the same start was trained without a teacher `top1`
        and `loss`, each "better", "worse" or "not shown"; empty where no loss reads a teacher.
    """
    if not made_from.get("reads_teacher"):
        return {}
    lead = differences.get(f"student-{same_start(differences, made_from)}")
    if lead is None:
        return {"text": "not shown: the same start without a teacher was not trained"}
    found = {
        "top1": _outcome(lead["top1"], better=1),
        "loss": _outcome(lead["loss"], better=-1),
    }
    text = ", ".join(
        f"{format_difference(lead[metric], metric)} ({outcome})"
        for metric, outcome in found.items()
    )
    return {"text": f"{text}: the student minus the same start without a teacher", **found}


def _outcome(difference, better):
    signed = {**difference, "value": better * difference["value"]}
    if is_above(signed):
        return "better"
    return "worse" if is_above({**signed, "value": -signed["value"]}) else NOT_SHOWN


def is_above(difference):
    """Whether a difference is above zero by more than two of its standard errors.

    Args:
        difference: dict of `value` and `standard_error`, which may be None; or None.

    Returns:
        bool; False where something is missing, and with an error of 0: a handful of rows that all
        differ alike, of which no spread is known.
    """
    if difference is None or not difference["standard_error"]:
        return False
    return difference["value"] > ERRORS * difference["standard_error"]


def format_difference(difference, metric):
    """Writes a difference with its error and unit: "+0.5 ± 0.4 points of top-1".

    Args:
        difference: dict of `value` and `standard_error`.
        metric: "top1" or "loss".

    Returns:
        str.
    """
    scale, digits, unit = (100, 1, "points of top-1") if metric == "top1" else (1, 3, "nats")
    value, error = difference["value"], difference["standard_error"]
    spread = "" if error is None else f" ± {scale * error:.{digits}f}"
    number = f"{scale * value:+.{digits}f}".replace("-", "−")
    return f"{number}{spread} {unit}"


def _in_brackets(difference):
    return "" if difference is None else f" ({format_difference(difference, 'top1')})"
