"""Problems of a run's teacher, as metrics.json and the curves show them.

All functions take a `finished_advice.Finished`; a problem that the run does not have is None.
"""

from typing import NamedTuple

from tfdistill.run.verdict import outcome

LATE = 0.8  # share of the steps after which a point of training is late
RISING = 0.05  # share of a teacher's gain that comes late while it still gets better


class Problem(NamedTuple):
    """Something that went wrong in a run.

    Args:
        name: what it is called.
        finding: what the run shows, a sentence without a period.
        change: dict of settings to values.
        why: what the change does, likewise.
    """

    name: str
    finding: str
    change: dict
    why: str


def difference_of(run, pair):
    """The difference of two models in the primary metric, such as "student-teacher".

    Returns:
        dict of `value` and `standard_error`, as in metrics.json; None if it was not measured.
    """
    return run.metrics["differences"].get(pair, {}).get(run.task.primary.key)


def at_the_floor(run):
    """Whether the teacher is no better than the floor by two standard errors: bool."""
    difference = difference_of(run, f"teacher-{run.task.floor_key}")
    return difference is not None and outcome(difference, run.task.primary) != "better"


def trains_teacher(run):
    """Whether the run trained its teacher, or fine-tuned it: bool."""
    return "teacher" in run.metrics["run"]["learning_rates"]


def floor_teacher(run):
    """The `Problem` of a teacher that is no better than the floor."""
    if not at_the_floor(run):
        return None
    metric = run.task.primary
    difference = difference_of(run, f"teacher-{run.task.floor_key}")
    finding = (
        f"{metric.difference_sentence(difference)}: the teacher minus the {run.task.words.floor}, "
        "which does not read the text"
    )
    if not run.task.kind:
        change = {"teacher_steps": 2 * run.settings.teacher_steps}
        return Problem("teacher at the floor", finding, change, "it needs more steps, or more text")
    if not trains_teacher(run):
        why = "name another `teacher`: this one came with its head, and is not trained further"
        return Problem("teacher at the floor", finding, {}, why)
    change = {
        "teacher_epochs": 2 * run.settings.teacher_epochs,
        "teacher_seeds": max(3, run.settings.teacher_seeds),
    }
    why = "the best of several seeds is kept; a small set makes some of them fail"
    return Problem("teacher at the floor", finding, change, why)


def trained_briefly(run):
    """The `Problem` of a teacher that was still getting better when its training ended."""
    scores = _scores(run, "teacher")
    if not run.task.kind or not trains_teacher(run) or at_the_floor(run) or not scores:
        return None
    steps, first = max(scores), scores[min(scores)]
    whole = max(scores.values()) - first
    early = [score - first for step, score in scores.items() if step <= LATE * steps]
    late = whole - max(early, default=0)
    if late <= RISING * whole:
        return None
    finding = (
        f"{late / whole:.0%} of what its training gained on the validation split, in "
        f"{run.task.primary.name}, came in the last {1 - LATE:.0%} of its steps"
    )
    change = {"teacher_epochs": 2 * run.settings.teacher_epochs}
    return Problem("teacher trained briefly", finding, change, "it was still getting better")


def _scores(run, name):
    """dict of steps to the primary metric on the validation split, where more is better."""
    metric = run.task.primary
    key, sign = metric.curve_key, 1 if metric.higher_is_better else -1
    rows = run.curves.get(name, ())
    return {row["step"]: sign * row[key] for row in rows if row.get(key) is not None}
