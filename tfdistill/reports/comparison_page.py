"""A comparison of runs, written for the terminal, for a program, and as a page for a browser."""

import textwrap
from html import escape

from tfdistill.reports.clear_differences import CLEAR_NOTE, clear_differences
from tfdistill.reports.comparison import mean_and_deviation
from tfdistill.reports.curve_parts import curve_parts
from tfdistill.reports.group_plots import overlaid_curves
from tfdistill.reports.measures import file_measures, measures, progress_measures
from tfdistill.reports.overlap import overlap_notes_of_runs
from tfdistill.reports.page import figure, note, page, section, table
from tfdistill.reports.table import (
    ABSENT,
    WIDTH,
    Column,
    difference_columns,
    format_models,
)
from tfdistill.system.errors import write_settings
from tfdistill.tasks.metrics import MINUS
from tfdistill.training.paired_bootstrap import RESAMPLES

TITLE = "Comparison of runs"
TARGET_OF = "the last validation loss of the run of the same values and seed with "
NOTES = (
    "n: number of models in the row; for several, the numbers are mean ± standard deviation "
    "(sample, n-1). 2 of 3: only two of three models have the number.",
    "On the {split} split: {metrics}",
    "training: time of the model's own training, on the machine of its run; a teacher's comes on "
    "top of its student's. memory: the run's peak until its student was done.",
)
PROGRESS_NOTE = (
    "at start, after 10 %, at end: validation loss before the first step of training, at the first "
    "point of the validation curve after a tenth of the steps, and at its last point."
)
KEPT_NOTE = (
    "kept: on the validation split, at the step whose weights the model has: the number by which "
    "settings are chosen."
)
FILES_NOTE = (
    "int8 file, latency: of the TFLite file, one text on one thread; of a task with labels, at the "
    "length of each text (the shortest rows of the file that hold it)."
)
DIFFERENCES_NOTE = (
    "differences: the first minus the second, for several seeds their means; ±: paired standard "
    f"error, by bootstrap over the rows of the split ({RESAMPLES:,} resamples, fixed seed). It "
    "measures the influence of the text, not of the seeds."
)
GIVEN_TEACHER_NOTE = (
    "teacher: a run of its own trained it for several students; training, memory and validation "
    "losses are those of that run."
)
BESIDE_NOTE = (
    "no teacher: trained beside a student of the runs, in its shape and for its steps. A model "
    "that several runs made alike is counted once."
)


def _columns(shown):
    return [
        Column("n", "", lambda row: str(len(row.folders))),
        *(
            Column(measure.name, measure.unit, lambda row, measure=measure: _cell(row, measure))
            for measure in shown
        ),
    ]


def _tables(comparison):
    """Of the results, the training and the files: list of (rows, columns), without empty ones."""
    progress = progress_measures(comparison.task)
    trained = _with_one_of(comparison.rows, [each.key for each in progress])
    shipped = _with_one_of(comparison.rows, ["int8", "latency"])
    tables = [
        (comparison.rows, measures(comparison.task)),
        (trained, progress),
        (shipped, file_measures()),
    ]
    return [(rows, _columns(shown)) for rows, shown in tables if rows]


def _with_one_of(rows, keys):
    return [row for row in rows if any(v is not None for key in keys for v in row.values[key])]


def _cell(row, measure):
    values = row.values[measure.key]
    there = sum(value is not None for value in values)
    if there < len(values):
        return f"{there} of {len(values)}" if there else ABSENT
    mean, deviation = mean_and_deviation(values)
    spread = "" if deviation is None else f" ± {deviation:{measure.digits}}"
    return f"{mean:{measure.digits}}{spread}"


def _metrics(comparison):
    """The metrics of the first run; corpus and split are the same in all."""
    return comparison.groups[0].runs[0]["metrics"]


def _notes(comparison):
    words = dict(split=_metrics(comparison)["split"], metrics=comparison.task.words.metrics)
    beside = any(row.model.startswith("baseline") for row in comparison.rows)
    runs = [run for group in comparison.groups for run in group.runs]
    notes = [*overlap_notes_of_runs(runs), *(text.format(**words) for text in NOTES)]
    notes += [GIVEN_TEACHER_NOTE] * any("teacher_peak" in run for run in runs)
    notes += [BESIDE_NOTE] * beside
    notes += [DIFFERENCES_NOTE] * bool(comparison.differences)
    notes += [FILES_NOTE] * bool(_with_one_of(comparison.rows, ["int8", "latency"]))
    kept = [KEPT_NOTE] if comparison.task.kind else []
    return [*notes, *kept, PROGRESS_NOTE, target_note(comparison)]


