"""Grids: the runs that a file describes, and what is left of them after failures and stops."""

import contextlib
import json
from pathlib import Path

import pytest

from tfdistill.command_line.console import Console
from tfdistill.command_line.run_config import RunConfig
from tfdistill.run import grid_job
from tfdistill.run.directory import RunPaths
from tfdistill.run.grid_job import DONE, FAILED, OPEN, GridJob
from tfdistill.run.grid_reader import read_grid
from tfdistill.system.errors import UserError
from tfdistill.system.files import locked, write_atomically
from tfdistill.train import COMMAND

BUNDLED = sorted((Path(__file__).parents[2] / "configs" / "experiments").glob("*.json"))
GRID = {
    "flags": {"length": 64, "dropout": 0.0},
    "axes": {
        "data": {"a": {"corpus": "{data_dir}/a.txt"}, "b": {"corpus": "{data_dir}/b.txt"}},
        "recipe": {
            "kd": {"recipe": "distilbert", "restrict_ce_to_mask": True},
            "alone": {"recipe": "mlm", "teacher": "", "student_init": "random"},
        },
        "seed": [0, 1],
    },
    "tables": ["data"],
    "shared": {
        "teacher": {
            "axes": ["data"],
            "flags": {"teacher_steps": 30, "teacher": "{teacher}"},
            "last_stage": "teacher",
            "gives": {"teacher": "teacher"},
        }
    },
    "leave_out": [{"data": "b", "recipe": "alone", "reason": "b has no text of its own"}],
}


FLOOR = "baseline_text"
ONE_RUN = {"axes": {"seed": [0]}, "tables": [], "shared": {}, "leave_out": []}


@pytest.fixture
def grid(tmp_path):
    """A function of changes of `GRID` to the `Grid`."""

    def read(**changes):
        path = tmp_path / "grid.json"
        path.write_text(json.dumps(GRID | changes))
        return read_grid(
            path, tmp_path / "out", RunConfig(data_dir="texts", teacher="bert"), COMMAND
        )

    return read


def test_runs_have_the_flags_of_their_values(grid, tmp_path):
    runs = {run.name: run for run in grid().runs}
    assert list(runs) == [
        *("a/kd/seed-0", "a/kd/seed-1", "a/alone/seed-0", "a/alone/seed-1"),
        *("b/kd/seed-0", "b/kd/seed-1"),
    ]
    teacher = runs["a/kd/seed-1"].needs[0]
    assert runs["a/kd/seed-1"].flags == {
        **{"length": "64", "dropout": "0.0", "corpus": "texts/a.txt", "recipe": "distilbert"},
        **{"restrict_ce_to_mask": "true", "seed": "1", "teacher": str(teacher.folder / "teacher")},
    }
    assert runs["a/kd/seed-1"].folder == tmp_path / "out/runs/a/kd/seed-1"
    assert teacher.last_stage == "teacher" and teacher.name == "teacher/a"
    assert teacher.flags["teacher"] == "bert" and "recipe" not in teacher.flags
    assert teacher == runs["a/kd/seed-0"].needs[0] != runs["b/kd/seed-0"].needs[0]
    assert not runs["a/alone/seed-0"].needs and runs["a/alone/seed-0"].flags["teacher"] == ""


def test_a_run_may_end_with_a_stage(grid):
    axes = {"start": {"a": {"student_init": "first"}, "b": {"stop_after": "start"}}, "seed": [0]}
    changes = dict(tables=[], shared={}, leave_out=[], flags={"stop_after": "evaluate"})
    runs = grid(axes=axes, **changes).runs
    assert [run.last_stage for run in runs] == ["evaluate", "start"]
    assert "--stop_after=start" in runs[1].words() and "stop_after" not in runs[1].flags


def test_the_run_whose_loss_is_the_target_has_the_same_values(grid):
    axes = {
        "rate": {"0": {"layerdrop": 0.0}, "0.5": {"layerdrop": 0.5}},
        "start": {"first": {"student_init": "first"}, "last": {"student_init": "last"}},
    }
    target = {"start": "last"}
    found = grid(axes=axes, tables=[], shared={}, leave_out=[], target=target)
    names = {run.name: found.target_of(run).name for run in found.runs}
    assert names["0.5/first"] == names["0.5/last"] == "0.5/last" and names["0/first"] == "0/last"


