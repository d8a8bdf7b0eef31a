"""The training of a search's best part: its command, and how it starts over and stops."""

import json
import os
import signal
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from tfdistill.command_line.run_config import RunConfig
from tfdistill.run import trained_part
from tfdistill.run.directory import RunPaths
from tfdistill.run.trained_part import require_run, train_on
from tfdistill.settings.flagfile import flag_lines
from tfdistill.system.errors import UserError

SUPER = {
    "recipe": "autotinybert",
    "super_regime": "kd",
    "sandwich": True,
    "super_width": 32,
    "alpha_hidden": 0.5,
    "learning_rate": 2e-3,
    "student_config": "L-4_H-64_A-4",
    "student_init": "spaced:pca",
    "teacher_steps": 30,
    "steps": 500,
    "length": 64,
    "corpus": "wikitext-2",
    "train_data": "mine.csv",
}
CONSOLE = SimpleNamespace(say=lambda text: None)


@pytest.fixture
def folder(tmp_path):
    """The folder of a super-student, in a run with a teacher that was made there."""
    folder = tmp_path / "run" / "student"
    folder.mkdir(parents=True)
    (tmp_path / "run" / "teacher").mkdir()
    (tmp_path / "run" / "flags.txt").write_text("\n".join(flag_lines(RunConfig(**SUPER))))
    state = tmp_path / "run" / "checkpoints" / "state.json"
    state.parent.mkdir()
    prepared = {"machine": {"device": "cpu", "precision": "bfloat16"}}
    state.write_text(json.dumps({"settings": {}, "done": {"prepare": prepared}}))
    (tmp_path / "best").mkdir()
    (tmp_path / "best" / "model.safetensors").write_bytes(b"one part")
    return folder


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """The flags of the trainings that were begun, dicts; each is finished at once."""
    found = []

    def run(words, output):
        assert words[:3] == [sys.executable, "-m", "tfdistill.train"]
        found.append(dict(word.removeprefix("--").split("=", 1) for word in words[3:]))
        state = tmp_path / "trained" / "checkpoints" / "state.json"
        state.parent.mkdir(parents=True, exist_ok=True)
        done = {"report": {}} if found[-1]["steps"] != "13" else {}
        state.write_text(json.dumps({"settings": {}, "done": done}))
        return 1

    monkeypatch.setattr(trained_part, "_run", run)
    return found


def test_the_recipe_of_the_super_student_goes_on(folder, tmp_path, commands):
    """On the texts of the search."""
    asked = RunConfig(steps=40, device="cpu", length=96, tflite_lengths="24,96", corpus="my.txt")
    train_on(asked, folder, tmp_path, tmp_path / "best", CONSOLE)
    (flags,) = commands
    assert flags == {
        "task": "masked_lm",
        "recipe": "autotinybert",
        "super_regime": "kd",
        "train_parts": "false",
        "alpha_hidden": "0.5",
        "learning_rate": "0.002",
        "corpus": "my.txt",
        "length": "96",
        "tflite_lengths": "24,96",
        "device": "cpu",
        "precision": "bfloat16",
        "teacher": str(tmp_path / "run" / "teacher"),
        "student": str(tmp_path / "best"),
        "steps": "40",
        "output_dir": str(tmp_path / "trained"),
    }


def test_another_part_starts_over(folder, tmp_path, commands):
    """And the user is told so."""
    best, left, said = tmp_path / "best", tmp_path / "trained" / "checkpoint", []

    def goes_on(steps):
        there, console = left.exists(), SimpleNamespace(say=said.append)
        train_on(RunConfig(steps=steps), folder, tmp_path, best, console)
        found = left.exists()
        assert any("starting it over" in text for text in said) == (there and not found)
        said.clear()
        left.touch()
        return found

    assert [goes_on(40), goes_on(40), goes_on(50)] == [False, True, False]
    (best / "model.safetensors").write_bytes(b"another part")
    assert [goes_on(50), goes_on(50)] == [False, True]
    with pytest.raises(UserError, match="ended with an error .exit code 1.: see above"):
        goes_on(13)


def test_recipes_that_train_parts_alone_do_not_go_on(folder, tmp_path):
    own = tmp_path / "own.py"
    own.write_text(
        "from tfdistill.distillation.phases import Phase, Recipe, Term\n"
        "from tfdistill.models.part_shapes import PartRanges\n"
        "phase = Phase('super', (Term('mlm', 1.0),), parts=PartRanges())\n"
        "mine = Recipe('mine', (phase,), source='my own')\n"
    )
    require_run(RunConfig(steps=5), folder)
    lines = flag_lines(RunConfig(recipe=f"{own}:mine"))
    (folder.parent / "flags.txt").write_text("\n".join(lines))
    with pytest.raises(UserError, match="would train parts of the part"):
        require_run(RunConfig(steps=5), folder)


@pytest.mark.parametrize(
    "kind, chip, words",
    [
        ("cpu", "here", ""),
        ("cpu", "", ""),
        ("cpu", "M9", "t.json has the times of another processor (M9): time"),
        ("wall", "", "t.json has the times of another device: time"),
    ],
)
def test_files_are_timed_on_the_processor_of_the_table_alone(
    kind, chip, words, tmp_path, monkeypatch
):
    monkeypatch.setattr(trained_part.hardware, "chip", lambda: "here")
    run = RunPaths(tmp_path)
    run.export.mkdir()
    (run.export / "student_int8.tflite").touch()
    latency = SimpleNamespace(
        variant="int8", model=SimpleNamespace(kind=kind, chip=chip, name="t.json")
    )
    found = trained_part._why_not_timed(run, latency)
    assert found.startswith(words) and bool(found) == bool(words)


def test_a_stop_is_handed_on(tmp_path, monkeypatch):
    """The training stores its state; the search ends after it."""
    monkeypatch.chdir(tmp_path)
    child = (
        "import pathlib, time\n"
        "try:\n    pathlib.Path('begun').touch()\n    time.sleep(60)\n"
        "except KeyboardInterrupt:\n    pathlib.Path('stored').touch()\n"
    )

    def stop():
        while not (tmp_path / "begun").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=stop).start()
    with (tmp_path / "log").open("w") as log, pytest.raises(KeyboardInterrupt):
        trained_part._run([sys.executable, "-c", child], log)
    assert (tmp_path / "stored").exists()