def target_note(comparison):
    """Explains the column of steps: which loss is the target.

    Args:
        comparison: a `Comparison`.

    Returns:
        str.
    """
    if comparison.target is None:
        return "steps to target: none of the folders holds a validation curve."
    if comparison.target_name:
        return (
            f"steps to target: the first point of the validation curve at or below {TARGET_OF}"
            f"{comparison.target_name}."
        )
    chosen = (
        "the setting `target_loss`"
        if comparison.target_is_given
        else ("the highest that a student ends with; `target_loss` sets another")
    )
    return (
        f"steps to target: the first point of the validation curve at {comparison.target:.4f} nats "
        f"or less ({chosen}); points lie at most "
        "`validation_interval` steps apart."
    )


def format_comparison(comparison):
    """Writes groups, table and notes for a terminal.

    Args:
        comparison: a `Comparison`.

    Returns:
        str of several lines.
    """
    metrics = _metrics(comparison)
    lines = [textwrap.shorten(f"{metrics['corpus']}, {metrics['split']} split", WIDTH), ""]
    for group in comparison.groups:
        folders = ", ".join(run["folder"] for run in group.runs)
        seeds = ", ".join(run["flags"].get("seed", ABSENT) for run in group.runs)
        lines += _wrap(f"{group.name}: {folders} (seed {seeds})")
    lines.append("")
    for rows, columns in _tables(comparison):
        lines += [*_table_lines({row.name: row for row in rows}, columns), ""]
    if comparison.differences:
        of_pairs = difference_columns(comparison.task)
        lines += [*_table_lines(_named_differences(comparison), of_pairs), ""]
    if clear := clear_differences(comparison.rows, comparison.task.primary):
        lines += [line for text in [*clear, CLEAR_NOTE] for line in _wrap(text)] + [""]
    for text in _notes(comparison):
        lines += _wrap(text)
    return "\n".join(lines)


