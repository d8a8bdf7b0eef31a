"""The table of a run, for the terminal; its cells serve the page as well."""

import dataclasses
import math
import textwrap
from collections.abc import Callable

from tfdistill.training.paired_bootstrap import RESAMPLES

WIDTH = 100
ABSENT, MINUS = "–", "−"

HEADINGS = {"conclusion": "verdict", "teacher_answers": "gain from the teacher's outputs"}
MODEL_NAMES = {
    "unigram": "unigram",
    "teacher": "teacher",
    "teachers": "all teachers",
    "student_start": "student before",
    "student": "student after",
    "baseline_start": "baseline, same start",
    "baseline_text": "baseline, text start",
    "baseline": "baseline, random start",
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


def top1_text(model):
    """Top-1 in percent, with its standard error where that was measured: "20.1 ± 0.5"."""
    error = model.get("standard_errors", {}).get("top1")
    spread = "" if error is None else f" ± {100 * error:.1f}"
    return f"{100 * model['top1']:.1f}{spread}"


def _with_error(difference, scale, digits):
    value, error = difference["value"], difference["standard_error"]
    spread = "" if error is None else f" ± {scale * error:.{digits}f}"
    return f"{scale * value:+.{digits}f}{spread}".replace("-", MINUS)


def _millions(key):
    return lambda model: f"{model[key] / 1e6:.2f}"


COLUMNS = (
    Column("loss", "nats", lambda model: f"{model['loss']:.3f}"),
    Column("pseudo-ppl", "", _perplexity),
    Column("top-1", "%", lambda model: top1_text(model)),
    Column("top-5", "%", _percent("top5")),
    Column("agree", "%", _percent("agreement")),
    Column("params", "million", _millions("parameters")),
    Column("no embed.", "million", _millions("parameters_without_embeddings")),
)
DIFFERENCE_COLUMNS = (
    Column("top-1", "points", lambda pair: _with_error(pair["top1"], 100, 1)),
    Column("loss", "nats", lambda pair: _with_error(pair["loss"], 1, 3)),
)
FILE_COLUMNS = (
    Column("size", "MB", lambda file: f"{file['bytes'] / 1e6:.1f}"),
    Column("latency", "ms", lambda file: f"{file['latency_ms']:.2f}"),
)

NOTES = (
    "loss: masked-LM cross-entropy per masked token; pseudo-ppl (pseudo-perplexity): exp(loss). "
    "top-1, top-5: share of masked tokens whose true word is the likeliest, among the five "
    "likeliest. agree: share with the same likeliest word as the teacher.",
    "no embed.: parameters without the word, position and token-type tables.",
)
DIFFERENCES_NOTE = (
    "differences: the first model less the second. ±: a standard error, of a difference paired, by "
    f"bootstrap over the rows of the split ({RESAMPLES:,} resamples, fixed seed)."
)
FILES_NOTE = (
    "files: TFLite, 1 MB = 1,000,000 bytes; latency: median of one text with one [MASK], LiteRT on "
    "this machine, 1 thread."
)
TEACHERS_NOTE = (
    "teacher: the first of several, from which the student starts; all teachers: the mean of "
    "their probabilities, which it learns. agree and the verdict look at the first."
)
BASELINE_NOTE = (
    "baseline: the student's shape, batches and steps without a teacher; its weights "
    "start where the student's did ('same start'), as those of a teacher made here do ('text "
    "start'), or at random."
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


def difference_rows(metrics):
    """The measured differences by name: "student − baseline, same start" to their dicts.

    Args:
        metrics: as for `model_rows`.

    Returns:
        dict of names to dicts of "top1" and "loss".
    """
    found = {}
    for pair, difference in metrics.get("differences", {}).items():
        one, two = pair.split("-")
        found[f"{one} {MINUS} {MODEL_NAMES.get(two, two)}"] = difference
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
    """Sentences that say what the columns are.

    Args:
        metrics: as for `model_rows`.

    Returns:
        list of str.
    """
    models = metrics["models"]
    chosen = (
        (DIFFERENCES_NOTE, metrics.get("differences")),
        (FILES_NOTE, file_rows(metrics)),
        (TEACHERS_NOTE, "teachers" in models),
        (BASELINE_NOTE, any(key.startswith("baseline") for key in models)),
    )
    return [*NOTES, *(note for note, there in chosen if there)]


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
    """ "passed", "failed" or "not shown"; of the verdict of an older run, too."""
    return criterion.get("state", "passed" if criterion["passed"] else "failed")


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
    for rows, columns in (
        (difference_rows(metrics), DIFFERENCE_COLUMNS),
        (file_rows(metrics), FILE_COLUMNS),
    ):
        if rows:
            lines += ["", *format_models(rows, columns)]
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
