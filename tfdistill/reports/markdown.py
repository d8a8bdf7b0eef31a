"""results.md: a run's table in Markdown, for a README or an issue."""

from tfdistill.reports.parts import NOTE, files_line, part_rows
from tfdistill.reports.table import (
    FILE_COLUMNS,
    HEADINGS,
    cell,
    difference_columns,
    file_rows,
    format_criterion,
    metric_column,
    notes,
    state_of,
)
from tfdistill.tasks import task_of

# Names that need no legend, in the order of the rows; the floor's, from the task, is the first.
NAMES = {
    "teacher": "teacher",
    "teachers": "all teachers",
    "student_start": "student before distillation",
    "student": "student",
    "baseline_start": "the same start and steps, no teacher",
    "no_teacher": "the same start and steps, no teacher",
    "baseline_text": "a start from text, the same steps, no teacher",
    "baseline": "random start, the same steps, no teacher",
}


def head(task):
    """Headings of the models' table: a list of str.

    Args:
        task: the run's `Task`.
    """
    units = {"": "", "%": " %"}
    metrics = [
        f"{metric.name}{units.get(metric.unit, f' ({metric.unit})')}"
        for metric in task.metrics
        if metric.in_summaries
    ]
    first, *others = [f"{metric.name}, {metric.difference_unit}" for metric in task.compared]
    return ["model", "layers × width", *metrics, f"student minus this model: {first}", *others]


def results_markdown(metrics):
    """Writes the models' table, the files' table, the verdict and notes on the columns.

    Args:
        metrics: dict, the content of a run's metrics.json.

    Returns:
        str.
    """
    models, differences = metrics["models"], metrics.get("differences", {})
    task, rows = task_of(metrics), []
    measures = [metric_column(task, metric) for metric in task.metrics if metric.in_summaries]
    for key, name in ({task.floor_key: task.words.floor} | NAMES).items():
        if "loss" not in models.get(key, {}):
            continue
        model = models[key]
        shape = f"{model['layers']} × {model['width']}" if "layers" in model else ""
        lead = differences.get(f"student-{key}")
        cells = _cells(model, measures) + _cells(lead, difference_columns(task))
        rows.append([name, shape, *cells])
    parts = [f"{metrics['corpus']}, {metrics['split']} split", _table(head(task), rows)]
    if files := file_rows(metrics):
        names = ["TFLite file", *(f"{column.name}, {column.unit}" for column in FILE_COLUMNS)]
        rows = [[name, *_cells(facts, FILE_COLUMNS)] for name, facts in files.items()]
        parts.append(_table(names, rows))
    found, rows = part_rows(metrics)
    if rows:
        names = ["part", *(", ".join(filter(None, (each.name, each.unit))) for each in found)]
        parts.append(_table(names, [[name, *cells] for name, cells in rows.items()]))
        parts.append(f"{NOTE} {files_line(metrics)}")
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
    return [cell(column, facts) if facts else "" for column in columns]


def _table(names, rows):
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
