"""The terminal's table: every number, aligned, within 100 columns."""

import pytest

from tfdistill.reports.table import WIDTH, format_table

NAMES = [
    "unigram",
    "teacher",
    "student before",
    "student after",
    "baseline, random start",
    "baseline, same start",
]


def rows_of(table):
    return [line for line in table.splitlines() if line.startswith(tuple(NAMES))]


def test_every_number_stands_in_its_row(metrics):
    rows = dict(zip(NAMES, rows_of(format_table(metrics)), strict=True))
    assert rows["teacher"].split() == (
        ["teacher", "3.981", "53.6", "31.3", "50.1", "–", "16.51", "0.89", "66.1", "9.43"]
    )
    assert rows["student after"].split()[2:] == (
        ["4.188", "65.9", "29.5", "47.9", "67.9", "16.11", "0.49", "16.6", "6.50"]
    )
    assert rows["unigram"].split() == ["unigram", "6.712", "822.2", "5.8", "15.2", *5 * ["–"]]


def test_verdict_says_what_each_criterion_is(metrics):
    table = " ".join(format_table(metrics).split())
    assert "quality passed: 94.5 % (at least 90.0 %); student's top-1" in table
    assert "speed FAILED: 1.45 × (at least 1.50 ×); teacher's latency" in table
    assert "size passed: 25.2 % (at most 60.0 %); bytes of" in table


@pytest.mark.parametrize("scale", [1, 25])
def test_lines_fit_and_columns_align(metrics, scale):
    for model in metrics["models"].values():
        for key in ("parameters", "parameters_without_embeddings", "bytes", "latency_ms"):
            if key in model:
                model[key] *= scale
    metrics["corpus"] = "a/long/path/" * 20
    table = format_table(metrics)
    assert max(map(len, table.splitlines())) <= WIDTH
    assert len({len(row) for row in rows_of(table)}) == 1
    assert {"nats", "%", "million", "MB", "ms"} <= set(table.split())


def test_a_run_of_one_student_alone(metrics):
    metrics = {
        "corpus": "sample",
        "split": "test",
        "models": {"student": {"loss": 2.0, "top1": 0.5, "top5": 0.75}},
    }
    table = format_table(metrics)
    assert rows_of(table)[0].split()[:6] == ["student", "after", "2.000", "7.4", "50.0", "75.0"]
    assert "baseline" not in table and "passed" not in table
