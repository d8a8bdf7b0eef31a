"""The overview of a grid, and differences that are larger than the spread of the seeds."""

import types

import pytest

from tfdistill import tasks
from tfdistill.reports.clear_differences import clear_differences
from tfdistill.reports.grid_overview import overview_markdown
from tfdistill.reports.measures import numbers


def run_of(accuracy, task="text_classification", key="accuracy", teacher=0.9, **more):
    models = {"student": {key: accuracy, "parameters": 2_500_000} | more, "teacher": {key: teacher}}
    return {"metrics": {"task": task, "models": models, "seconds": {"student": 90.0}}}


def test_cells_and_empty_ones_with_their_reasons():
    cells = [
        ({"system": "kd", "data": "a"}, [run_of(0.8), run_of(0.9)], 2),
        ({"system": "kd", "data": "b"}, [run_of(0.5, "regression", "pearson", 0.75)], 1),
        ({"system": "pkd", "data": "a"}, [run_of(0.7)], 3),
        ({"system": "pkd", "data": "b"}, [], 3),
    ]
    empty = [
        ({"system": "static", "data": "a"}, "it has one vector for a text"),
        ({"system": "static", "data": "b"}, "no scores"),
    ]
    lines = overview_markdown(("system", "data"), cells, empty).splitlines()
    pearson = tasks.get("regression").primary
    shown = {"b": f"{pearson.scale * 0.5:.{pearson.digits}f}"}
    teacher = f"{pearson.scale * 0.75:.{pearson.digits}f}"
    unit = f" ({pearson.unit})" if pearson.unit else ""
    assert lines[:6] == [
        f"| system | a: accuracy (%) | b: {pearson.name}{unit} |",
        "| --- | --- | --- |",
        f"| teacher | 90.0 | {teacher} |",
        f"| kd | 85.0 ± 7.1 | {shown['b']} |",
        "| pkd | 70.0 (1 of 3) |  |",
        "| static | – (a) | – (b) |",
    ]
    assert lines[7] == "(a) it has one vector for a text." and lines[9] == "(b) no scores."


def test_teachers_of_several_seeds_are_those_of_all_finished_runs():
    runs = [run_of(0.8, teacher=0.9), run_of(0.8, teacher=0.8), run_of(0.8, teacher=0.9)]
    alone = run_of(0.7)
    del alone["metrics"]["models"]["teacher"]
    by_system = {"alone": [alone], "kd": runs}
    cells = [({"system": name, "data": "a"}, made, 3) for name, made in by_system.items()]
    lines = overview_markdown(("system", "data"), cells, []).splitlines()
    assert lines[2] == "| teacher | 85.0 ± 7.1 |"
    assert lines[3:5] == ["| alone | 70.0 (1 of 3) |", "| kd | 80.0 ± 0.0 |"]


def test_differences_beyond_one_deviation():
    def row(name, *values):
        return types.SimpleNamespace(name=name, values={"accuracy": list(values), "loss": [1.0]})

    rows = [row("a", 80.0, 82.0), row("b", 79.0, 81.0), row("c", 70.0, 70.0), row("alone", 99.0)]
    metric = tasks.get("text_classification").primary
    # The deviations of a and b are 1.41, that of their difference 2.0, and it is 1.0.
    assert clear_differences(rows, metric) == [
        "accuracy: a is better than: c (+11.0 ± 1.4)",
        "accuracy: b is better than: c (+10.0 ± 1.4)",
    ]
    losses = [
        types.SimpleNamespace(name=n, values={"loss": v})
        for n, v in (("x", [1.0, 1.1]), ("y", [2.0, 2.1]), ("z", [None, 1.0]))
    ]
    loss = next(each for each in tasks.get("text_classification").metrics if each.key == "loss")
    assert clear_differences(losses, loss) == ["loss: x is better than: y (−1.000 ± 0.100)"]


def test_sizes_latency_and_counted_training():
    files = {"int8": {"bytes": 3_200_000, "latency_ms": 4.0, "own_length_ms": 1.5}}
    run = run_of(0.8, files=files) | {"curves": {}, "start_loss": None, "counted_seconds": 30.0}
    found = numbers(run, "student", None)
    assert (found["parameters"], found["latency"]) == (2.5, 1.5)
    assert found["int8"] == pytest.approx(3.2)
    assert found["minutes"] == 2.0
    del files["int8"]["own_length_ms"]
    assert numbers(run, "student", None)["latency"] == 4.0
    assert numbers(run, "teacher", None)["int8"] is None
