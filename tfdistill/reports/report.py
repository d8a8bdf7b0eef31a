"""report.html: one page, complete in itself, that tells a stranger what a run did and found."""

from html import escape

from tfdistill.distillation.losses import LOSSES
from tfdistill.reports import plots
from tfdistill.reports.page import figure, note, page, section, table
from tfdistill.reports.run_section import run_section
from tfdistill.reports.table import (
    COLUMNS,
    DIFFERENCE_COLUMNS,
    FILE_COLUMNS,
    HEADINGS,
    MODEL_NAMES,
    difference_rows,
    file_rows,
    format_criterion,
    model_rows,
    notes,
    state_of,
)
from tfdistill.system.files import write_atomically

MARKS = {"passed": "✓", "failed": "✗", "not shown": "?"}


def write_report(path, metrics, curves, examples):
    """Writes the page.

    Args:
        path: the file to write.
        metrics: dict, the content of a run's metrics.json.
        curves: dict of stage names ("teacher", "student", keys of baselines, or a name and a
            phase: "student-distil") to lists of rows: dicts with `step`, `loss` and where
            measured `loss_<term>` and `validation_loss`. May be empty.
        examples: list of dicts with `text` (str with one [MASK]), `student` and, where there is
            one, `teacher`: lists of (token, probability); and perhaps `truth`, the hidden word.
            May be empty.

    Raises:
        OSError: the write failed.
    """
    title = f"Distillation report: {metrics['corpus']}"
    body = "\n".join(
        part
        for part in (
            _header(metrics, curves),
            section("Verdict", _verdict(metrics)),
            section(f"Results on the {metrics['split']} split", _results(metrics)),
            section("Quality, size and latency", _bars(metrics)),
            section("Training", *_curves(curves)),
            section("Hidden words", _examples(examples)),
            section("Exported files", _exports(metrics.get("export", {}))),
            section("What was run", run_section(metrics)),
        )
        if part
    )
    write_atomically(path, page(title, body))


def _header(metrics, curves):
    models = metrics["models"]
    student = models["student"]
    sentences = []
    made_from = metrics.get("made_from", {})
    if "teacher" in models:
        made = "was trained here"
        if made_from.get("teacher"):
            made = "was loaded" + " and trained on" * bool(curves.get("teacher"))
        learned = "learned from it" + " and from others" * ("teachers" in models)
        if made_from.get("recipe") == "mlm":
            learned = "that was cut from it learned on its own"
        sentences.append(
            f"A teacher of {_parameters(models['teacher'])} {made}, and a student of "
            f"{_parameters(student)} {learned} to guess hidden words in text, on the corpus "
            f"{metrics['corpus']!r}."
        )
    else:
        sentences.append(
            f"A student of {_parameters(student)} learned to guess hidden words in text, without a "
            f"teacher, on the corpus {metrics['corpus']!r}."
        )
    sentences.append(
        f"On held-out text (the {metrics['split']} split) the student's first guess is right for "
        f"{_share(student)} of the hidden words"
    )
    if "top1" in models.get("teacher", {}):
        sentences[-1] += f", the teacher's for {_share(models['teacher'])}"
    if "unigram" in models:
        share = models["unigram"]["top1"]
        sentences[-1] += f"; always guessing the commonest word is right for {share:.1%}"
    sentences[-1] += "."
    if "bytes" in student:
        name = f", {student['file']}," if "file" in student else ""
        sentences.append(f"The file that ships{name} has {student['bytes'] / 1e6:.1f} MB.")
    if metrics.get("conclusion"):
        sentences.append(f"Verdict: {metrics['conclusion']['state']}.")
    return (
        f'<header><p class="kicker">tfdistill</p><h1>Distillation report</h1>\n'
        f'<p class="lead">{escape(" ".join(sentences))}</p></header>'
    )


def _share(model):
    """Top-1, with its standard error where that was measured."""
    error = model.get("standard_errors", {}).get("top1")
    return f"{model['top1']:.1%}" + ("" if error is None else f" (± {error:.1%})")


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
    rows = model_rows(metrics)
    head = [("model", ""), *((column.name, column.unit) for column in COLUMNS)]
    cells = [[name, *cells] for _, name, cells in rows]
    lines = [*notes(metrics), *_start(metrics.get("start", {}))]
    beside = "".join(
        _small_table(heading, found, columns)
        for heading, found, columns in (
            ("Differences", difference_rows(metrics), DIFFERENCE_COLUMNS),
            ("Files", file_rows(metrics), FILE_COLUMNS),
        )
        if found
    )
    parts = [table(head, cells, [key for key, _, _ in rows])]
    if beside:
        parts.append(f'<div class="beside">{beside}</div>')
    return "".join([*parts, *map(note, lines)])


