"""The table for the terminal: all numbers, aligned, within 100 columns."""

import pytest

from tfdistill.reports.table import WIDTH, format_table

NAMES = [
    "unigram",
    "teacher",
    "student before",
    "student after",
    "baseline, same start",
    "baseline, text start",
    "baseline, random start",
]
FILES = ["teacher, float32", "teacher, int8", "student, float32", "student, int8"]


def rows_of(table):
    lines = [line for line in table.splitlines() if line.startswith(tuple(NAMES))]
    return [line for line in lines if "−" not in line and not line.startswith(tuple(FILES))]


def test_every_number_stands_in_its_row(metrics):
    rows = dict(zip(NAMES, rows_of(format_table(metrics)), strict=True))
    assert rows["teacher"].split() == (
        ["teacher", "3.981", "53.6", "31.3", "±", "0.6", "50.1", "–", "16.51", "0.89"]
    )
    assert rows["student after"].split()[2:] == (
        ["4.188", "65.9", "29.5", "±", "0.6", "47.9", "67.9", "16.11", "0.49"]
    )
    assert rows["unigram"].split() == ["unigram", "6.712", "822.2", "5.8", "15.2", *3 * ["–"]]


def test_each_files_size_stands_beside_its_own_latency(metrics):
    lines = format_table(metrics).splitlines()
    rows = {name: line.split()[2:] for line in lines for name in FILES if line.startswith(name)}
    assert rows == {
        "teacher, float32": ["66.1", "9.43"],
        "teacher, int8": ["19.8", "4.12"],
        "student, float32": ["64.5", "6.50"],
        "student, int8": ["16.6", "2.35"],
    }


def test_differences_have_their_errors(metrics):
    lines = [" ".join(line.split()) for line in format_table(metrics).splitlines()]
    assert "student − baseline, same start +1.8 ± 0.4 −0.146 ± 0.009" in lines
    assert "teacher − unigram +25.4 ± 0.6 −2.731 ± 0.029" in lines
    assert any("1,000 resamples" in line for line in lines)


def test_verdict_says_what_each_criterion_is(metrics):
    table = " ".join(format_table(metrics).split())
    assert "quality passed: 93.2 % (at least 90.0 %); share of the teacher's gain" in table
    assert "student's top-1 / teacher's: 94.5 %" in table
    assert "speed FAILED: 1.45 × (at least 1.50 ×); teacher's latency" in table
    assert "size FAILED: 83.9 % (at most 60.0 %); student's TFLite file / teacher's, both" in table
    assert "ships, / teacher's float32 file: 25.2 %" in table
    assert "verdict: passed: quality; failed: speed, size" in table
    assert "gain from the teacher's outputs: +1.8 ± 0.4 points" in table


def test_what_is_not_shown(metrics):
    quality = metrics["verdict"]["quality"]
    quality |= {"value": None, "passed": False, "state": "not shown", "reason": "so"}
    assert "quality NOT SHOWN: – (at least 90.0 %)" in format_table(metrics)


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
    assert {"nats", "%", "points", "million", "MB", "ms"} <= set(table.split())


def test_a_run_of_one_student_alone(metrics):
    metrics = {
        "corpus": "sample",
        "split": "test",
        "models": {"student": {"loss": 2.0, "top1": 0.5, "top5": 0.75}},
    }
    table = format_table(metrics)
    assert rows_of(table)[0].split()[:6] == ["student", "after", "2.000", "7.4", "50.0", "75.0"]
    assert "baseline" not in table and "passed" not in table
