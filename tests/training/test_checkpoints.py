"""What a run remembers, and what it refuses to forget."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from tfdistill.system.errors import UserError
from tfdistill.training.checkpoints import KEPT_CHECKPOINTS, RunDirectory, StageState

SETTINGS = {"temperature": 2.0, "student_init": "0,2", "layerdrop": 0.1, "force_of": [1, 2]}


# -- the run's folder


def begun(*args, **options):
    directory = RunDirectory(*args, **options)
    directory.begin()
    directory.release()  # as at the end of its process
    return directory


def test_finished_stages_are_remembered(tmp_path):
    run = begun(tmp_path / "run", SETTINGS)
    assert run.done("teacher") is None and run.facts("seconds") == {}
    run.finish("teacher", {"seconds": 2.5, "loss": 0.1})
    run.finish("student", {"seconds": 1.0})
    again = begun(tmp_path / "run", dict(SETTINGS))
    assert again.done("teacher") == {"seconds": 2.5, "loss": 0.1}
    assert again.facts("seconds") == {"teacher": 2.5, "student": 1.0}
    assert again.done("export") is None


def test_settings_survive_json(tmp_path):
    """Tuples come back as lists, which are no other settings."""
    begun(tmp_path / "run", SETTINGS | {"force_of": (1, 2)})
    begun(tmp_path / "run", SETTINGS)


@pytest.mark.parametrize(
    "changes, names",
    [
        ({"temperature": 4.0}, ["--temperature=2.0"]),
        (
            {"temperature": 4.0, "student_init": "first"},
            ["--temperature=2.0", "--student_init=0,2"],
        ),
        ({"new_flag": 1}, ["--new_flag=None"]),
    ],
)
def test_other_settings_are_refused(tmp_path, changes, names):
    path = tmp_path / "run"
    begun(path, SETTINGS).finish("teacher", {"seconds": 1})
    with pytest.raises(UserError) as error:
        begun(path, SETTINGS | changes)
    message = str(error.value)
    for text in (f"--output_dir={path}", "--force", *names):
        assert text in message
    assert "\n" not in message and "layerdrop" not in message
    assert begun(path, SETTINGS).done("teacher")  # nothing was lost


def test_force_starts_over(tmp_path):
    path = tmp_path / "run"
    begun(path, SETTINGS).finish("teacher", {"seconds": 1})
    (path / "teacher").mkdir()
    (path / "teacher" / "model.safetensors").write_bytes(b"old")
    run = begun(path, SETTINGS | {"temperature": 4.0}, force=True)
    assert run.done("teacher") is None and not (path / "teacher").exists()
    begun(path, SETTINGS | {"temperature": 4.0})


def test_a_deletion_that_was_interrupted(tmp_path, monkeypatch):
    """What is left of the old run does not stand in the way of the new one."""
    path = tmp_path / "run"
    begun(path, SETTINGS).finish("teacher", {"seconds": 1})

    def dies(folder, **_):
        if Path(folder).exists():
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("shutil.rmtree", dies)
        begun(path, SETTINGS, force=True)
    assert begun(path, SETTINGS, force=True).done("teacher") is None
    begun(path, SETTINGS, force=True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


def test_nothing_is_deleted_before_it_begins(tmp_path):
    path = tmp_path / "run"
    begun(path, SETTINGS).finish("teacher", {"seconds": 1})
    assert RunDirectory(path, SETTINGS, force=True).done("teacher") is None
    assert begun(path, SETTINGS).done("teacher")
    RunDirectory(tmp_path / "new", SETTINGS)
    assert not (tmp_path / "new").exists()


def test_force_needs_no_run(tmp_path):
    assert begun(tmp_path / "run", SETTINGS, force=True).done("teacher") is None


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_foreign_folder_is_refused_and_kept(tmp_path, kind, force):
    path = tmp_path / "thesis"
    if kind == "folder":
        path.mkdir()
        (path / "chapter.txt").write_text("years of work")
    else:
        path.write_text("years of work")
    with pytest.raises(UserError, match=f"--output_dir={path} exists and is no run"):
        begun(path, SETTINGS, force=force)
    kept = path / "chapter.txt" if kind == "folder" else path
    assert kept.read_text() == "years of work"


def test_an_empty_folder_is_taken(tmp_path):
    begun(tmp_path, SETTINGS).finish("prepare", {"seconds": 1})
    assert begun(tmp_path, SETTINGS).done("prepare")


def full_disk(*arguments):
    raise OSError(28, "No space left on device")


def test_a_failed_first_write_can_be_tried_again(tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr("os.fsync", full_disk)
        begun(tmp_path / "run", SETTINGS)
    assert begun(tmp_path / "run", SETTINGS).done("teacher") is None


def test_a_killed_first_write_can_be_tried_again(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "state.json.tmp").write_text('{"sett')
    assert begun(tmp_path, SETTINGS).done("teacher") is None


def test_a_failed_finish_leaves_the_stages_before(tmp_path, monkeypatch):
    run = begun(tmp_path / "run", SETTINGS)
    run.finish("teacher", {"seconds": 1})
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr("os.replace", full_disk)
        run.finish("student", {"seconds": 1})
    again = begun(tmp_path / "run", SETTINGS)
    assert again.done("teacher") and not again.done("student")


# -- checkpoints


def make_variables(seed):
    generator = np.random.default_rng(seed)
    weights = keras.Variable(generator.normal(size=(3, 4)).astype(np.float32), name="weights")
    counter = keras.Variable(seed, dtype="int64", trainable=False, name="counter")
    return {"model/weights": weights, "optimizer/0/counter": counter}


def values(variables):
    return {name: variable.numpy() for name, variable in variables.items()}


def assert_equal(found, expected):
    assert set(found) == set(expected)
    for name in found:
        np.testing.assert_array_equal(found[name], expected[name])
        assert found[name].dtype == expected[name].dtype


def names(path):
    return sorted(file.name for file in path.rglob("*") if file.is_file())


def test_nothing_to_restore(tmp_path):
    variables = make_variables(0)
    before = values(variables)
    state = StageState(tmp_path, "student")
    assert state.restore(variables) == (0, 0.0)
    assert state.rows == [] and state.load_rows() == []
    assert_equal(values(variables), before)


def test_the_last_checkpoint_comes_back(tmp_path):
    state = StageState(tmp_path, "student")
    for step in (90, 100, 9000):
        state.rows.append({"step": step, "loss": 1 / step})
        state.save(step, make_variables(step), seconds=step / 7)
    assert len(list(tmp_path.rglob("*.safetensors"))) == KEPT_CHECKPOINTS == 2

    fresh, variables = StageState(tmp_path, "student"), make_variables(1)
    assert fresh.restore(variables) == (9000, 9000 / 7)
    assert_equal(values(variables), values(make_variables(9000)))
    assert fresh.rows == [{"step": step, "loss": 1 / step} for step in (90, 100, 9000)]


def test_stages_do_not_share_checkpoints(tmp_path):
    StageState(tmp_path, "teacher").save(5, make_variables(5), 0.0)
    assert StageState(tmp_path, "student").restore(make_variables(0)) == (0, 0.0)


def test_points_logged_after_the_checkpoint_are_forgotten(tmp_path):
    state = StageState(tmp_path, "student")
    state.rows = [{"step": 10}, {"step": 20}]
    state.save(20, make_variables(20), 0.0)
    state.rows.append({"step": 30})
    state._write_log()  # as the next save begins
    fresh = StageState(tmp_path, "student")
    fresh.restore(make_variables(0))
    assert fresh.rows == [{"step": 10}, {"step": 20}]


def test_what_was_not_logged_yet_comes_back(tmp_path):
    """The losses of steps since the last point, to the last bit."""
    state = StageState(tmp_path, "student")
    values = np.float32(1 / 3), np.float32(1e-30)
    losses = [{"loss": value, "skipped": 1.0} for value in values]
    for each in losses:
        state.unlogged.add(each, 2)
    state.save(14, make_variables(14), 0.0)
    fresh = StageState(tmp_path, "student")
    fresh.restore(make_variables(0))
    assert fresh.unlogged.steps == 4
    assert fresh.unlogged.losses == [{k: float(v) for k, v in each.items()} for each in losses]


def test_where_a_run_would_go_on(tmp_path):
    """From the newest checkpoint of a stage, or of one of its phases, that is not done."""
    run = begun(tmp_path, SETTINGS)
    assert run.last_checkpoint() is None
    for stage, step in (("teacher", 7), ("student-general", 80), ("student-head", 3)):
        StageState(tmp_path / "checkpoints", stage).save(step, make_variables(0), 0.0)
        assert run.last_checkpoint() == (stage, step)
    run.finish("student", {})
    assert run.last_checkpoint() == ("teacher", 7)
    run.finish("teacher", {})
    assert run.last_checkpoint() is None


def test_the_end_keeps_the_curve_alone(tmp_path):
    state = StageState(tmp_path, "student")
    state.rows.append({"step": 10, "loss": 0.5})
    state.save(10, make_variables(0), 0.0)
    state.rows.append({"step": 20, "loss": 0.25})
    state.close()
    state.delete_checkpoints()
    assert names(tmp_path) == ["curve.jsonl"]
    assert [row["loss"] for row in StageState(tmp_path, "student").load_rows()] == [0.5, 0.25]


@pytest.mark.parametrize("call", ["os.fsync", "os.replace"])
@pytest.mark.parametrize("successes", [0, 1], ids=["curve", "checkpoint"])
def test_a_failed_write_leaves_the_checkpoint_before(tmp_path, monkeypatch, call, successes):
    """The curve is written first, then the checkpoint: each write fails in turn."""
    state = StageState(tmp_path, "student")
    state.rows.append({"step": 10})
    state.save(10, make_variables(10), 1.5)
    before = names(tmp_path)
    module, function = call.split(".")
    real, calls = getattr(__import__(module), function), []

    def fails(*arguments):
        calls.append(arguments)
        return real(*arguments) if len(calls) <= successes else full_disk()

    state.rows.append({"step": 20})
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(call, fails)
        state.save(20, make_variables(20), 3.0)
    assert names(tmp_path) == before  # no half-written file either
    fresh, variables = StageState(tmp_path, "student"), make_variables(0)
    assert fresh.restore(variables) == (10, 1.5)
    assert_equal(values(variables), values(make_variables(10)))
    assert fresh.rows == [{"step": 10}]
    fresh.rows.append({"step": 20})
    fresh.save(20, make_variables(20), 3.0)
    assert StageState(tmp_path, "student").restore(variables) == (20, 3.0)


def test_a_leftover_of_a_killed_write_is_not_read(tmp_path):
    state = StageState(tmp_path, "student")
    state.save(10, make_variables(10), 0.0)
    (tmp_path / "student" / "step-00000020.safetensors.tmp").write_bytes(b"\x00" * 9)
    assert StageState(tmp_path, "student").restore(make_variables(0))[0] == 10


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    StageState(tmp_path, "student").save(10, make_variables(10), 0.0)
    other = make_variables(0)
    other["model/more"] = other["model/weights"]
    with pytest.raises(UserError, match="step-00000010.* another model.*--force"):
        StageState(tmp_path, "student").restore(other)


def test_a_checkpoint_of_other_shapes_is_refused(tmp_path):
    """The same flags may name a file whose content has changed."""
    StageState(tmp_path, "student").save(10, make_variables(10), 0.0)
    wider = make_variables(0)
    wider["model/weights"] = keras.Variable(np.zeros((3, 5), np.float32), name="weights")
    with pytest.raises(UserError, match="step-00000010.* another model.*--force"):
        StageState(tmp_path, "student").restore(wider)


def test_state_is_plain_json_that_people_can_read(tmp_path):
    begun(tmp_path / "run", SETTINGS).finish("prepare", {"seconds": 1})
    state = json.loads((tmp_path / "run" / "checkpoints" / "state.json").read_text())
    assert state == {"settings": SETTINGS, "done": {"prepare": {"seconds": 1}}}


def test_a_folder_that_another_process_works_on_is_refused(tmp_path):
    directory = begun(tmp_path, SETTINGS)
    directory.begin()
    directory.finish("teacher", {"seconds": 1.0})
    for force in (False, True):
        with pytest.raises(UserError, match="--output_dir=.*another process is working on this"):
            RunDirectory(tmp_path, SETTINGS, force=force).begin()
    directory.release()
    assert begun(tmp_path, SETTINGS).done("teacher")
