"""report.html: one page, complete in itself, that tells a stranger what a run did and found."""

from html import escape

from tfdistill.files import write_atomically
from tfdistill.reports import plots
from tfdistill.reports.page import figure, note, page, section, table
from tfdistill.reports.table import (
    COLUMNS,
    MODEL_NAMES,
    format_criterion,
    model_rows,
    notes,
)

TERMS = {
    "ce": "KL divergence from the teacher's softened predictions, times T²",
    "soft_ce": "cross-entropy with the teacher's softened predictions",
    "mse": "squared distance of the logits",
    "cos": "1 − cosine of the last hidden states",
    "embedding": "squared distance of the embeddings",
    "hidden": "squared distance of hidden states, summed over layers",
    "feature_map": "squared distance of normalised hidden states, mean over layers",
    "feature_mean": "squared distance of hidden states' means, mean over layers",
    "feature_variance": "distance of hidden states' variances, mean over layers",
    "attention_scores": "squared distance of attention scores, summed over layers",
    "attention_maps": "KL divergence from the teacher's attention",
    "patient": "squared distance of normalised [CLS] states",
    "relations": "KL divergence from the teacher's relations between tokens",
}


def write_report(path, metrics, curves, examples):
    """Writes the page.

    Args:
        path: the file to write.
        metrics: dict, the content of a run's metrics.json.
        curves: dict of stage names ("teacher", "student", "baseline", "baseline_start", or a
            name and a phase: "student-distil") to lists of rows: dicts with `step`, `loss` and
            where measured `loss_<term>` and `validation_loss`. May be empty.
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
            section("The run", _facts(metrics)),
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
        f"{student['top1']:.1%} of the hidden words"
    )
    if "top1" in models.get("teacher", {}):
        sentences[-1] += f", the teacher's for {models['teacher']['top1']:.1%}"
    if "unigram" in models:
        share = models["unigram"]["top1"]
        sentences[-1] += f"; always guessing the commonest word is right for {share:.1%}"
    sentences[-1] += "."
    if "bytes" in student:
        sentences.append(f"The file that ships has {student['bytes'] / 1e6:.1f} MB.")
    verdict = metrics.get("verdict", {})
    if verdict:
        passed = sum(criterion["passed"] for criterion in verdict.values())
        sentences.append(f"{passed} of {len(verdict)} criteria are met.")
    return (
        f'<header><p class="kicker">tfdistill</p><h1>Distillation report</h1>\n'
        f'<p class="lead">{escape(" ".join(sentences))}</p></header>'
    )


def _parameters(model):
    return f"{model['parameters'] / 1e6:.1f} million parameters"


def _verdict(metrics):
    cards = []
    for name, criterion in metrics.get("verdict", {}).items():
        value, threshold = format_criterion(name, criterion)
        passed = criterion["passed"]
        cards.append(
            f'<div class="criterion{" passed" if passed else ""}"><h3>{escape(name.capitalize())}'
            f'<span class="mark">{"✓ passed" if passed else "✗ failed"}</span></h3>\n'
            f'<div class="value">{escape(value)} <small>{escape(threshold)}</small></div>\n'
            f"{note(criterion['definition'])}</div>"
        )
    return f'<div class="criteria">{"".join(cards)}</div>' if cards else ""


def _results(metrics):
    rows = model_rows(metrics)
    head = [("model", ""), *((column.name, column.unit) for column in COLUMNS)]
    cells = [[name, *cells] for _, name, cells in rows]
    told = [*notes(metrics), *_start(metrics.get("start", {}))]
    return table(head, cells, [key for key, _, _ in rows]) + "".join(map(note, told))


def _start(start):
    """What the student's start was worth on the validation split."""
    if "random_validation_loss" not in start:
        return []
    return [
        f"Before its training the student's validation loss was {start['validation_loss']:.3f} "
        f"nats; that of the same shape with random weights {start['random_validation_loss']:.3f}."
    ]


def _bars(metrics):
    models, export = metrics["models"], metrics.get("export", {})
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
        files = [("teacher", models.get("teacher", {}), "teacher")]
        files += [(_file_label(name), facts, "student") for name, facts in export.items()]
        values = [(name, facts[key] * scale, of) for name, facts, of in files if key in facts]
        panels.append((title, values, number))
    return figure(
        plots.bars(panels),
        "Top-1: share of hidden words whose true word is the first guess. File and latency: TFLite "
        "files in LiteRT, one text with one hidden word, 1 thread, median; the teacher's is "
        "float32.",
    )


def _file_label(name):
    return "student, int8" if "int8" in name else "student, float32"


def _curves(curves):
    labels = {name: MODEL_NAMES[name] for name in ("baseline", "baseline_start")}
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
    known = [f"{term}: {text}." for term, text in TERMS.items() if f"loss_{term}" in keys]
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


def _facts(metrics):
    seconds = metrics.get("seconds", {})
    groups = []
    if seconds:
        rows = [[stage, _duration(spent)] for stage, spent in seconds.items()]
        rows.append(["all", _duration(sum(seconds.values()))])
        groups.append(("Time", rows))
    machine = []
    if metrics.get("peak_memory_bytes"):
        machine.append(["peak memory", f"{metrics['peak_memory_bytes'] / 1e9:.2f} GB"])
    machine += [[name, str(version)] for name, version in metrics.get("versions", {}).items()]
    if machine:
        groups.append(("Machine and software", machine))
    return "".join(
        f"<div><h3>{escape(heading)}</h3>{table([], rows)}</div>" for heading, rows in groups
    ).join(('<div class="facts">', "</div>") if groups else ("", ""))


def _duration(seconds):
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.1f} min"
