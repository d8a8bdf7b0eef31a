"""A run that is killed twice ends with the weights of one that was left alone."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 300.0  # seconds for what takes a few
STEPS, INTERVAL = 60, 5
AS_IT_IS = ["-m", "tfdistill.train"]
# XLA takes much longer to compile a step than this run takes in all.
NOT_COMPILED = [
    "-c",
    "import dataclasses\n"
    "from tfdistill import devices, train\n"
    "prepare = devices.prepare\n"
    "devices.prepare = lambda *a: dataclasses.replace(prepare(*a), jit_compile=False)\n"
    "train.main()",
]


@pytest.fixture
def start(tiny_flags):
    """A function that starts a run in a folder; what still runs is killed at the end."""
    started = []

    def start(path, command):
        flags = tiny_flags(
            output_dir=path,
            teacher_config="L-1_H-16_A-2",
            layerdrop=0.3,
            teacher_steps=STEPS,
            steps=STEPS,
            log_interval=3,
            checkpoint_interval=INTERVAL,
            validation_interval=30,
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


def kill_in(stage, process, path, checkpoints):
    """Kills the run once this many checkpoints of a stage were written; returns the last's step."""
    deadline = time.monotonic() + PATIENCE
    folder = path / "checkpoints" / stage
    seen = set()
    while len(seen) < checkpoints:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        seen.update(file.name for file in folder.glob("step-*.safetensors"))
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert stage not in done(path)
    return int(max(folder.glob("step-*.safetensors")).stem.removeprefix("step-"))


def kill_at_once(process, path):
    """Kills the run while its teacher is made, before there is a checkpoint."""
    deadline = time.monotonic() + PATIENCE
    while not (path / "checkpoints" / "state.json").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not list(path.rglob("step-*.safetensors"))


def finish(process):
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0 and err == "", err
    return out


def wait_for(stage, process, path):
    deadline = time.monotonic() + PATIENCE
    while stage not in done(path):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def curve(path, stage):
    rows = (path / "checkpoints" / stage / "curve.jsonl").read_text().splitlines()
    return [{**json.loads(row), "tokens_per_second": None} for row in rows]


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(NOT_COMPILED, id="not compiled"),
        pytest.param(AS_IT_IS, id="as it is", marks=pytest.mark.slow),
    ],
)
def test_killed_and_started_again(command, tmp_path, start):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    undisturbed = start(whole, command)
    kill_at_once(start(broken, command), broken)
    in_teacher = kill_in("teacher", start(broken, command), broken, 2)
    in_student = kill_in("student", start(broken, command), broken, 3)
    assert 0 < in_teacher < STEPS and 0 < in_student < STEPS
    out = finish(start(broken, command))
    wait_for("student", undisturbed, whole)
    assert f"student goes on from step {in_student}\n" in out and "teacher goes on" not in out
    for model in ("teacher", "student"):
        ours, theirs = (
            (path / model / "model.safetensors").read_bytes() for path in (broken, whole)
        )
        assert ours == theirs
        assert curve(broken, model) == curve(whole, model)
    assert (broken / "metrics.json").is_file() and (broken / "report.html").is_file()
