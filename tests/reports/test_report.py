"""The page is self-contained, holds the numbers, and escapes text from outside."""

import html
import re
from html.parser import HTMLParser

import pytest

from tfdistill.reports.report import write_report

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Page(HTMLParser):
    """Collects what a browser would show and fetch, and checks that tags close."""

    def __init__(self, text):
        super().__init__()
        self.open, self.text, self.fetched, self.tags = [], [], [], set()
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attributes:
            if name in ("src", "href", "xlink:href", "data", "srcset") and not value[0] == "#":
                self.fetched.append(value)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text.append(data)


def read(path):
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "report.html"


def test_the_page_fetches_nothing(path, metrics, curves, examples):
    write_report(path, metrics, curves, examples)
    page, source = read(path), path.read_text()
    assert page.fetched == []
    assert not page.tags & {"script", "link", "img", "iframe", "object"}
    assert "@import" not in source
    assert all(url.startswith("#") for url in re.findall(r"url\(([^)]*)\)", source))


def test_the_page_holds_the_numbers(path, metrics, curves, examples):
    write_report(path, metrics, curves, examples)
    shown = " ".join(" ".join(read(path).text).split())
    for number in (
        *("3.981", "4.188", "5.103", "5.234", "4.333", "6.712"),  # losses
        *("31.3", "29.5", "5.8", "50.1", "67.9"),  # shares in %
        *("53.6", "822.2"),  # pseudo-perplexity
        *("66.1", "16.6", "9.43", "6.50", "2.35", "16.51", "0.49"),  # MB, ms, parameters
        *("93.2 %", "94.5 %", "1.45 ×", "83.9 %", "25.2 %", "at most 60.0 %"),  # verdict
        *("31.3 ± 0.6", "+1.8 ± 0.4", "−0.146 ± 0.009", "31.3% (± 0.6%)"),  # sampling errors
        *("1.2e-06", "4.2011", "97.3", "512"),  # parity
        *("33.1%", "29.0%", "5.2 min", "2.35 GB", "2.21.0"),  # examples, run
    ):
        assert number in shown, number
    assert "hidden: rammed" in shown
    assert shown.count("✗ failed") == 2 and shown.count("✓ passed") == 1
    assert "Verdict: failed." in shown and "Verdict: passed: quality; failed: speed" in shown
    assert "Gain from the teacher's outputs: +1.8 ± 0.4" in shown
    assert "against the teacher's 31.3%" in shown
    for unit in ("nats", "million", "MB", "ms"):
        assert unit in shown


def test_the_page_says_what_was_run(path, metrics, curves, examples):
    write_report(path, metrics, curves, examples)
    shown = " ".join(" ".join(read(path).text).split())
    for fact in (
        "python -m tfdistill.train --corpus=wikitext-2 --baseline=both",
        *("recipe distilbert", "seed 7", "32 rows of 128 tokens"),
        *("900 at a peak learning rate of 0.0005", "vocabulary of 30,522 tokens", "whole run"),
        *("bert, 3 × 256, 4 heads", "2,428,601 tokens, 600 documents, 10.80 MB"),
        *("cpu, float32, compiled with XLA", "Some Processor 3000", "cores 2", "25.3 GB"),
        *("tensorflow 2.21.0", "2026-05-04 03:02:01 UTC"),
    ):
        assert fact in shown, fact


def test_a_small_split_is_counted_in_bytes(path, metrics, curves, examples):
    small = {"tokens": 1, "documents": 1, "bytes": 5, "unk_share": 0.0}
    metrics["run"]["corpus"]["splits"]["validation"] = small
    write_report(path, metrics, curves, examples)
    assert "1 token, 1 document, 5 bytes" in " ".join(" ".join(read(path).text).split())


def test_what_is_not_shown_is_marked(path, metrics, curves, examples):
    quality = metrics["verdict"]["quality"]
    quality |= {"value": None, "passed": False, "state": "not shown", "reason": "so"}
    write_report(path, metrics, curves, examples)
    assert "? not shown" in " ".join(read(path).text)


