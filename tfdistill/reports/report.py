"""report.html: one self-contained page that explains a run and its results."""

from html import escape

from tfdistill.deployment.kept_quality import ALLOWED
from tfdistill.distillation.losses import LOSSES
from tfdistill.reports import plots
from tfdistill.reports.labelled_section import labelled_sections
from tfdistill.reports.page import figure, note, page, section, table
from tfdistill.reports.parts import NOTE as PARTS_NOTE
from tfdistill.reports.parts import files_line, part_rows
from tfdistill.reports.run_section import run_section
from tfdistill.reports.table import (
    ABSENT,
    BASELINES,
    FILE_COLUMNS,
    HEADINGS,
    MODEL_NAMES,
    columns,
    difference_columns,
    difference_rows,
    file_rows,
    format_criterion,
    model_names,
    model_rows,
    notes,
    state_of,
)
from tfdistill.system.files import write_atomically
from tfdistill.tasks import task_of

MARKS = {"passed": "✓", "failed": "✗", "not shown": "?"}


def write_report(path, metrics, curves, examples):
    """Writes the page.

    Args:
        path: the file to write.
        metrics: dict, the content of a run's metrics.json.
        curves: dict of names of training stages ("teacher", "student", keys of baselines, or a name
            and a phase: "student-distil") to lists of rows: dicts with `step`, `loss` and where
            measured `loss_<term>` and `validation_loss`. May be empty.
        examples: list of dicts with `text`, `student` and, where there is one, `teacher`: lists of
            (label, probability); and perhaps `truth`, the right answer. May be empty.

    Raises:
        OSError: the write failed.
    """
    title = f"Distillation report: {metrics['corpus']}"
    task = task_of(metrics)
    body = "\n".join(
        part
        for part in (
            _header(metrics, curves),
            section("Verdict", _verdict(metrics)),
            section(f"Results on the {metrics['split']} split", _results(metrics)),
            section("Quality, size and latency", _bars(metrics)),
            section("Parts of the student", _parts(metrics)),
            *labelled_sections(metrics),
            section("Training", *_curves(task, curves)),
            section(task.words.examples, _examples(task.words, examples)),
            section("Exported files", _exports(task, metrics.get("export", {}))),
            section("What was run", run_section(metrics)),
        )
        if part
    )
    write_atomically(path, page(title, body))


def _header(metrics, curves):
    sentences = [_what_was_trained(metrics, curves), _how_good(metrics)]
    student = metrics["models"]["student"]
    if "bytes" in student:
        name = f", {student['file']}," if "file" in student else ""
        sentences.append(f"The file that ships{name} has {student['bytes'] / 1e6:.1f} MB.")
    if metrics.get("conclusion"):
        sentences.append(f"Verdict: {metrics['conclusion']['state']}.")
    return (
        f'<header><p class="kicker">tfdistill</p><h1>Distillation report</h1>\n'
        f'<p class="lead">{escape(" ".join(sentences))}</p></header>'
    )


def _what_was_trained(metrics, curves):
    models, goal = metrics["models"], task_of(metrics).words.goal
    data = "data" if task_of(metrics).kind else "corpus"
    student, corpus = _parameters(models["student"]), f"on the {data} {metrics['corpus']!r}"
    if "teacher" not in models:
        return f"A student of {student} learned {goal}, without a teacher, {corpus}."
    made_from = metrics.get("made_from", {})
    made = "was trained here"
    if made_from.get("teacher"):
        made = "was loaded" + " and trained further" * bool(curves.get("teacher"))
    learned = "learned from it" + " and from others" * ("teachers" in models)
    if not made_from.get("reads_teacher", True):
        learned = "that was cut from it learned on its own"
    teacher = _parameters(models["teacher"])
    return f"A teacher of {teacher} {made}, and a student of {student} {learned} {goal}, {corpus}."


def _how_good(metrics):
    models, task = metrics["models"], task_of(metrics)
    score = task.words.score.format(_primary(task, models["student"]))
    sentence = f"On held-out text (the {metrics['split']} split) {score}"
    if task.primary.key in models.get("teacher", {}):
        sentence += f", against the teacher's {_primary(task, models['teacher'])}"
    if task.floor_key in models:
        floor = _primary(task, models[task.floor_key], error=False)
        sentence += f"; {task.words.floor_score.format(floor)}"
    return sentence + "."