def test_a_shared_run_comes_first_and_is_named_by_its_flags(grid):
    names = [run.name for run in grid().ordered()]
    assert len(names) == len(set(names)) == 8
    assert names.index("teacher/b") < names.index("b/kd/seed-0")
    longer = {"teacher": GRID["shared"]["teacher"] | {"flags": {"teacher_steps": 60}}}
    folders = [each.ordered()[0].folder.name for each in (grid(), grid(), grid(shared=longer))]
    assert folders[0] == folders[1] != folders[2] and folders[0].startswith("teacher-a-")


def test_tables_and_runs_that_are_left_out(grid):
    found = grid()
    assert {name: len(runs) for name, runs in found.by_table().items()} == {"a": 4, "b": 2}
    reasons = dict(found.left_out)
    assert reasons == dict.fromkeys(
        ["b/alone/seed-0", "b/alone/seed-1"], "b has no text of its own"
    )


def test_a_rule_leaves_out_several_values(grid):
    rule = {"data": ["a", "b"], "recipe": "kd", "seed": ["seed-1"], "reason": "one seed"}
    found = grid(leave_out=[rule])
    left = {run.name for run in found.runs}
    assert left == {f"{data}/kd/seed-0" for data in "ab"} | {
        f"{data}/alone/seed-{seed}" for data in "ab" for seed in (0, 1)
    }
    assert set(dict(found.left_out).values()) == {"one seed"} and found.empty == []


def test_only_some_combinations_are_made(grid):
    rules = [{"data": "a", "seed": "seed-1"}, {"data": "b", "recipe": ["kd"], "seed": ["seed-0"]}]
    found = grid(only=rules, leave_out=[])
    assert {run.name for run in found.runs} == {"a/kd/seed-1", "a/alone/seed-1", "b/kd/seed-0"}
    assert not found.left_out and not found.empty
    with pytest.raises(UserError, match="no run is left"):
        grid(only=[])


def test_shared_runs_of_some_cells_that_count_as_training(grid):
    general = {
        "only": {"recipe": ["kd"]},
        "last_stage": "student",
        "gives": {"student": "student"},
        "counted": True,
    }
    found = {run.name: run for run in grid(shared=GRID["shared"] | {"general": general}).runs}
    kd, alone = found["a/kd/seed-0"], found["a/alone/seed-0"]
    assert [each.name for each in kd.needs] == ["teacher/a", "general"]
    assert [each.name for each in kd.counted] == ["general"]
    assert kd.flags["student"] == str(kd.counted[0].folder / "student")
    assert not alone.needs and "student" not in alone.flags


def test_cells_without_runs_and_estimates(grid):
    overview = {"rows": "recipe", "columns": "data"}
    found = grid(overview=overview, minutes={"a": 3, "kd": 5, "teacher": 7})
    assert found.empty == [({"data": "b", "recipe": "alone"}, "b has no text of its own")]
    assert found.overview == ("recipe", "data")
    one_seed = [{"data": "b", "seed": "seed-1", "reason": "one is enough"}]
    assert grid(leave_out=one_seed).empty == []  # the cell has another run
    estimates = {run.name: found.estimate(run) for run in found.ordered()}
    assert estimates["a/kd/seed-0"] == estimates["b/kd/seed-1"] == 5
    assert estimates["a/alone/seed-0"] == 3 and estimates["teacher/b"] == 7
    assert grid(minutes=4).estimate(found.runs[0]) == 4
    assert grid(minutes={"b": 1}).estimate(found.runs[0]) is None