def test_plots_hold_the_curves(path, metrics, curves, examples):
    write_report(path, metrics, curves, examples)
    source = path.read_text()
    svgs = re.findall(r"<svg.*?</svg>", source, re.S)
    assert len(svgs) == 3
    bars, losses, terms = svgs
    assert "Training: masked-LM loss (nats)" in losses
    assert "Validation: masked-LM loss (nats)" in losses
    starts = ("random", "same", "text")
    for label in ("teacher", "student", *(f"baseline, {start} start" for start in starts)):
        assert label in losses
    assert "student: ce" in terms and "student: cos" in terms
    assert "File (MB)" in bars and "Latency (ms)" in bars and "66.1" in bars and "2.35" in bars


def test_what_others_wrote_is_escaped(path, metrics, curves, examples):
    attack = "<script>alert('x')</script>"
    metrics["corpus"] = metrics["versions"]["keras"] = attack
    metrics["verdict"]["size"]["definition"] = attack
    examples[0]["text"] = f"{attack} [MASK] & more"
    examples[0]["student"][0] = (attack, 0.5)
    write_report(path, metrics, curves, examples)
    page = read(path)
    assert "script" not in page.tags and "b" in page.tags
    assert path.read_text().count(html.escape(attack)) >= 4
    assert "<b>&" in page.text


@pytest.mark.parametrize(
    "missing",
    [
        "baselines",
        "teacher curve",
        "all curves",
        "export",
        "examples",
        "teacher",
        "teacher's head",
        "most",
    ],
)
def test_missing_parts(path, metrics, curves, examples, missing):
    models = metrics["models"]
    if missing in ("baselines", "most"):
        for name in ("baseline", "baseline_start", "baseline_text"):
            del models[name], curves[name]
    if missing == "teacher curve":
        del curves["teacher"]
    if missing in ("all curves", "most"):
        curves = {}
    if missing in ("export", "most"):
        del metrics["export"]
    if missing in ("examples", "most"):
        examples = []
    if missing in ("teacher", "most"):
        del models["teacher"], metrics["verdict"]
        for example in examples:
            del example["teacher"]
    if missing == "teacher's head":
        measures = ("loss", "top1", "top5", "standard_errors")
        for measure in (*measures, "bytes", "latency_ms", "file", "files"):
            del models["teacher"][measure]
        metrics["verdict"] = {}
    if missing == "most":
        del metrics["seconds"], metrics["peak_memory_bytes"], metrics["versions"], metrics["run"]
        del metrics["differences"], metrics["conclusion"], metrics["teacher_answers"]
        del models["unigram"]
        for measure in ("bytes", "latency_ms", "file", "files", "standard_errors"):
            del models["student"][measure]
    write_report(path, metrics, curves, examples)
    page = read(path)
    assert "29.5%" in " ".join(page.text)
    assert not any(word in " ".join(page.text) for word in ("None", "nan", "KeyError"))


def test_the_origin_of_the_teacher(path, metrics, curves, examples):
    write_report(path, metrics, curves, examples)
    assert "was trained here" in path.read_text()
    metrics["made_from"] = {"recipe": "distilbert", "teacher": "some/teacher"}
    write_report(path, metrics, curves, examples)
    assert "was loaded and trained further" in path.read_text()
    del curves["teacher"]
    write_report(path, metrics, curves, examples)
    assert "was loaded, and a student" in path.read_text()
    assert "learned from it" in path.read_text()
    metrics["made_from"]["reads_teacher"] = False
    write_report(path, metrics, curves, examples)
    assert "learned on its own" in path.read_text()


def test_the_same_run_gives_the_same_page(tmp_path, metrics, curves, examples):
    for name in ("one", "two"):
        write_report(tmp_path / name, metrics, curves, examples)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_write_that_fails_is_an_os_error(tmp_path, metrics, curves, examples):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        write_report(tmp_path / "file" / "report.html", metrics, curves, examples)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ({}, "bert, 3 × 256, 4 heads, feed-forward 1,024, vocabulary of 30,522 tokens"),
        (
            {"model_type": "tfdistill_bilstm", "num_hidden_layers": 1, "num_attention_heads": 1},
            "1 × 256, an LSTM each way, 1,024 units before the classifier, vocabulary of",
        ),
        (
            {"model_type": "tfdistill_static", "num_hidden_layers": 0},
            "tfdistill_static, 0 × 256, vocabulary of",
        ),
    ],
)
def test_shapes_have_what_their_type_has(path, metrics, curves, examples, shape, words):
    metrics["run"]["shapes"]["student"] |= shape
    write_report(path, metrics, curves, examples)
    assert words in "".join(read(path).text)
