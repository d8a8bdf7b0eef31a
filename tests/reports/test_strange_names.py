"""Names and texts from outside, such as a label called <script>, stay text in every page."""

import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from scripts.chaos.strange import runs
from tfdistill.command_line.run_config import RunConfig
from tfdistill.reports import comparison_page, page
from tfdistill.reports.comparison import compare_runs
from tfdistill.reports.grid_sections import claims_html
from tfdistill.reports.report import write_report
from tfdistill.reports.tensorboard import examples_table, markdown_table
from tfdistill.run.compared_runs import read_run

ROOT = Path(__file__).resolve().parents[2]
ATTACK = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}]]>--><!--"
# Strings by which the page finds its words; another value is another task, not text.
NAMES = {
    "task",
    "recipe",
    "state",
    "made_from",
    "file",
    "primary",
    "student_init",
    "split",
    "model_type",
}
CLASSES = {
    "per_class": {
        name: {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 3}
        for name in ("good", ATTACK)
    },
    "confusion": [[2, 1], [1, 2]],
    "errors": [{"text": ATTACK, "truth": ATTACK, "predicted": ATTACK, "probability": 0.9}],
    "disagreements": [{"text": ATTACK, "truth": ATTACK, "student": ATTACK, "teacher": ATTACK}],
    "accuracy": 0.5,
    "f1": 0.5,
}


class Tags(HTMLParser):
    """Collects the tags and attributes of a page, and what stands in scripts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text = set(), set(), ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}

    def handle_data(self, data):
        self.text += data


def is_harmless(text, like):
    """Whether a page has no other tags and attributes than one without strange names."""
    found, usual = Tags(text), Tags(like)
    wrong = {"script", "img", "iframe", "object"} & found.tags
    wrong |= {name for name in found.attributes if name.startswith("on")}
    return not wrong and found.tags <= usual.tags and found.attributes <= usual.attributes


def attacked(value, name=""):
    """A JSON value whose strings are all an attack, beside those that are names."""
    if isinstance(value, dict):
        return {
            key: attacked(each, key) if key not in NAMES else each for key, each in value.items()
        }
    if isinstance(value, list):
        return [attacked(each, name) for each in value]
    return ATTACK if isinstance(value, str) else value


@pytest.fixture
def metrics():
    return json.loads((runs.FILES / "metrics.json").read_text())


def report(path, metrics, label="whale"):
    examples = [
        {"text": label, "truth": label, "student": [(label, 0.5)], "teacher": [(label, 0.4)]}
    ]
    write_report(path, metrics, {}, examples)
    return path.read_text()


def test_the_report(metrics, tmp_path):
    usual = report(tmp_path / "usual.html", metrics)
    found = report(tmp_path / "strange.html", attacked(metrics), ATTACK)
    assert is_harmless(found, usual)
    assert found.count(html.escape(ATTACK)) > 10


def test_the_report_of_a_task_with_labels(metrics, tmp_path):
    metrics |= {"task": "text_classification", "data": {}}
    metrics["made_from"] |= {"task": "text_classification"}
    metrics["primary"] = {"name": "accuracy", "higher_is_better": True}
    for name in ("verdict", "export", "conclusion", "teacher_answers", "differences"):
        metrics.pop(name)
    for model in metrics["models"].values():
        model |= {"accuracy": 0.5, "f1": 0.5}
    metrics["models"]["student"] |= CLASSES
    found = report(tmp_path / "strange.html", metrics, ATTACK)
    tags = Tags(found)
    assert not {"script", "img"} & tags.tags and not any(
        n.startswith("on") for n in tags.attributes
    )
    assert tags.text.count(ATTACK) > 8  # as text: class, confusion, errors, disagreements


def test_the_comparison_and_its_plots(tmp_path):
    pages = []
    for name in ("usual", "strange"):
        folder = tmp_path / name
        for file, content in runs.run_folder().items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(content)
        if name == "strange":
            flags = (folder / "flags.txt").read_text()
            flags = re.sub(r"(--(?:corpus|schedules|baseline|layer_map)=).*", rf"\1{ATTACK}", flags)
            (folder / "flags.txt").write_text(flags)
            state = json.loads((folder / "checkpoints/state.json").read_text())
            state["settings"] |= {"schedules": ATTACK, "layer_map": ATTACK}
            (folder / "checkpoints/state.json").write_text(json.dumps(state))
            pages.append(_compared(folder, tmp_path / "usual"))
        else:
            pages.append(_compared(folder, folder))
    usual, strange = pages
    assert is_harmless(strange, usual)
    assert html.escape(ATTACK) in strange and "<svg" in strange


def _compared(*folders):
    found = [read_run(str(folder), RunConfig()) for folder in folders]
    return comparison_page.comparison_page(compare_runs(found))


def test_claims_of_a_grid():
    claim = {"state": ATTACK, "name": ATTACK, "sentence": ATTACK}
    found = claims_html([claim], 1)
    assert not {"script", "img"} & Tags(found).tags and html.escape(ATTACK) in found


def test_parts_of_every_page():
    for found in (
        page.page(ATTACK, ""),
        page.section(ATTACK, "x"),
        page.table([(ATTACK, ATTACK)], [[ATTACK]], [ATTACK]),
        page.note(ATTACK),
    ):
        tags = Tags(found)
        assert not {"script", "img"} & tags.tags and "onerror" not in tags.attributes


def test_text_panels_of_tensorboard():
    """Markdown may hold HTML, so the marks of HTML are written as entities; a cell is one line."""
    table = markdown_table(["x"], [[f"{ATTACK}\n\n# a | b"]])
    assert "<" not in table and html.escape(ATTACK) in table and len(table.split("\n")) == 3
    example = {"text": ATTACK, "truth": ATTACK, "student": [(ATTACK, 0.5)]}
    assert "<" not in examples_table([example], ATTACK)


def test_the_page_for_browsers_makes_no_html_of_text():
    """Its labels and texts come from page.json, and stay text."""
    for file in (ROOT / "examples/web").glob("*.js"):
        source = file.read_text("utf-8")
        for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert way not in source, (file, way)
    assert (
        "page.json"
        not in (ROOT / "examples/web/index.html").read_text("utf-8").partition("<body")[0]
    )