def test_what_an_axis_does_not_concern_runs_once(grid):
    axes = {
        "rate": {"0": {"layerdrop": 0.0}, "0.5": {"layerdrop": 0.5}},
        "start": {
            "first": {"student_init": "first"},
            "random": {"student_init": "random", "independent_of": ["rate"]},
        },
    }
    found = grid(axes=axes, tables=[], shared={}, leave_out=[])
    assert [run.name for run in found.runs] == ["0/first", "random", "0.5/first"]
    assert "layerdrop" not in found.runs[1].flags


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"axes": {}}, "axes"),
        ({"axes": {"seed": 3}}, "'seed': a list"),
        ({"axes": {"x": {"a/b": {}}}, "tables": []}, "names a folder"),
        ({"flags": {"lenght": 3}}, "no flag 'lenght'"),
        ({"flags": {"output_dir": "x"}}, "no flag 'output_dir'"),
        ({"tables": ["size"]}, "tables: there is no axis 'size'"),
        ({"axis": {}}, "unknown key 'axis'"),
        ({"shared": {"teacher": {"axis": []}}}, "unknown key 'axis'"),
        ({"leave_out": [{}]}, "no run is left"),
        ({"leave_out": {"data": "a"}}, "leave_out.*list"),
        ({"leave_out": [{"data": "c"}]}, "no value 'c'; there are a, b"),
        ({"leave_out": [{"dta": "a"}]}, "leave_out: there is no axis 'dta'"),
        ({"leave_out": [{"seed": 0}]}, "in quotes"),
        ({"leave_out": [{"seed": ["seed-0", "0"]}]}, "'seed' has no value '0'"),
        ({"only": [{"dta": "a"}]}, "only: there is no axis 'dta'"),
        ({"only": {"data": "a"}}, "only.*list"),
        ({"leave_out": [{"seed": "seed-0", "reason": ["dear"]}]}, "in quotes"),
        ({"shared": ["teacher"]}, "shared.*an object"),
        ({"shared": {"../t": {}}}, "names a folder"),
        ({"shared": {"t": {"axes": "data"}}}, "axes.*list"),
        ({"shared": {"t": {"gives": {"teacher": 3}}}}, "gives.*in quotes"),
        ({"shared": {"t": {"gives": {"techer": "teacher"}}}}, "no flag 'techer'"),
        ({"shared": {"t": {"last_stage": "teachr"}}}, "no stage 'teachr'; .*teacher"),
        ({"tables": "data"}, "tables.*list"),
        ({"minutes": "10"}, "minutes.*number"),
        ({"minutes": {"kd": "10"}}, "minutes.*number"),
        ({"minutes": {"a": 3, "techer": 10}}, "minutes: .* no shared run 'techer'"),
        ({"overview": {"rows": "data"}}, "overview.*an axis for"),
        ({"overview": {"rows": "recipe", "columns": "x"}}, "overview: there is no axis 'x'"),
        ({"overview": {"rows": "data", "columns": "data"}}, "columns are one axis, 'data'"),
        ({"overview": {"rows": "data", "columns": "seed"}}, "overview: 'recipe' is an axis beside"),
        ({"axes": {"seed": [1, 2, 1]}}, "axis 'seed': a value comes twice"),
        ({"shared": {"a": {"only": {"recipe": ["x"]}}}}, "'recipe' has no value 'x'"),
        ({"shared": {"a": {"counted": 1}}}, '"counted" is true or false'),
        ({"flags": {"seed": [1, 2]}}, r"'seed' is \[1, 2\]"),
        ({"flags": {"length": None}}, "'length' is None"),
        ({"flags": {"stop_after": "tested"}}, "no stage 'tested'; .*evaluate"),
        ({"target": {"recipe": "gone"}}, "target: 'recipe' has no value 'gone'"),
        ({"target": {"recipe": 1}}, "target.*in quotes"),
        ({"flags": {"length": "many"}}, "teacher/a: .*length=many"),
        ({"flags": {"phone": "x"}}, "no flag 'phone'"),
        ({"flags": {"independent_of": ["seed"]}}, "no flag 'independent_of'"),
        (
            {"axes": {"x": {"..": {}}}, "tables": [], "shared": {}, "leave_out": []},
            "names a folder",
        ),
    ],
)
def test_mistakes_are_named(grid, changes, message):
    with pytest.raises(UserError, match=message):
        grid(**changes)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"x": {"a": {"independent_of": ["x"]}}}, "other axes"),
        ({"x": {"a": {"independent_of": [["y"]]}}, "y": {"b": {}}}, "other axes"),
        (
            {"x": {"a": {"independent_of": ["y"]}}, "y": {"a": {"independent_of": ["x"]}}},
            "gives two runs the name",
        ),
        (
            {
                **{"x": {"a": {}, "b": {"independent_of": ["y"]}}, "y": {"b": {}, "c": {}}},
                "z": {"a": {}, "c": {"independent_of": ["x"]}},
            },
            "c/c would lie in the folder of c",
        ),
        (
            {"x": {"a": {}, "b": {"independent_of": ["y"]}}, "y": {"b": {"independent_of": ["x"]}}},
            "gives two runs the name",
        ),
    ],
)
def test_names_of_runs_are_those_of_one_folder_each(grid, axes, message):
    with pytest.raises(UserError, match=message):
        grid(axes=axes, tables=[], shared={}, leave_out=[])


