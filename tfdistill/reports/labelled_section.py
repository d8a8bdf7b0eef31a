"""The sections of the report that tasks with labels have beside: classes, errors, calibration.

They read what the task's metrics hold of each model in metrics.json: `per_class` or `per_type`,
`confusion`, `reliability`, `errors` and `disagreements`, each only where the task has it.
"""

from html import escape

from tfdistill.reports import plots
from tfdistill.reports.page import figure, note, section, table

SHOWN = "teacher", "student", "no_teacher"  # models whose scores of classes stand side by side
NAMES = {"no_teacher": "no teacher"}
MOST_CLASSES = 40  # in a table


def labelled_sections(metrics):
    """Writes the sections.

    Args:
        metrics: dict, the content of a run's metrics.json.

    Returns:
        list of HTML; empty for a task without such facts.
    """
    models = metrics["models"]
    student = models.get("student", {})
    parts = [
        section("Scores of each class", *_scores(models, "per_class", "examples")),
        section("Scores of each type of entity", *_scores(models, "per_type", "entities")),
        section("Confused classes", _confusion(models)),
        section("Calibration", _calibration(models)),
        section("Where student and teacher disagree", _texts(student.get("disagreements", []))),
        section("The student's most confident errors", _texts(student.get("errors", []))),
        section("Variants of training examples", _variants(metrics)),
    ]
    return [part for part in parts if part]


def _scores(models, facts, counted):
    found = {key: models[key].get(facts) for key in SHOWN if key in models}
    found = {key: scores for key, scores in found.items() if scores}
    if not found:
        return []
    first = next(iter(found.values()))
    names = sorted(first, key=lambda name: -first[name]["support"])
    head = [("", ""), (counted, ""), *(("F1", NAMES.get(key, key)) for key in found)]
    of_student = found.get("student", {})
    head += [(what, "student") for what in ("precision", "recall") if of_student]
    rows = []
    for name in names[:MOST_CLASSES]:
        cells = [f"{first[name]['support']:,}"]
        cells += [_percent(scores[name]["f1"]) for scores in found.values()]
        if of_student:
            cells += [_percent(of_student[name][what]) for what in ("precision", "recall")]
        rows.append([name, *cells])
    more = f" The {MOST_CLASSES} most frequent of {len(names)}." if len(names) > len(rows) else ""
    return [table(head, rows), note(f"In percent, on the test split.{more}")]


def _confusion(models):
    matrix = models.get("student", {}).get("confusion")
    if not matrix:
        return ""
    names = list(models["student"]["per_class"])
    head = [("true class", ""), *((name, "predicted") for name in names)]
    rows = [[name, *map(str, row)] for name, row in zip(names, matrix, strict=True)]
    return table(head, rows) + note("Examples of the test split, as the student classifies them.")


def _calibration(models):
    points = {
        key: models[key]["reliability"] for key in SHOWN if models.get(key, {}).get("reliability")
    }
    caption = (
        "Share of right predictions by confidence, in bins; on the dashed line the two are equal."
    )
    return figure(plots.reliability(points, NAMES), caption) if points else ""


def _variants(metrics):
    facts = metrics.get("data", {}).get("augmentation")
    if not facts:
        return ""
    line = (
        f"The student learned from {facts['examples']:,} examples and {facts['variants']:,} "
        "variants of them, with the teacher's predictions in place of labels. "
        f"{facts['words']} "
        f"{facts['repeated']:,} variants were drawn again, {facts['held_out']:,} left out because "
        f"held-out data have them, {facts['beyond']:,} over the bound."
    )
    rows = [[each["text"], each["variant"]] for each in facts["shown"]]
    shown = table([("example", ""), ("variant", "")], rows)
    return note(line) + f'<div class="words">{shown}</div>'


def _texts(examples):
    """Texts with their true label and what was predicted."""
    found = []
    for example in examples:
        facts = [
            f"{name}: {escape(str(example[name]))}"
            for name in ("truth", "predicted", "student", "teacher")
            if name in example
        ]
        if "probability" in example:
            facts.append(f"{example['probability']:.1%}")
        found.append(
            f'<div class="example"><p>{escape(example["text"])}</p>'
            f"<p><small>{'; '.join(facts)}</small></p></div>"
        )
    return "\n".join(found)


def _percent(share):
    return f"{100 * share:.1f}"
