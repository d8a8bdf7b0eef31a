"""The table of a run, for the terminal; its cells serve the page as well."""

import dataclasses
import math
import textwrap
from collections.abc import Callable

WIDTH = 100
ABSENT = "–"

MODEL_NAMES = {
    "unigram": "unigram",
    "teacher": "teacher",
    "teachers": "all teachers",
    "student_start": "student before",
    "student": "student after",
    "baseline": "baseline, random start",
    "baseline_start": "baseline, same start",
}


@dataclasses.dataclass(frozen=True)
class Column:
    """One measure.

    Args:
        name: its heading.
        unit: shown below the heading.
        write: from a model's dict of metrics to the cell; a missing key leaves the cell empty.
    """

    name: str
    unit: str
    write: Callable


def _perplexity(model):
    value = math.exp(min(model["loss"], 99.0))
    return f"{value:.1f}" if value < 1e6 else f"{value:.1e}"


def _percent(key):
    return lambda model: f"{100 * model[key]:.1f}"


def _millions(key):
    return lambda model: f"{model[key] / 1e6:.2f}"


COLUMNS = (
    Column("loss", "nats", lambda model: f"{model['loss']:.3f}"),
    Column("pseudo-ppl", "", _perplexity),
    Column("top-1", "%", _percent("top1")),
    Column("top-5", "%", _percent("top5")),
    Column("agree", "%", _percent("agreement")),
    Column("params", "million", _millions("parameters")),
    Column("no embed.", "million", _millions("parameters_without_embeddings")),
    Column("file", "MB", lambda model: f"{model['bytes'] / 1e6:.1f}"),
    Column("latency", "ms", lambda model: f"{model['latency_ms']:.2f}"),
)

NOTES = (
    "loss: masked-LM cross-entropy per masked token; pseudo-ppl (pseudo-perplexity): exp(loss). "
    "top-1, top-5: share of masked tokens whose true word is the likeliest, among the five "
    "likeliest. agree: share with the same likeliest word as the teacher.",
    "no embed.: parameters without the word, position and token-type tables.",
    "file: TFLite, 1 MB = 1,000,000 bytes; the teacher's holds float32 weights, the student's is "
    "the one that ships: int8, or float32 where int8 costs too much.",
    "latency: median of one text with one [MASK], float32 TFLite file, LiteRT on this machine, "
    "1 thread.",
)
TEACHERS_NOTE = (
    "teacher: the first of several, from which the student starts; all teachers: the mean of "
    "their probabilities, which it learns. agree and the verdict look at the first."
)
BASELINE_NOTE = (
    "baseline: the student's shape, batches and steps without a teacher; its weights "
    "start at random or, 'same start', where the student's did."
)


def model_rows(metrics):
    """The cells of the table.

    Args:
        metrics: dict, the content of a run's metrics.json.

    Returns:
        list of (model's key, its name, list of cells in the order of `COLUMNS`).
    """
    return [
        (key, name, [_cell(column, metrics["models"][key]) for column in COLUMNS])
        for key, name in MODEL_NAMES.items()
        if key in metrics["models"]
    ]


def _cell(column, model):
    try:
        return column.write(model)
    except KeyError:
        return ABSENT


def notes(metrics):
    """Sentences that say what the columns are.

    Args:
        metrics: as for `model_rows`.

    Returns:
        list of str.
    """
    baseline = any(key.startswith("baseline") for key in metrics["models"])
    several = "teachers" in metrics["models"]
    return [*NOTES, *[TEACHERS_NOTE] * several, *[BASELINE_NOTE] * baseline]


def format_criterion(name, criterion):
    """One criterion of the verdict in words.

    Args:
        name: "quality", "speed" or "size".
        criterion: dict with value, threshold, passed and definition.

    Returns:
        (value, threshold), such as ("93.1 %", "at least 90.0 %").
    """
    write = "{:.2f} ×".format if name == "speed" else lambda share: f"{100 * share:.1f} %"
    bound = "at most" if name == "size" else "at least"
    return write(criterion["value"]), f"{bound} {write(criterion['threshold'])}"


def format_models(models, columns=COLUMNS):
    """Writes models and their measures as aligned lines.

    Args:
        models: dict of names to dicts of metrics.
        columns: the `Column`s to show.

    Returns:
        list of str.
    """
    head = [["", *(column.name for column in columns)], ["", *(column.unit for column in columns)]]
    body = [[name, *(_cell(column, model) for column in columns)] for name, model in models.items()]
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
    models = metrics["models"]
    named = {name: models[key] for key, name in MODEL_NAMES.items() if key in models}
    lines = [textwrap.shorten(title, WIDTH), "", *format_models(named)]
    lines.append("")
    for name, criterion in metrics.get("verdict", {}).items():
        value, threshold = format_criterion(name, criterion)
        verdict = "passed" if criterion["passed"] else "FAILED"
        lines += _wrap(
            f"{name} {verdict}: {value} ({threshold}); {criterion['definition']}", indent="  "
        )
    lines.append("")
    for note in notes(metrics):
        lines += _wrap(note, indent="  ")
    return "\n".join(lines)


def format_statistics(statistics):
    """Writes what is in a prepared corpus.

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
