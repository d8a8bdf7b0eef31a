"""The table of a run for the terminal; the page shows the same cells.

The columns of the metrics come from the run's task.
"""

import dataclasses
import textwrap
from collections.abc import Callable

from tfdistill.reports.overlap import overlap_notes
from tfdistill.tasks import task_of
from tfdistill.tasks.metrics import MINUS
from tfdistill.training.paired_bootstrap import RESAMPLES

WIDTH = 100
ABSENT = "–"

HEADINGS = {"conclusion": "verdict", "teacher_answers": "gain from the teacher's outputs"}
MODEL_NAMES = {
    "teacher": "teacher",
    "teachers": "all teachers",
    "student_start": "student before",
    "student": "student after",
    "baseline_start": "baseline, same start",
    "no_teacher": "baseline, same start",
    "baseline_text": "baseline, text start",
    "baseline": "baseline, random start",
}


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of a table.

    Args:
        name: its heading.
        unit: shown below the heading.
        write: function of a row's dict to the cell; a missing key leaves the cell empty.
    """

    name: str
    unit: str
    write: Callable


def _millions(key):
    return lambda model: f"{model[key] / 1e6:.2f}"


def metric_column(task, metric):
    """The `Column` of a task's `Metric`; the primary one has its standard error."""
    error = metric is task.primary
    return Column(metric.name, metric.unit, lambda model: metric.text(model, error))


def columns(task):
    """Columns of the models' table: a list of `Column`s.

    Args:
        task: the run's `Task`.
    """
    return [
        *(metric_column(task, metric) for metric in task.metrics),
        Column("agree", "%", lambda model: f"{100 * model['agreement']:.1f}"),
        Column("params", "million", _millions("parameters")),
        Column("no embed.", "million", _millions("parameters_without_embeddings")),
    ]


def difference_columns(task):
    """Columns of the differences' table: a list of `Column`s.

    Args:
        task: the run's `Task`.
    """
    return [
        Column(
            metric.name,
            metric.difference_unit,
            lambda pair, metric=metric: metric.difference_text(pair[metric.key]),
        )
        for metric in task.compared
    ]


def model_names(task):
    """Names of the rows by their keys in metrics.json: a dict, in the order of the rows.

    Args:
        task: the run's `Task`.
    """
    return {task.floor_key: task.words.floor_column, **MODEL_NAMES}


BASELINES = "baseline", "no_teacher"  # how keys of models without a teacher begin

FILE_COLUMNS = (
    Column("size", "MB", lambda file: f"{file['bytes'] / 1e6:.1f}"),
    Column("latency", "ms", lambda file: f"{file['latency_ms']:.2f}"),
)

PARAMETERS_NOTE = "no embed.: parameters without the word, position and token-type tables."
DIFFERENCES_NOTE = (
    "differences: the first model minus the second. ±: standard error; for a difference it is "
    f"paired, by bootstrap over the rows of the split ({RESAMPLES:,} resamples, fixed seed)."
)
FILES_NOTE = (
    "files: TFLite, 1 MB = 1,000,000 bytes; latency: median of {input}, LiteRT on this machine, 1 "
    "thread."
)
TEACHERS_NOTE = (
    "teacher: the first of several teachers; the student starts from it. all teachers: the mean of "
    "their predictions, from which the student learns. agree and the verdict compare with the "
    "first teacher."
)
BASELINE_NOTE = (
    "baseline: the student's shape, batches and steps without a teacher. Its weights start like "
    "the student's ('same start'), from the text like a teacher's ('text start'), or at random."
)


def model_rows(metrics):
    """The cells of the table.

    Args:
        metrics: dict, the content of a run's metrics.json.

    Returns:
        list of (model's key, its name, list of cells in the order of `columns`).
    """
    task = task_of(metrics)
    return [
        (key, name, [cell(column, metrics["models"][key]) for column in columns(task)])
        for key, name in model_names(task).items()
        if key in metrics["models"]
    ]


def cell(column, row):
    """Writes a cell: a str, `ABSENT` where the row lacks what the column shows.

    Args:
        column: a `Column`.
        row: dict.
    """
    try:
        return column.write(row)
    except KeyError:
        return ABSENT


def difference_rows(metrics):
    """The measured differences by name: "student − baseline, same start" to their dicts.

    Args:
        metrics: as for `model_rows`.

    Returns:
        dict of names to dicts of metrics to `value` and `standard_error`.
    """
    found, names = {}, model_names(task_of(metrics))
    for pair, difference in metrics.get("differences", {}).items():
        one, two = pair.split("-")
        found[f"{one} {MINUS} {names.get(two, two)}"] = difference
    return found


