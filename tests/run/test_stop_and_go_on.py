"""A run that is stopped again and again ends with the weights of an undisturbed run."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 300.0  # seconds for what takes a few
STEPS, INTERVAL = 200, 60
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
WAITS = "stopping after the checkpoint is written; a second Ctrl-C stops at once\n"
AS_IT_IS = ["-m", "tfdistill.train"]
# XLA takes much longer to compile a step than this run takes in all.
NOT_COMPILED = [
    "-c",
    "import dataclasses\n"
    "from tfdistill import train\n"
    "from tfdistill.system import devices\n"
    "prepare = devices.prepare\n"
    "devices.prepare = lambda *a: dataclasses.replace(prepare(*a), jit_compile=False)\n"
    "train.main()",
]


@pytest.fixture
def start(tiny_flags):
    """A function that starts a run in a folder; what still runs is killed at the end."""
    started = []

    def start(path, command, **more):
        flags = tiny_flags(
            output_dir=path,
            teacher_config="L-1_H-16_A-2",
            layerdrop=0.3,
            teacher_steps=STEPS,
            steps=STEPS,
            log_interval=7,
            checkpoint_interval=INTERVAL,
            validation_interval=90,
            **more,
        )
        process = subprocess.Popen(
            [sys.executable, *command, *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def done(path):
    return json.loads((path / "checkpoints" / "state.json").read_text())["done"]


def wait_until(true, process):
    """Waits until a condition holds while a process runs."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)


def stop_in(stage, signum, process, path):
    """Ends the run after a stage's first checkpoint; returns the step to continue from."""
    folder = path / "checkpoints" / stage
    before = set(folder.glob("step-*.safetensors"))
    wait_until(lambda: set(folder.glob("step-*.safetensors")) - before, process)
    os.killpg(process.pid, signum)
    _, err = process.communicate(timeout=PATIENCE)
    assert stage not in done(path)
    step = int(max(folder.glob("step-*.safetensors")).stem.removeprefix("step-"))
    if signum != signal.SIGKILL:
        last = f"stopped; the same command goes on from step {step} of {stage}\n"
        assert err.removeprefix(WAITS) == last  # without the first line if nothing is left to store
        assert process.returncode == CODES[signum]
    return step


def stop_at(text, signum, process, left):
    """Ends the run after a line of its output, in a stage without checkpoints."""
    line = next(line for line in process.stdout if text in line)
    os.killpg(process.pid, signum)
    _, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (CODES[signum], f"stopped; {left}\n"), line


def kill_at_once(process, path):
    """Kills the run while its teacher is made, before there is a checkpoint."""
    wait_until((path / "checkpoints" / "state.json").exists, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not list(path.rglob("step-*.safetensors"))


def finish(process):
    out, err = process.communicate(timeout=PATIENCE)
    few = "the files were compared with the model on only"  # so little held-out text
    wrong = [line for line in err.splitlines() if not line.startswith(few)]
    assert process.returncode == 0 and not wrong, err
    return out


def curve(path, stage):
    rows = (path / "checkpoints" / stage / "curve.jsonl").read_text().splitlines()
    clock = {"tokens_per_second": None, "wall_time": None}
    return [{**json.loads(row), **clock} for row in rows]


def assert_equal_runs(broken, whole, process, exact=True):
    """The models and curves of one run are those of another, whose process may still run."""
    wait_until(lambda: "student" in done(whole), process)
    for model in ("teacher", "student"):
        ours, theirs = (load_file(path / model / "model.safetensors") for path in (broken, whole))
        assert ours.keys() == theirs.keys()
        for name, value in theirs.items():
            np.testing.assert_allclose(ours[name], value, rtol=0, atol=0 if exact else 1e-4)
        if exact:
            assert curve(broken, model) == curve(whole, model)
    assert (broken / "metrics.json").is_file() and (broken / "report.html").is_file()


@pytest.mark.slow
def test_stopped_and_started_again(tmp_path, start):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    undisturbed = start(whole, NOT_COMPILED)
    step = stop_in("student", signal.SIGINT, start(broken, NOT_COMPILED), broken)
    assert INTERVAL <= step < STEPS
    assert f"student goes on from step {step}\n" in finish(start(broken, NOT_COMPILED))
    assert_equal_runs(broken, whole, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize(
    "command, flags",
    [
        pytest.param(NOT_COMPILED, {}, id="one device"),
        pytest.param(
            ["tests/run/run_on_devices.py", "2"],
            {"steps_per_execution": 4},
            id="two devices, several steps in a call",
        ),
    ],
)
def test_stopped_in_every_stage(command, flags, tmp_path, start):
    """Killed at its start, then stopped in both trainings, wherever it is."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    undisturbed = start(whole, command, **flags)
    kill_at_once(start(broken, command, **flags), broken)
    in_teacher = stop_in("teacher", signal.SIGINT, start(broken, command, **flags), broken)
    in_student = stop_in("student", signal.SIGTERM, start(broken, command, **flags), broken)
    assert INTERVAL <= in_teacher < STEPS and INTERVAL <= in_student < STEPS
    out = finish(start(broken, command, **flags))
    assert f"student goes on from step {in_student}\n" in out and "teacher goes on" not in out
    # Of two devices the last bits may be others once a teacher is read from the disk.
    assert_equal_runs(broken, whole, undisturbed, exact=command is NOT_COMPILED)


@pytest.mark.slow
def test_stopped_everywhere(tmp_path, start):
    """While it compiles, in both trainings, in the evaluation and in the export."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    undisturbed = start(whole, AS_IT_IS)
    goes_on = "the same command goes on after what is done: "
    trained = "prepare, teacher, start, student"
    stop_at("compiling", signal.SIGINT, start(broken, AS_IT_IS), f"{goes_on}prepare")
    stop_in("teacher", signal.SIGKILL, start(broken, AS_IT_IS), broken)
    stop_in("teacher", signal.SIGTERM, start(broken, AS_IT_IS), broken)
    stop_in("student", signal.SIGINT, start(broken, AS_IT_IS), broken)
    stop_at("loading the", signal.SIGTERM, start(broken, AS_IT_IS), f"{goes_on}{trained}")
    evaluated = f"{goes_on}{trained}, evaluate"
    stop_at("comparing student_int8", signal.SIGINT, start(broken, AS_IT_IS), evaluated)
    assert not (broken / "export").exists()
    finish(start(broken, AS_IT_IS))
    assert_equal_runs(broken, whole, undisturbed)