def _wrap(text):
    return textwrap.wrap(
        text, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def _table_lines(rows, columns):
    """The table; where its lines would be too long, the names are on lines of their own."""
    lines = format_models(rows, columns)
    if max(map(len, lines)) <= WIDTH:
        return lines
    width = max(map(len, rows))
    head, cells = lines[:2], lines[2:]
    folded = [line[width:] for line in head]
    for name, line in zip(rows, cells, strict=True):
        folded += [name, line[width:]]
    return folded


def _named_differences(comparison):
    return {f" {MINUS} ".join(pair): found for pair, found in comparison.differences.items()}


def comparison_json(comparison):
    """The comparison for programs.

    Args:
        comparison: a `Comparison`.

    Returns:
        dict of `corpus`, `split`, `target_loss`; `groups`: list of name, flags, runs and seeds;
        `rows`: list of name, model, runs and, for each measure, its mean, sd and values; and
        `differences`: list of name, less, and value and standard error of top1 and loss.
    """
    groups = [
        {
            "name": group.name,
            "flags": group.flags,
            "runs": [run["folder"] for run in group.runs],
            "seeds": [run["flags"].get("seed") for run in group.runs],
        }
        for group in comparison.groups
    ]
    rows = []
    for row in comparison.rows:
        measured = {}
        for key, values in row.values.items():
            mean, deviation = mean_and_deviation(values)
            measured[key] = {"mean": mean, "sd": deviation, "values": values}
        rows.append({"name": row.name, "model": row.model, "runs": row.folders, **measured})
    metrics = _metrics(comparison)
    found_in_all = {key: metrics[key] for key in ("corpus", "split")}
    differences = [
        {"name": name, "less": other, **found}
        for (name, other), found in comparison.differences.items()
    ]
    found = {"groups": groups, "rows": rows, "differences": differences}
    return found_in_all | {"target_loss": comparison.target, **found}


def comparison_page(comparison, first=""):
    """Writes the page.

    Args:
        comparison: a `Comparison`.
        first: HTML that comes before the results.

    Returns:
        A complete HTML document.
    """
    split = _metrics(comparison)["split"]
    body = "\n".join(
        part
        for part in (
            _header(comparison),
            first,
            section(f"Results on the {split} split", _results(comparison)),
            section("The students' training", _curves(comparison)),
            section("How the runs differ", _runs(comparison)),
        )
        if part
    )
    return page(TITLE, body)


def is_comparison_page(text):
    """Whether a file's text was written by `comparison_page`."""
    return f"<title>{TITLE}</title>" in text


def _header(comparison):
    runs = sum(len(group.runs) for group in comparison.groups)
    metrics = _metrics(comparison)
    lead = (
        f"{runs} {'run' if runs == 1 else 'runs'} in {len(comparison.groups)} "
        f"{'group' if len(comparison.groups) == 1 else 'groups'}, on the corpus "
        f"{metrics['corpus']!r}. Runs of one group differ in their seed, and in nothing else that "
        "changes the student."
    )
    return (
        f'<header><p class="kicker">tfdistill</p><h1>{TITLE}</h1>\n'
        f'<p class="lead">{escape(lead)}</p></header>'
    )


def _results(comparison):
    parts = []
    for rows, columns in _tables(comparison):
        head = [("model", ""), *((column.name, column.unit) for column in columns)]
        cells = [[row.name, *(column.write(row) for column in columns)] for row in rows]
        classes = ["" if row.model == "student" else "other" for row in rows]
        parts.append(f'<div class="named">{table(head, cells, classes)}</div>')
    clear = clear_differences(comparison.rows, comparison.task.primary)
    clear = [*clear, CLEAR_NOTE] if clear else []
    notes = "".join(note(write_settings(text)) for text in [*clear, *_notes(comparison)])
    return "".join(parts) + _differences(comparison) + notes


def _differences(comparison):
    if not comparison.differences:
        return ""
    of_pairs = difference_columns(comparison.task)
    head = [("difference", ""), *((column.name, column.unit) for column in of_pairs)]
    cells = [
        [name, *(column.write(found) for column in of_pairs)]
        for name, found in _named_differences(comparison).items()
    ]
    return f'<div class="named">{table(head, cells)}</div>'


def _curves(comparison):
    task, drawn = comparison.task, []
    for title, groups in curve_parts(comparison.groups):
        curves = [
            (group.name, [run["curves"].get("student", []) for run in group.runs])
            for group in groups
        ]
        drawn.append((title, overlaid_curves(curves, task, title)))
    text = (
        f"{task.words.loss_note} Lines: the mean of a group; bands: its standard deviation over "
        "the runs. The phases of a recipe follow each other, and the validation loss begins with "
        "the student before training; a curve that begins far above the others leaves the plot. A "
        f"phase without the {task.words.loss_name} has no training curve."
    )
    if len(drawn) == 1:
        return figure(drawn[0][1], text)
    figures = "".join(figure(svg, title) for title, svg in drawn)
    return figures + note(text) if figures else ""


def _runs(comparison):
    students = [row for row in comparison.rows if row.model == "student"]
    primary = comparison.task.primary.key
    shown = [*measures(comparison.task), *progress_measures(comparison.task)]
    shown = [measure for measure in shown if measure.key in ("loss", primary, "kept", "steps")]
    flags = list(dict.fromkeys(name for group in comparison.groups for name in group.flags))
    head = [(name, "") for name in ["run", *flags, "seed"]]
    head += [(measure.name, measure.unit) for measure in shown]
    rows = []
    for group, row in zip(comparison.groups, students, strict=True):
        for number, run in enumerate(group.runs):
            numbers = [(row.values[measure.key][number], measure.digits) for measure in shown]
            cells = [ABSENT if value is None else f"{value:{digits}}" for value, digits in numbers]
            values = [group.flags.get(name) or ABSENT for name in flags]
            rows.append([run["folder"], *values, run["flags"].get("seed", ABSENT), *cells])
    return f'<div class="named">{table(head, rows)}</div>' + note(
        "Flags with the same value in all runs are not shown; the flags.txt of a run has them."
    )
