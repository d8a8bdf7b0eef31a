"""Results of a grid: what its tables and pages say of stored runs."""

import dataclasses
import html
import json

import pytest

from tfdistill.command_line.console import Console
from tfdistill.command_line.run_config import RunConfig
from tfdistill.run.directory import RunPaths
from tfdistill.run.grid_job import GridJob
from tfdistill.run.grid_kept_claims import keep_claims
from tfdistill.run.grid_reader import read_grid
from tfdistill.run.grid_results import make_grid, write_results
from tfdistill.system.errors import UserError
from tfdistill.system.files import write_atomically
from tfdistill.train import COMMAND

OF_TEACHERS = {"name": "cheap", "better": {"rate": "0"}, "than": {"rate": "0.5"}}
TEACHER = {"axes": ["rate", "seed"], "last_stage": "teacher", "gives": {"teacher": "teacher"}}
GRID = {
    "flags": {"recipe": "distilbert", "stop_after": "evaluate"},
    "axes": {"rate": {"0": {"layerdrop": 0.0}, "0.5": {"layerdrop": 0.5}}, "seed": [0, 1]},
    "shared": {"teacher": TEACHER},
    "claims": [OF_TEACHERS | {"metric": "minutes", "model": "teacher"}],
}
MODELS = {
    "teacher": {"loss": 3.9, "top1": 0.31, "top5": 0.5, "agreement": 1.0},
    "student": {"loss": 4.1, "top1": 0.29, "top5": 0.4, "agreement": 0.7},
}
GIGABYTE = 10**9


def store(run, done, curves=()):
    """Writes the files of a run: what its stages left, and the curves of its trainings."""
    paths = RunPaths(run.folder)
    write_atomically(paths.flags, "".join(f"{word}\n" for word in run.words()))
    settings = {"task": "masked_lm", "task_data": ""}
    write_atomically(paths.state, json.dumps({"settings": settings, "done": done}))
    for name, losses in dict(curves).items():
        rows = [{"step": 10 * n, "validation_loss": loss} for n, loss in enumerate(losses, 1)]
        lines = "".join(f"{json.dumps(row)}\n" for row in rows)
        write_atomically(paths.training_state(name).curve, lines)


def stage(minutes, gigabytes=1, **facts):
    return {"seconds": 60 * minutes, "peak_memory_bytes": gigabytes * GIGABYTE} | facts


def measured(teacher_loss, teacher, student):
    """What the stages of a run left that ended with its evaluation."""
    models = MODELS | {"teacher": MODELS["teacher"] | {"loss": teacher_loss}}
    evaluated = stage(1) | {"corpus": "text", "models": models, "differences": {}}
    start = stage(0, validation_loss=5.0)
    return {"teacher": teacher, "start": start, "student": student, "evaluate": evaluated}


@pytest.fixture
def results(tmp_path):
    """A function of a grid's content to (grid, function that writes its results)."""

    def read(content):
        path, out = tmp_path / "grid.json", tmp_path / "out"
        path.write_text(json.dumps(content))
        grid = read_grid(path, out, RunConfig(), COMMAND)

        def write():
            return write_results(grid, GridJob(grid, out, Console()), out, RunConfig())

        return grid, write

    return read


def test_a_shared_teacher_has_the_training_of_its_own_run(results, tmp_path):
    """Teachers of 45, 47, 55 and 58 minutes, which the students' runs load in seconds."""
    grid, write = results(GRID)
    minutes = {"teacher/0/seed-0": 45, "teacher/0/seed-1": 47}
    minutes |= {"teacher/0.5/seed-0": 55, "teacher/0.5/seed-1": 58}
    for run in grid.ordered():
        if run.name in minutes:
            done = {"prepare": stage(7), "teacher": stage(minutes[run.name], 3, steps=30)}
            store(run, done, {"teacher": [5.0, 4.5, minutes[run.name] / 10]})
        else:
            loaded = stage(0.1, 2, steps=0, stages=["teacher"])
            loss = 3 + minutes[run.needs[0].name] / 100
            store(run, measured(loss, loaded, stage(5, 2)), {"student": [4.8, 4.2]})
    text, found = write()
    rows = {row["name"]: row for row in found["tables"][""]["rows"]}
    teachers = [rows[f"teacher: rate={rate}"] for rate in ("0", "0.5")]
    assert [row["minutes"]["values"] for row in teachers] == [[45, 47], [55, 58]]
    assert [row["memory"]["values"] for row in teachers] == [[3, 3], [3, 3]]
    assert [row["end"]["values"] for row in teachers] == [[4.5, 4.7], [5.5, 5.8]]
    assert rows["rate=0"]["minutes"]["values"] == [5, 5]
    assert rows["rate=0"]["memory"]["values"] == [2, 2]
    assert found["tables"][""]["claims"][0]["gains"] == [10, 11]
    assert "46.0 ± 1.4" in text and "a run of its own trained it" in text
    assert "a run of its own trained it" in (tmp_path / "out/results.html").read_text()


