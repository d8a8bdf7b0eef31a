"""results.md: a run's table in Markdown, for a README or an issue."""

from tfdistill.reports.table import (
    DIFFERENCE_COLUMNS,
    FILE_COLUMNS,
    HEADINGS,
    file_rows,
    format_criterion,
    notes,
    state_of,
    top1_text,
)

# Names that need no legend, in the order of the rows.
NAMES = {
    "unigram": "token frequencies",
    "teacher": "teacher",
    "teachers": "all teachers",
    "student_start": "student before distillation",
    "student": "student",
    "baseline_start": "the same start and steps, no teacher",
    "baseline_text": "a start from text, the same steps, no teacher",
    "baseline": "random start, the same steps, no teacher",
}
HEAD = (
    *("model", "layers × width", "loss (nats)", "top-1 %", "top-5 %"),
    *("student minus this model: top-1, points", "loss, nats"),
)


def results_markdown(metrics):
    """Writes the models' table, the files' table, the verdict and what the columns are.

    Args:
        metrics: dict, the content of a run's metrics.json.

    Returns:
        str.
    """
    models, differences = metrics["models"], metrics.get("differences", {})
    rows = []
    for key, name in NAMES.items():
        if "loss" not in models.get(key, {}):
            continue
        model = models[key]
        shape = f"{model['layers']} × {model['width']}" if "layers" in model else ""
        measured = f"{model['loss']:.3f}", top1_text(model), f"{100 * model['top5']:.1f}"
        lead = differences.get(f"student-{key}")
        rows.append([name, shape, *measured, *_cells(lead, DIFFERENCE_COLUMNS)])
    parts = [f"{metrics['corpus']}, {metrics['split']} split", _table(HEAD, rows)]
    if files := file_rows(metrics):
        head = "TFLite file", *(f"{column.name}, {column.unit}" for column in FILE_COLUMNS)
        rows = [[name, *_cells(facts, FILE_COLUMNS)] for name, facts in files.items()]
        parts.append(_table(head, rows))
    judged = [
        "- {} **{}**: {} ({}); {}".format(name, state_of(c), *format_criterion(name, c))
        for name, c in metrics.get("verdict", {}).items()
    ]
    judged += [
        f"- {heading}: {metrics[key]['text']}"
        for key, heading in HEADINGS.items()
        if metrics.get(key)
    ]
    parts += ["\n".join(judged)] * bool(judged) + [" ".join(notes(metrics))]
    return "\n\n".join(parts) + "\n"


def _cells(facts, columns):
    return [column.write(facts) if facts else "" for column in columns]


def _table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