def file_rows(metrics):
    """The measured TFLite files by name: dict of "teacher, float32" and so on to their facts."""
    models = metrics["models"]
    return {
        f"{key}, {kind}": facts
        for key in ("teacher", "student")
        for kind, facts in models.get(key, {}).get("files", {}).items()
    }


def notes(metrics):
    """Sentences about held-out data that are also training data, and that explain the columns.

    Args:
        metrics: as for `model_rows`.

    Returns:
        list of str.
    """
    models, words = metrics["models"], task_of(metrics).words
    chosen = (
        (DIFFERENCES_NOTE, metrics.get("differences")),
        (FILES_NOTE.format(input=words.one_input), file_rows(metrics)),
        (TEACHERS_NOTE, "teachers" in models),
        (BASELINE_NOTE, any(key.startswith(BASELINES) for key in models)),
    )
    explained = [words.metrics, PARAMETERS_NOTE, *(note for note, there in chosen if there)]
    return [*overlap_notes(metrics), *explained]


def format_criterion(name, criterion):
    """One criterion of the verdict in words.

    Args:
        name: "quality", "speed" or "size".
        criterion: dict with value, threshold and definition, and perhaps beside.

    Returns:
        (value, threshold, explanation), such as ("93.1 %", "at least 90.0 %", "share of …").
    """
    write = "{:.2f} ×".format if name == "speed" else lambda share: f"{100 * share:.1f} %"
    bound = "at most" if name == "size" else "at least"
    value = ABSENT if criterion["value"] is None else write(criterion["value"])
    beside = [f"{what}: {write(ratio)}" for what, ratio in criterion.get("beside", {}).items()]
    explanation = "; ".join([criterion["definition"], *beside])
    return value, f"{bound} {write(criterion['threshold'])}", explanation


def state_of(criterion):
    """The state of a criterion: "passed", "failed" or "not shown".

    Args:
        criterion: as for `format_criterion`.
    """
    return criterion["state"]


def format_models(models, columns):
    """Writes models and their metrics as aligned lines.

    Args:
        models: dict of names to dicts of metrics.
        columns: the `Column`s to show.

    Returns:
        list of str.
    """
    head = [["", *(column.name for column in columns)], ["", *(column.unit for column in columns)]]
    body = [[name, *(cell(column, model) for column in columns)] for name, model in models.items()]
    widths = [max(map(len, column)) for column in zip(*head, *body, strict=True)]
    lines = []
    for row in head + body:
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *cells]).rstrip())
    return lines


def format_table(metrics):
    """Writes the table, the verdict and the notes for a terminal.

    Args:
        metrics: dict, the content of a run's metrics.json.

    Returns:
        Lines of at most 100 columns, as one str.
    """
    title = f"{metrics['corpus']}, {metrics['split']} split"
    models, task = metrics["models"], task_of(metrics)
    named = {name: models[key] for key, name in model_names(task).items() if key in models}
    lines = [textwrap.shorten(title, WIDTH), "", *format_models(named, columns(task))]
    for rows, of_rows in (
        (difference_rows(metrics), difference_columns(task)),
        (file_rows(metrics), FILE_COLUMNS),
    ):
        if rows:
            lines += ["", *format_models(rows, of_rows)]
    lines.append("")
    for name, criterion in metrics.get("verdict", {}).items():
        value, threshold, explanation = format_criterion(name, criterion)
        state = state_of(criterion)
        word = state if state == "passed" else state.upper()
        lines += _wrap(f"{name} {word}: {value} ({threshold}); {explanation}", indent="  ")
    for heading in ("conclusion", "teacher_answers"):
        if metrics.get(heading):
            lines += _wrap(f"{HEADINGS[heading]}: {metrics[heading]['text']}", indent="  ")
    lines.append("")
    for note in notes(metrics):
        lines += _wrap(note, indent="  ")
    return "\n".join(lines)


def format_statistics(statistics):
    """Writes the sizes of a prepared corpus.

    Args:
        statistics: dict of splits to `documents`, `tokens`, `bytes` and `unk_share`.

    Returns:
        Lines, as one str.
    """
    lines = [f"{'split':<12}{'documents':>12}{'tokens':>16}{'bytes':>16}{'[UNK]':>10}"]
    for split, facts in statistics.items():
        lines.append(
            f"{split:<12}{facts['documents']:>12,}{facts['tokens']:>16,}{facts['bytes']:>16,}"
            f"{facts['unk_share']:>10.2%}"
        )
    return "\n".join(lines)


def _wrap(text, indent):
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent)