def _small_table(heading, rows, columns):
    head = [("", ""), *((column.name, column.unit) for column in columns)]
    cells = [[name, *(column.write(row) for column in columns)] for name, row in rows.items()]
    return f"<div><h3>{heading}</h3>{table(head, cells)}</div>"


def _start(start):
    """What the student's start was worth on the validation split."""
    if "random_validation_loss" not in start:
        return []
    return [
        f"Before its training the student's validation loss was {start['validation_loss']:.3f} "
        f"nats; that of the same shape with random weights {start['random_validation_loss']:.3f}."
    ]


def _bars(metrics):
    models = metrics["models"]
    top1 = [
        (name, 100 * models[key]["top1"], key)
        for key, name in MODEL_NAMES.items()
        if "top1" in models.get(key, {})
    ]
    panels = [("Top-1 accuracy (%)", top1, "{:.1f}")]
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
        "Top-1: share of hidden words whose true word is the first guess. File and latency: TFLite "
        "files in LiteRT, one text with one hidden word, 1 thread, median.",
    )


def _curves(curves):
    labels = {name: MODEL_NAMES[name] for name in curves if name.startswith("baseline")}
    return (
        figure(
            plots.loss_curves(curves, labels),
            "Mean cross-entropy of the hidden words, in nats; less is better. In training, rare "
            "words may be hidden more often (--mlm_smoothing); the validation loss is measured "
            "alike for all models.",
        ),
        figure(plots.term_curves(curves), _explain_terms(curves)),
    )


def _explain_terms(curves):
    keys = {key for rows in curves.values() for row in rows for key in row}
    known = [
        f"{loss.name}: {loss.description}."
        for loss in LOSSES.values()
        if loss.needs_teacher and f"loss_{loss.name}" in keys
    ]
    first, last = "What the student learns beside the masked-LM loss.", "Each before its weight."
    return " ".join([first, *known, last])


def _examples(examples):
    if not examples:
        return ""
    explained = note("Probabilities over the whole vocabulary; ## continues a word.")
    return explained + "\n".join(
        f'<div class="example"><p>{_with_mark(example["text"])}{_truth(example)}</p>'
        + '<div class="guesses">'
        + "".join(_guesses(of, example[of]) for of in ("teacher", "student") if of in example)
        + "</div></div>"
        for example in examples
    )


def _with_mark(text):
    return escape(text).replace("[MASK]", "<mark>[MASK]</mark>")


def _truth(example):
    return f" <small>hidden: {escape(example['truth'])}</small>" if "truth" in example else ""


def _guesses(of, guesses):
    lines = "".join(
        f'<div class="guess"><span>{escape(token)}</span><div class="bar {of}">'
        f'<i style="width:{100 * probability:.1f}%"></i></div><b>{probability:.1%}</b></div>\n'
        for token, probability in guesses
    )
    return f"<div><h3>{of}</h3>\n{lines}</div>"


def _exports(export):
    if not export:
        return ""
    columns = (
        ("file", "", lambda name, facts: name),
        ("size", "MB", lambda name, facts: f"{facts['bytes'] / 1e6:.2f}"),
        ("latency", "ms", lambda name, facts: f"{facts['latency_ms']:.2f}"),
        ("same first guess", "% of words", lambda name, facts: f"{100 * facts['agreement']:.1f}"),
        ("loss, Keras", "nats", lambda name, facts: f"{facts['loss_keras']:.4f}"),
        ("loss, file", "nats", lambda name, facts: f"{facts['loss_lite']:.4f}"),
        (
            "largest difference",
            "of largest logit",
            lambda name, facts: f"{facts['max_abs_difference'] / facts['largest_logit']:.1e}",
        ),
        ("compared", "words", lambda name, facts: f"{facts['positions']:,}"),
    )
    rows = [
        [_write_or_absent(write, name, facts) for _, _, write in columns]
        for name, facts in export.items()
    ]
    return table([(name, unit) for name, unit, _ in columns], rows) + note(
        "Each TFLite file was run in LiteRT against the Keras model on held-out text. Allowed: "
        "float32 may differ by 1e-4 of the largest logit, int8 may raise the loss by 1 %."
    )


def _write_or_absent(write, name, facts):
    try:
        return write(name, facts)
    except KeyError:
        return "–"
