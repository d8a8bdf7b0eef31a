"""The settings that suit a task and its number of examples, each with its reason."""

import math
from typing import NamedTuple

from tfdistill.distillation.layer_maps import layer_map

# A guide's temperatures; a task without probabilities has none.
TWO_CLASSES, MORE_CLASSES = 1.5, 2.0
TEMPERATURES = {"token_classification": 2.5, "question_answering": 2.5}
FEW_EXAMPLES = 5_000  # below which fine-tuning is known to fail for some seeds
MANY_EXAMPLES = 50_000
TEXTS, NUMBERS, ANSWERS, MASKED = (
    "text_classification",
    "regression",
    "question_answering",
    "masked_lm",
)


class Measured(NamedTuple):
    """A row of a table of docs/RESULTS.md, "Tasks with labels: 6 × 384 → 3 × 384".

    Args:
        data: the set, as the table begins it.
        task: its task.
        rows: examples of its training split.
        epochs: the student's; None if they were too few to be advised.
        lead, error: student − no teacher, in points of the metric.
        kept: student / teacher, in %.
        seeds: of the student.
    """

    data: str
    task: str
    rows: int
    epochs: float | None
    lead: float
    error: float
    kept: float
    seeds: int = 1


RESULTS = (
    Measured("banking77", TEXTS, 9_005, 5, 0.4, 0.3, 100.1, 3),
    Measured("MIT restaurant", "token_classification", 6_894, 6, 1.8, 0.3, 98.4, 3),
    Measured("MRPC", TEXTS, 3_302, 4, 1.9, 1.8, 97.9, 3),
    Measured("NCBI disease", "token_classification", 5_424, 6, 1.3, 1.2, 97.8, 3),
    Measured("new Wikipedia → XQuAD", ANSWERS, 7_147, None, 0.4, 0.6, 88.7),
    Measured("SST-2, 10,000 phrases", TEXTS, 9_000, 6, -0.7, 0.7, 97.5, 3),
    Measured("SST-2, all 67,349 phrases", TEXTS, 66_349, 2, 1.7, 0.8, 98.1),
    Measured("STS-B", NUMBERS, 5_174, 4, 0.5, 0.2, 97.1, 3),
    Measured("WNUT17", "token_classification", 3_394, 6, 1.4, 0.5, 97.5, 3),
)


class Choice(NamedTuple):
    """A setting, its value, and why.

    Args:
        setting: name; "" for a remark.
        value: of the setting.
        reason: a sentence without a period.
    """

    setting: str
    value: object
    reason: str


def nearest(task, rows):
    """The measured set of a task whose number of examples is nearest; None for none.

    Args:
        task: name of the task.
        rows: examples; 0 if unknown.
    """
    found = [each for each in RESULTS if each.task == task]
    if not found or not rows:
        return None
    return min(found, key=lambda each: abs(math.log(each.rows / rows)))


def recipe_choices(task, rows, size, teacher):
    """The recipe and its options.

    Args:
        task: name of the task.
        rows: examples; 0 if unknown.
        size, teacher: `Size` of student and teacher.

    Returns:
        list of `Choice`s.
    """
    like = nearest(task, rows)
    if task == MASKED:
        reason = "losses of logits win on text (docs/RESULTS.md, recipes side by side)"
        return [Choice("recipe", "distilbert", reason)]
    if like is None:
        known = "`rows` is not given" if not rows else f"{task} has no row in docs/RESULTS.md"
        return [Choice("recipe", "kd", f"the usual one: {known}")]
    lead = f"{like.lead:+.1f} ± {like.error:.1f} points over the same start without a teacher"
    where = f"on {like.data}, {like.rows:,} examples (docs/RESULTS.md, seeds: {like.seeds})"
    if like.lead > 0 or size.layers < 2:
        reason = f"{lead}, and {like.kept:g} % of the teacher, {where}"
        return [Choice("recipe", "kd", reason)]
    reason = (
        f"kd had {lead} {where}; of the losses tried there this one has the best validation. In "
        "BERT-PKD's tables it gains over kd from 10,000 examples on"
    )
    found = [Choice("recipe", "pkd", reason)]
    if size.width < teacher.width:
        found.append(Choice("projection", "shared", "the student is narrower than the teacher"))
    return found


def temperature_choice(task, classes):
    """The temperature.

    Args:
        task: name of the task.
        classes: number of classes; 0 if unknown.

    Returns:
        A `Choice`; without a setting where there is no temperature.
    """
    if task == NUMBERS:
        reason = "numbers have no temperature: the squared distance of the predictions is learned"
        return Choice("", None, reason)
    if task == MASKED:
        return Choice("temperature", 2.0, "DistilBERT's; the guide names none for this task")
    if task != TEXTS:
        reason = "the guide's for this task; docs/RESULTS.md has 2 only"
        return Choice("temperature", TEMPERATURES[task], reason)
    if classes == 2:
        reason = "the guide's for two classes: soft enough where only one wrong class is left"
        return Choice("temperature", TWO_CLASSES, f"{reason}; docs/RESULTS.md has 2 only")
    many = (
        "the guide's for more than two classes"
        if classes
        else "the guide's for more than two classes; for two it has 1.5"
    )
    return Choice("temperature", MORE_CLASSES, many)


def layers_remark(task, size, teacher):
    """The teacher's layers that the guide compares, in this package's numbering: a `Choice`.

    Args:
        task: name of the task.
        size, teacher: `Size` of student and teacher.
    """
    if task == ANSWERS:
        first = math.ceil(size.layers / 2)
        ends = [*range(first), *range(teacher.layers - size.layers + first, teacher.layers)]
        value, which = ",".join(map(str, ends)), "the first and the last"
    else:
        value, which = "last", "the last"
    layers = ",".join(map(str, layer_map(value, teacher.layers, size.layers)))
    usual = ",".join(map(str, layer_map("skip", teacher.layers, size.layers)))
    return Choice(
        "",
        None,
        f"layers, counted from 0 to {teacher.layers - 1}: for a recipe that compares layers, the "
        f"guide has {which}, here {layers} (`layer_map`={value}); BERT-PKD's are {usual} "
        "(`layer_map`=skip, the default of pkd, which docs/RESULTS.md has)",
    )


def length_choices(task, rows, tuned):
    """How long models are trained.

    Args:
        task: name of the task.
        rows: examples; 0 if unknown.
        tuned: whether the teacher has the task's head already.

    Returns:
        list of `Choice`s.
    """
    if task == MASKED:
        return []
    like, found = nearest(task, rows), []
    if rows >= MANY_EXAMPLES:
        found.append(Choice("n_epoch", 3.0, "enough for as many examples (BERT has 2 to 4)"))
    elif like and like.epochs:
        found.append(Choice("n_epoch", float(like.epochs), f"as on {like.data} (docs/RESULTS.md)"))
    if tuned:
        return found
    found.append(Choice("teacher_epochs", 3.0, "the teacher has no head for the task yet"))
    if 0 < rows < FEW_EXAMPLES:
        reason = f"below {FEW_EXAMPLES:,} examples some seeds of fine-tuning fail; the best is kept"
        found.append(Choice("teacher_seeds", 3, reason))
    return found
