"""Held-out data that are also training data are told below every table."""

import html

import pytest

from tfdistill.reports.comparison import compare_runs
from tfdistill.reports.comparison_page import comparison_page, format_comparison
from tfdistill.reports.markdown import results_markdown
from tfdistill.reports.report import write_report
from tfdistill.reports.table import format_table

CORPUS = {"documents": 9, "tokens": 100, "bytes": 400, "unk_share": 0.0}
OVERLAPS = {"documents_in_train": 2, "lines_in_train": 3, "long_lines": 4}
OF_CORPUS = [
    "2 of 9 test documents are also in train: models are measured too well on them.",
    "75.0% of the lines of test with 50 characters or more are also in train: models are",
]
OF_LABELS = "5 of 50 test examples are also in train: models are measured too well on them."


@pytest.fixture
def overlapping(metrics):
    """Results of a run whose test text is partly its training text, and of one of other text."""
    splits = {"train": CORPUS | {"repeated": 4}, "test": CORPUS | OVERLAPS}
    run = metrics.get("run", {})
    return metrics | {"run": run | {"corpus": {"name": "x", "splits": splits}}}


def test_every_table_of_a_corpus(overlapping, metrics, tmp_path):
    write_report(tmp_path / "report.html", overlapping, {}, [])
    page = html.unescape((tmp_path / "report.html").read_text())
    for text in (format_table(overlapping), results_markdown(overlapping), page):
        text = " ".join(text.split())
        assert all(sentence in text for sentence in OF_CORPUS)
    assert "also in train" not in format_table(metrics)


def test_every_table_of_examples_with_labels(metrics):
    data = {"kind": "text", "examples": {"train": 400, "validation": 50, "test": 50}}
    metrics |= {"data": data | {"duplicates": {"validation": 0, "test": 5}}}
    assert OF_LABELS in results_markdown(metrics)
    metrics["data"]["kind"] = "sentences"  # pairs, each text of which counts
    assert "5 of 100 test texts are also in train" in results_markdown(metrics)
    del metrics["data"]["duplicates"]  # of a run that is older than the count
    assert "also in train" not in results_markdown(metrics)


def test_a_comparison_names_the_runs_of_which_it_is_true(overlapping, metrics):
    runs = [
        {"folder": folder, "flags": {"seed": str(seed)}, "curves": {}, "start_loss": None}
        | {"metrics": content | {"seconds": {"student": 1.0}}}
        for seed, (folder, content) in enumerate({"a": overlapping, "b": metrics}.items())
    ]
    for found, before in ((runs, "a: "), (runs[:1], "")):
        told = " ".join(format_comparison(compare_runs(found)).split())
        assert f" {before}{OF_CORPUS[0]}" in told
    assert html.escape(OF_CORPUS[0]) in comparison_page(compare_runs(runs))