def test_a_key_that_comes_twice_is_named(tmp_path):
    path = tmp_path / "grid.json"
    path.write_text('{"axes": {"seed": [0]}, "axes": {"seed": [1]}}')
    with pytest.raises(UserError, match="'axes' comes twice"):
        read_grid(path, tmp_path, RunConfig(), COMMAND)


def test_a_missing_folder_of_data_is_named(tmp_path):
    path = tmp_path / "grid.json"
    path.write_text(json.dumps(GRID))
    with pytest.raises(UserError, match="data_dir is needed"):
        read_grid(path, tmp_path, RunConfig(teacher="bert"), COMMAND)
    with pytest.raises(UserError, match=r"grid=.*none.json"):
        read_grid(tmp_path / "none.json", tmp_path, RunConfig(), COMMAND)
    path.write_text("{")
    with pytest.raises(UserError, match="is no JSON"):
        read_grid(path, tmp_path, RunConfig(), COMMAND)


@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: path.stem)
def test_bundled_grids_describe_runs(path, tmp_path):
    grid = read_grid(path, tmp_path, RunConfig(data_dir="data", teacher="bert"), COMMAND)
    for run in grid.ordered():
        seed = run.place.get("seed")  # shared runs may have none
        assert run.flags.get("seed") == (seed and seed.removeprefix("seed-"))
        if any("teacher" in shared.name for shared in run.needs):  # it is trained there alone
            assert "layerdrop_adapt_steps" not in run.flags
    assert len(grid.runs) > 1 and "description" in json.loads(path.read_text())


@pytest.fixture
def job(grid, tmp_path):
    """A function to a `GridJob` whose only run fails, for its text is missing; and that run."""
    found = grid(**ONE_RUN, flags={"corpus": "none.txt"})
    return lambda: (GridJob(found, tmp_path / "out", Console()), found.runs[0])


def test_a_failed_run_is_kept_and_made_again_on_request(job, capsys):
    job, run = job()
    assert job.describe() == [
        "seed-0: open",
        "1 of 1 runs to make; how long they take is known when one is finished",
    ]
    reason = job.make()["seed-0"]
    assert "none.txt" in reason and job.state(run) == FAILED
    assert "seed-0: failed" in capsys.readouterr().out
    assert job.make() == {"seed-0": reason} and "failed" not in capsys.readouterr().out
    job.make(retry=True)
    assert "seed-0: failed" in capsys.readouterr().out


def test_flags_that_changed_after_a_run_are_refused(job, grid, tmp_path):
    found, run = job()
    found.make()
    again = grid(**ONE_RUN, flags={"corpus": "none.txt", "steps": 3})
    changed = GridJob(again, tmp_path / "out", Console())
    assert changed.state(run) == OPEN  # nothing was begun, and the change may be the cure
    state = {"settings": {}, "done": {"prepare": {"seconds": 90.0}}}
    write_atomically(RunPaths(run.folder).state, json.dumps(state))
    with pytest.raises(UserError, match=r"was made with steps not set, and the grid has 3"):
        GridJob(again, tmp_path / "out", Console())