def _primary(task, model, error=True):
    """The primary metric with its unit, and in brackets its standard error if it was measured."""
    metric, unit = task.primary, task.primary.unit
    found = model.get("standard_errors", {}).get(metric.key) if error else None
    spread = "" if found is None else f" (± {metric.scale * found:.{metric.digits}f}{unit})"
    return f"{metric.text(model)}{unit}{spread}"


def _parameters(model):
    return f"{model['parameters'] / 1e6:.1f} million parameters"


def _verdict(metrics):
    cards = []
    for name, criterion in metrics.get("verdict", {}).items():
        value, threshold, explanation = format_criterion(name, criterion)
        state = state_of(criterion)
        cards.append(
            f'<div class="criterion {state.replace(" ", "-")}"><h3>{escape(name.capitalize())}'
            f'<span class="mark">{MARKS[state]} {state}</span></h3>\n'
            f'<div class="value">{escape(value)} <small>{escape(threshold)}</small></div>\n'
            f"{note(explanation)}</div>"
        )
    lines = [
        f'<p class="line"><b>{heading.capitalize()}:</b> {escape(metrics[key]["text"])}.</p>'
        for key, heading in HEADINGS.items()
        if metrics.get(key)
    ]
    cards = f'<div class="criteria">{"".join(cards)}</div>' if cards else ""
    return cards + "".join(lines)


def _results(metrics):
    rows, task = model_rows(metrics), task_of(metrics)
    head = [("model", ""), *((column.name, column.unit) for column in columns(task))]
    cells = [[name, *cells] for _, name, cells in rows]
    lines = [*notes(metrics), *_start(metrics.get("start", {}))]
    beside = "".join(
        _small_table(heading, found, of_rows)
        for heading, found, of_rows in (
            ("Differences", difference_rows(metrics), difference_columns(task)),
            ("Files", file_rows(metrics), FILE_COLUMNS),
        )
        if found
    )
    parts = [table(head, cells, [key for key, _, _ in rows])]
    if beside:
        parts.append(f'<div class="beside">{beside}</div>')
    return "".join([*parts, *map(note, lines)])


def _parts(metrics):
    found, rows = part_rows(metrics)
    if not rows:
        return ""
    head = [("part", ""), *((column.name, column.unit) for column in found)]
    cells = [[name, *own] for name, own in rows.items()]
    return "".join([table(head, cells), note(PARTS_NOTE), note(files_line(metrics))])


def _small_table(heading, rows, of_rows):
    head = [("", ""), *((column.name, column.unit) for column in of_rows)]
    cells = [[name, *(column.write(row) for column in of_rows)] for name, row in rows.items()]
    return f"<div><h3>{heading}</h3>{table(head, cells)}</div>"


def _start(start):
    """The loss of the student's start on the validation split."""
    if "random_validation_loss" not in start:
        return []
    return [
        f"Before its training the student's validation loss was {start['validation_loss']:.3f} "
        f"nats; that of the same shape with random weights {start['random_validation_loss']:.3f}."
    ]


def _bars(metrics):
    models, task = metrics["models"], task_of(metrics)
    metric, words = task.primary, task.words
    primary = [
        (name, metric.scale * models[key][metric.key], key)
        for key, name in model_names(task).items()
        if metric.key in models.get(key, {})
    ]
    panels = [(words.chart, primary, f"{{:.{metric.digits}f}}")]
    for key, title, scale, number in (
        ("bytes", "File (MB)", 1e-6, "{:.1f}"),
        ("latency_ms", "Latency (ms)", 1, "{:.2f}"),
    ):
        values = [
            (name, facts[key] * scale, name.partition(",")[0])
            for name, facts in file_rows(metrics).items()
        ]
        panels.append((title, values, number))
    return figure(
        plots.bars(panels),
        f"{words.chart_note} File and latency: TFLite files in LiteRT, {words.one_input}, 1 "
        "thread, median.",
    )