def test_a_shared_teacher_that_a_run_trains_further_has_both_trainings(results):
    axes = {"seed": [0]}
    content = {"flags": GRID["flags"], "axes": axes, "shared": {"teacher": TEACHER | {"axes": []}}}
    grid, write = results(content)
    shared, run = grid.ordered()
    store(shared, {"teacher": stage(45, 3, steps=30)}, {"teacher": [5.0, 4.5]})
    further = stage(4, 4, steps=20)
    store(run, measured(3.9, further, stage(5, 5)), {"teacher": [4.4, 4.3], "student": [4.8]})
    rows = {row["model"]: row for row in write()[1]["tables"][""]["rows"]}
    teacher = rows["teacher"]
    assert [teacher[key]["mean"] for key in ("minutes", "memory", "end")] == [49, 4, 4.3]
    # The student's last loss, 4.8, is the target: the teacher had 4.5 after 20 steps.
    assert teacher["steps"]["mean"] == 20


def test_a_teacher_of_the_run_itself_keeps_its_own_training(results):
    grid, write = results({"flags": GRID["flags"], "axes": {"seed": [0]}})
    run = grid.runs[0]
    store(run, measured(3.9, stage(8, 1, steps=30), stage(5, 2)), {"teacher": [5.0, 4.0]})
    rows = {row["model"]: row for row in write()[1]["tables"][""]["rows"]}
    assert rows["teacher"]["minutes"]["mean"] == 8 and rows["teacher"]["memory"]["mean"] is None
    assert rows["teacher"]["end"]["mean"] == 4.0


def test_training_that_counts_includes_the_cache(results):
    general = {"last_stage": "student", "gives": {"student": "student"}, "counted": True}
    content = {"flags": GRID["flags"], "axes": {"seed": [0]}, "shared": {"general": general}}
    grid, write = results(content)
    shared, run = grid.ordered()
    store(shared, {"cache": stage(3), "student": stage(20)})
    store(run, measured(3.9, stage(8), stage(5)))
    rows = {row["model"]: row for row in write()[1]["tables"][""]["rows"]}
    assert rows["student"]["minutes"]["mean"] == 28


def test_claims_that_were_added_after_the_runs_are_marked_in_all_results(results, tmp_path):
    out = tmp_path / "out"
    grid, _ = results(GRID | {"claims": []})
    keep_claims(grid.claims, out, 0)
    for run in grid.ordered():
        of_teacher = run.last_stage == "teacher"
        store(run, {"teacher": stage(4)} if of_teacher else measured(3.9, stage(0), stage(5)))
    results(GRID)
    config = RunConfig(grid=str(tmp_path / "grid.json"), output_dir=str(out))
    found, failure = make_grid(config, Console(), COMMAND)
    line = found["claims_changed"]
    assert failure is None and line.endswith("before the first run; since then: added 'cheap'")
    assert json.loads((out / "results.json").read_text())["claims_changed"] == line
    assert f"\n{line}\n" in (out / "results.md").read_text("utf-8")
    assert html.escape(line) in (out / "results.html").read_text("utf-8")
    results(GRID | {"claims": []})
    assert make_grid(config, Console(), COMMAND)[0]["claims_changed"] == ""


