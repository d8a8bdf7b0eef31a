"""The folder of a run: its settings, its finished stages, and who may work on it."""

import json
from pathlib import Path

import pytest

from tfdistill.run.directory import RunDirectory
from tfdistill.system.errors import UserError

SETTINGS = {"temperature": 2.0, "student_init": "0,2", "layerdrop": 0.1, "force_of": [1, 2]}


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


def test_a_finished_stage_keeps_its_curve_alone(tmp_path):
    """Also where a kill came between its end and the deletion of its weights."""
    run = begun(tmp_path / "run", SETTINGS)
    weights = [
        "teacher/best-00000010",
        "student-width/step-00000010",
        "student-width/best-00000010",
    ]
    left = [run.checkpoints / f"{name}.safetensors" for name in weights]
    of_seed = run.teacher_of_seed(3)
    for folder in (*(file.parent for file in left), of_seed):
        folder.mkdir(parents=True, exist_ok=True)
    for file in left:
        file.write_bytes(b"weights")
        file.with_name("curve.jsonl").write_text("{}\n")
    run.finish("teacher", {"seconds": 1.0})
    assert [file.exists() for file in left] == [False, True, True] and not of_seed.exists()
    assert (left[0].parent / "SHA256SUMS").is_file()
    assert not (left[1].parent / "SHA256SUMS").exists()

    state = json.loads(run.state.read_text())
    state["done"]["student"] = {"seconds": 1.0}
    del state["sha256"]
    run.state.write_text(json.dumps(state))
    begun(tmp_path / "run", SETTINGS).tidy()
    assert not any(file.exists() for file in left)
    assert (left[1].parent / "SHA256SUMS").is_file()


def test_settings_survive_json(tmp_path):
    """Tuples come back as lists, which are no other settings."""
    begun(tmp_path / "run", SETTINGS | {"force_of": (1, 2)})
    begun(tmp_path / "run", SETTINGS)


@pytest.mark.parametrize(
    "changes, names",
    [
        ({"temperature": 4.0}, ["temperature=2.0"]),
        (
            {"temperature": 4.0, "student_init": "first"},
            ["temperature=2.0", "student_init=0,2"],
        ),
        ({"new_flag": 1}, ["new_flag=None"]),
    ],
)
def test_other_settings_are_refused(tmp_path, changes, names):
    path = tmp_path / "run"
    begun(path, SETTINGS).finish("teacher", {"seconds": 1})
    with pytest.raises(UserError) as error:
        begun(path, SETTINGS | changes)
    message = str(error.value)
    for text in (f"output_dir={path}", "force", *names):
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
    with pytest.raises(UserError, match=f"output_dir={path} exists and is no run"):
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


def test_state_is_plain_json_that_people_can_read(tmp_path):
    begun(tmp_path / "run", SETTINGS).finish("prepare", {"seconds": 1})
    file = tmp_path / "run" / "checkpoints" / "state.json"
    state = json.loads(file.read_text())
    assert len(state.pop("sha256")) == 64
    assert state == {"settings": SETTINGS, "done": {"prepare": {"seconds": 1}}}
    file.write_text(file.read_text().replace('"seconds": 1', '"seconds": 2'))
    with pytest.raises(UserError, match="state.json is damaged, not what was written"):
        begun(tmp_path / "run", SETTINGS)


def test_a_folder_that_vanished_is_not_made_anew(tmp_path):
    run = begun(tmp_path / "run", SETTINGS)
    run.finish("prepare", {"seconds": 1})
    (tmp_path / "run").rename(tmp_path / "away")
    with pytest.raises(UserError, match="output_dir=.*run has vanished: bring it back"):
        run.finish("teacher", {"seconds": 1})
    assert not (tmp_path / "run").exists()
    (tmp_path / "away").rename(tmp_path / "run")
    run.finish("teacher", {"seconds": 1})


def test_a_finished_model_that_vanished_is_named(tmp_path):
    """Each was left out in silence before, or looked for on the hub by its path."""
    run = begun(tmp_path, SETTINGS)
    for stage in ("teacher", "start", "student", "no_teacher"):
        run.finish(stage, {"seconds": 1})
    folders = [*run.teachers(2), run.start, run.student, run.model("no_teacher")]
    for folder in folders:
        folder.mkdir()
    run.require_models(teachers=2)
    for folder in folders:
        folder.rmdir()
        with pytest.raises(UserError, match=f"^{folder} has vanished, .*: bring it back"):
            run.require_models(teachers=2)
        folder.mkdir()
    run.teachers(2)[1].rmdir()
    run.require_models(teachers=1)


def test_a_run_without_its_results_is_not_finished(tmp_path):
    run = begun(tmp_path, SETTINGS)
    run.metrics.write_text("{}")
    assert not run.is_finished
    run.finish("report", {"seconds": 1})
    assert run.is_finished
    run.metrics.unlink()
    assert not run.is_finished


def test_a_folder_that_another_process_works_on_is_refused(tmp_path):
    directory = begun(tmp_path, SETTINGS)
    directory.begin()
    directory.finish("teacher", {"seconds": 1.0})
    for force in (False, True):
        with pytest.raises(UserError, match="output_dir=.*another process is working on this"):
            RunDirectory(tmp_path, SETTINGS, force=force).begin()
    directory.release()
    assert begun(tmp_path, SETTINGS).done("teacher")


def test_the_last_checkpoint_of_an_unfinished_training(tmp_path):
    """Of a stage, or of one of its phases."""
    run = begun(tmp_path, SETTINGS)
    assert run.last_checkpoint() is None
    for stage, step in (("teacher", 7), ("student-general", 80), ("student-head", 3)):
        run.training_state(stage).save(step, {}, seconds=0.0)
        assert run.last_checkpoint() == (stage, step)
    run.finish("student", {})
    assert run.last_checkpoint() == ("teacher", 7)
    run.finish("teacher", {})
    assert run.last_checkpoint() is None


@pytest.mark.parametrize("name", ["checkpoints", "student", "metrics.json", "a/b/c"])
@pytest.mark.parametrize("with_run", [True, False])
def test_links_out_of_the_folder_are_refused(tmp_path, name, with_run):
    """Of a folder that somebody else made: nothing may be written to where they lead."""
    path, outside = tmp_path / "run", tmp_path / "outside"
    outside.mkdir()
    if with_run and name != "checkpoints":
        begun(path, SETTINGS)
    (path / name).parent.mkdir(parents=True, exist_ok=True)
    (path / name).symlink_to(outside)
    with pytest.raises(UserError, match="leads out of the folder|is no run of tfdistill"):
        begun(path, SETTINGS)
    assert not list(outside.iterdir())


def test_links_inside_the_folder_are_allowed(tmp_path):
    begun(tmp_path / "run", SETTINGS)
    (tmp_path / "run" / "best").symlink_to("checkpoints")
    (tmp_path / "name").symlink_to(tmp_path / "run")
    begun(tmp_path / "name", SETTINGS)