def _curves(task, curves):
    labels = {name: MODEL_NAMES[name] for name in curves if name.startswith(BASELINES)}
    best = f"The saved model is that of the best {task.primary.name}."
    shares = [metric for metric in task.curve_metrics if metric.in_summaries]
    return (
        figure(plots.metric_curves(curves, labels, task.primary), best),
        *(figure(plots.metric_curves(curves, labels, each), "") for each in shares),
        figure(
            plots.loss_curves(curves, labels, task),
            task.words.loss_note,
        ),
        figure(plots.term_curves(curves, task), _explain_terms(task, curves)),
    )


def _explain_terms(task, curves):
    keys = {key for rows in curves.values() for row in rows for key in row}
    known = [
        f"{loss.name}: {loss.description}."
        for loss in LOSSES.values()
        if loss.name != task.hard_loss and f"loss_{loss.name}" in keys
    ]
    first = f"What the student learns beside the {task.words.loss_name}."
    last = "Each before its weight."
    return " ".join([first, *known, last])


def _examples(words, examples):
    if not examples:
        return ""
    return note(words.examples_note) + "\n".join(
        f'<div class="example"><p>{_with_mark(words, example["text"])}{_truth(words, example)}</p>'
        + '<div class="guesses">'
        + "".join(_guesses(of, example[of]) for of in ("teacher", "student") if of in example)
        + "</div></div>"
        for example in examples
    )


def _with_mark(words, text):
    mark = escape(words.mark)
    return escape(text).replace(mark, f"<mark>{mark}</mark>") if mark else escape(text)


def _truth(words, example):
    if "truth" not in example:
        return ""
    return f" <small>{words.truth}: {escape(example['truth'])}</small>"


def _guesses(of, guesses):
    lines = "".join(
        f'<div class="guess"><span>{escape(token)}</span><div class="bar {of}">'
        f'<i style="width:{100 * probability:.1f}%"></i></div><b>{probability:.1%}</b></div>\n'
        for token, probability in guesses
    )
    return f"<div><h3>{of}</h3>\n{lines}</div>"


def _exports(task, export):
    if not export:
        return ""
    words, metric = task.words, task.primary

    def of_primary(facts, of):
        return metric.text({metric.key: facts[f"{metric.key}_{of}"]})

    of_files = (
        ("file", "", lambda name, facts: name),
        ("size", "MB", lambda name, facts: f"{facts['bytes'] / 1e6:.2f}"),
        ("latency", "ms", lambda name, facts: f"{facts['latency_ms']:.2f}"),
        (
            words.agreement,
            f"% of {words.predictions}",
            lambda name, facts: f"{100 * facts['agreement']:.1f}",
        ),
        ("loss, Keras", task.loss_unit, lambda name, facts: f"{facts['loss_keras']:.4f}"),
        ("loss, file", task.loss_unit, lambda name, facts: f"{facts['loss_lite']:.4f}"),
        (f"{metric.name}, Keras", metric.unit, lambda name, facts: of_primary(facts, "keras")),
        (f"{metric.name}, file", metric.unit, lambda name, facts: of_primary(facts, "lite")),
        (
            "largest difference",
            "of largest logit",
            lambda name, facts: f"{facts['max_abs_difference'] / facts['largest_logit']:.1e}",
        ),
        ("compared", words.predictions, lambda name, facts: f"{facts['positions']:,}"),
    )
    rows = [
        [_write_or_absent(write, name, facts) for _, _, write in of_files]
        for name, facts in export.items()
    ]
    return table([(name, unit) for name, unit, _ in of_files], rows) + note(
        "Each TFLite file was run in LiteRT against the Keras model on held-out text, every text "
        "in the shortest row that holds it. Allowed: float32 may differ by 1e-4 of the largest "
        f"logit, and the {task.file_metric.name} of a file may be {100 * ALLOWED:g} % worse than "
        "the model's, or more if the 95 % interval of the difference includes 0."
        + "".join(f" {name}: {facts['lost']}." for name, facts in export.items() if "lost" in facts)
    )


def _write_or_absent(write, name, facts):
    try:
        return write(name, facts)
    except KeyError:
        return ABSENT