def test_results_of_finished_runs_are_written_without_making_the_others(results, tmp_path, capsys):
    out = tmp_path / "out"
    grid, _ = results(GRID)
    half = grid.runs[: len(grid.runs) // 2]
    for run in {each.name: each for one in half for each in (*one.needs, one)}.values():
        of_teacher = run.last_stage == "teacher"
        store(run, {"teacher": stage(4)} if of_teacher else measured(3.9, stage(0), stage(5)))
    config = RunConfig(grid=str(tmp_path / "grid.json"), output_dir=str(out), results_only=True)
    found, failure = make_grid(config, Console(), COMMAND)
    waiting = {run.name for run in grid.ordered() if not run.folder.exists()}
    assert failure is None and len(waiting) >= len(half)
    count = len(grid.ordered())  # the runs themselves are not listed
    assert capsys.readouterr().out.startswith(f"{len(waiting)} of {count} runs to make")
    assert found["missing"] == dict.fromkeys(waiting, "not made yet")
    rows = json.loads((out / "results.json").read_text())["tables"][""]["rows"]
    assert rows[0]["minutes"]["values"] == [5, 5] and rows == found["tables"][""]["rows"]
    lines = (out / "results.md").read_text("utf-8").splitlines()
    first = ", ".join([run.name for run in grid.ordered() if run.name in waiting][:3])
    assert lines[-1] == f"- {first} and {len(waiting) - 3} more: not made yet"
    for name in ("dry_run", "retry"):
        with pytest.raises(UserError, match=f"results_only makes no run: leave out {name}"):
            make_grid(dataclasses.replace(config, **{name: True}), Console(), COMMAND)


def test_the_page_draws_cut_teachers_by_their_number_of_layers(results, tmp_path):
    """Beside students that are trained; rates are lines, with bands over two seeds."""
    cells = {"every_other": {"student_init": "every_other"}}
    cells |= {f"cut_{n}": {"student_config": f"L-{n}", "stop_after": "start"} for n in (1, 3)}
    axes = GRID["axes"] | {"start": cells}
    grid, write = results({"flags": GRID["flags"], "axes": axes, "shared": GRID["shared"]})
    for run in grid.ordered():
        if run.last_stage == "start":
            layers = int(run.place["start"][-1])
            loss = 9.0 - layers + int(run.place["seed"][-1])
            store(run, {"start": stage(1, validation_loss=loss, layers=layers)})
        elif run.last_stage == "evaluate":
            store(run, measured(3.9, stage(0), stage(5)))
    starts = write()[1]["tables"][""]["starts"]
    assert starts[0] == {"name": "rate=0 start=cut_1", "values": [8.0, 9.0]}
    page = (tmp_path / "out/results.html").read_text("utf-8")
    label = 'aria-label="validation loss before training by number of layers"'
    svg = page.split(label)[1].split("</svg>")[0]
    assert ">rate=0</text>" in svg and ">rate=0.5</text>" in svg and ">layers</text>" in svg
    assert len(starts) == 4 and svg.count("fill-opacity: 0.18") == 2


def test_seeds_of_any_name_are_one_cell_and_may_have_tables(results, tmp_path):
    seeds = {"one": {"seed": 5}, "two": {"seed": 6}}
    axes = {"rate": GRID["axes"]["rate"], "draw": seeds, "again": seeds}
    content = {"flags": GRID["flags"], "axes": axes}
    grid, write = results(content)
    for number, run in enumerate(grid.runs):
        store(run, measured(3 + number, stage(0), stage(number)))
    rows, groups = (write()[1]["tables"][""][key] for key in ("rows", "groups"))
    assert [group["name"] for group in groups] == ["rate=0", "rate=0.5"]
    assert groups[0]["seeds"] == ["one one", "one two", "two one", "two two"]
    assert rows[1]["minutes"]["values"] == [4, 5, 6, 7]
    rule = {"rate": "0.5", "draw": "two", "reason": "no time"}
    grid, write = results(content | {"tables": ["draw"], "leave_out": [rule]})
    text, found = write()
    assert text.count("rate=0.5: – (no time)") == 1 and list(found["tables"]) == ["one", "two"]
    assert text.index("== two") < text.index("rate=0.5: – (no time)")