@pytest.mark.parametrize("content", ["{", "[]"])
@pytest.mark.parametrize("kind", ["flags", "failures", "state"])
def test_damaged_files_are_named(grid, tmp_path, kind, content):
    found, out = grid(**ONE_RUN), tmp_path / "out"
    state = RunPaths(found.runs[0].folder).state
    file = state if kind == "state" else out / kind / "runs" / "seed-0.json"
    write_atomically(file, content)
    with pytest.raises(UserError, match=rf"{file} is damaged: .*delete"):
        GridJob(found, out, Console()).failures()


def test_a_run_that_another_process_makes_is_left_to_it(job, tmp_path, monkeypatch):
    job, run = job()
    lock = tmp_path / "out/locks/runs/seed-0.lock"
    lock.parent.mkdir(parents=True)

    def finish(seconds):  # what the other process does while this one waits
        holder.close()
        state = {"settings": {}, "done": {"report": {"seconds": 90.0}}}
        write_atomically(RunPaths(run.folder).state, json.dumps(state))

    monkeypatch.setattr(grid_job.time, "sleep", finish)
    holder = contextlib.ExitStack()
    holder.enter_context(locked(lock))
    assert job.state(run) == OPEN
    assert job.make() == {} and job.state(run) == DONE and job.minutes(run) == 1.5


@pytest.mark.parametrize("minutes", [{"kd": 4, "alone": 8}, 5, None])
def test_the_time_left_is_learned_from_finished_runs(grid, tmp_path, minutes):
    """A run of kd took 12 minutes; those that have less in common with it are scaled."""
    changes = {"minutes": minutes} if minutes else {}
    found = grid(shared={}, leave_out=[], **changes)
    runs = {run.name: run for run in found.runs}
    state = {"settings": {}, "done": {"report": {"seconds": 720.0}}}
    write_atomically(RunPaths(runs["a/kd/seed-0"].folder).state, json.dumps(state))
    job = GridJob(found, tmp_path / "out", Console())
    alone = 24 if isinstance(minutes, dict) else 12
    assert job.minutes(runs["b/kd/seed-0"]) == job.minutes(runs["a/kd/seed-1"]) == 12
    assert job.minutes(runs["a/alone/seed-0"]) == job.minutes(runs["b/alone/seed-1"]) == alone
    whole = "2 h 12 min" if isinstance(minutes, dict) else "1 h 24 min"
    assert job.describe()[-1] == f"7 of 8 runs to make, about {whole}"


def test_a_list_of_runs_reads_each_state_a_few_times(grid, tmp_path, monkeypatch):
    axes = {"seed": list(range(20))}
    found, reads = grid(axes=axes, tables=[], shared={}, leave_out=[], flags={}), []
    state = json.dumps({"settings": {}, "done": {"report": {"seconds": 60.0}}})
    for run in found.runs[:10]:
        write_atomically(RunPaths(run.folder).state, state)
    job, read_state = GridJob(found, tmp_path / "out", Console()), grid_job.read_state
    monkeypatch.setattr(grid_job, "read_state", lambda *a: reads.append(a) or read_state(*a))
    assert job.describe()[-1] == "10 of 20 runs to make, about 10 min"
    assert len(reads) <= 3 * 20


def test_what_failed_is_to_make_with_retry_alone(grid, tmp_path):
    found = grid(minutes=5)
    teacher = next(run for run in found.ordered() if run.name == "teacher/a")
    job = GridJob(found, tmp_path / "out", Console())
    assert job.describe()[-1] == "8 of 8 runs to make, about 40 min"
    file = tmp_path / "out/failures/shared" / f"{teacher.folder.name}.json"
    write_atomically(file, json.dumps({"exit_code": 1, "reason": "no text"}))
    lines = job.describe()
    assert lines[:2] == ["teacher/a: failed", "a/kd/seed-0: needs teacher/a, which failed"]
    assert lines[-1] == "5 of 8 runs to make, about 25 min"
    lines = job.describe(retry=True)
    assert lines[0] == "teacher/a: failed, about 5 min"
    assert lines[-1] == "8 of 8 runs to make, about 40 min"
