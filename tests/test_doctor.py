"""The doctor's output and its exit code."""

import dataclasses
import json
import math

import pytest

from tfdistill.command_line.console import Console
from tfdistill.diagnosis import (
    batch_memory,
    examination,
    metal_audit,
    training_check,
    workloads,
)
from tfdistill.diagnosis.training_check import Course
from tfdistill.system import devices

STEP = "mlm/mlm/bert"


def small(monkeypatch):
    """Makes the examination smaller."""
    shape = dict(hidden_size=16, intermediate_size=32, num_hidden_layers=1)
    mini = workloads.MINI
    models = {
        name: dataclasses.replace(getattr(mini, name), **shape) for name in ("teacher", "student")
    }
    monkeypatch.setattr(workloads, "MINI", dataclasses.replace(mini, rows=8, length=16, **models))
    monkeypatch.setattr(training_check, "STEPS", 12)
    peaks = {6: 3.0e9, 12: 3.6e9, 128: 1.5e9, 384: 2.5e9}
    monkeypatch.setattr(batch_memory, "measure", lambda name, rows, choice: peaks[rows])


@pytest.mark.slow
def test_facts_of_this_machine(run_command, capsys):
    words = ("--device=cpu", "--precision=bfloat16", "--json")
    assert run_command("doctor", *words, patch=small) == 0
    out, err = capsys.readouterr()
    facts = json.loads(out)
    assert facts["right"] and facts["choice"]["reason"] == "requested"
    assert set(facts["training"]) == {"cpu, plain", "cpu, bfloat16"}
    assert 0 < facts["comparison"]["loss"] < 0.01
    assert facts["largest_batch"].keys() == {"mini", "BERT-base to 6 layers"}
    assert facts["versions"]["tensorflow"] in err and "computes on" in err
    assert facts["verdict"].partition(",")[0] in " ".join(err.split()) and "audit" not in facts
    assert facts["machine"]["memory"].endswith(" GB") and facts["machine"]["chip"]


def test_a_machine_that_trains_wrong(capsys):
    reference = Course((5.0, 4.0, 3.0), (1.0, 1.0, 1.0), 1000.0)
    broken = dataclasses.replace(reference, losses=(5.0, 4.0, math.nan))
    choice = devices.Choice("cpu", "bfloat16", False, False, 1, "requested")
    courses = {"cpu, plain": reference, "cpu, bfloat16": broken}
    facts = examination.judge_training(choice, courses, dict, Console())
    assert not facts["right"]
    out = " ".join(capsys.readouterr().out.split())
    assert "verdict: do not train with cpu, bfloat16:" in out and "Use" in out


def test_memory_that_cannot_be_measured(run_command, capsys):
    def failing(monkeypatch):
        small(monkeypatch)

        def measure(name, rows, choice):
            raise RuntimeError("Killed")

        monkeypatch.setattr(batch_memory, "measure", measure)

    assert run_command("doctor", "--device=cpu", patch=failing) == 0
    assert "not measured: Killed" in capsys.readouterr().out


def test_a_clean_audit(capsys):
    assert examination.audit_train_steps(Console(), [STEP]) == {STEP: []}
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith(STEP))
    name, operators, heavy, wrong = line.split()
    assert int(operators.replace(",", "")) > int(heavy.replace(",", "")) > 100 and wrong == "none"


def test_an_audit_with_a_finding(capsys):
    kernels = metal_audit.load_inventory()
    del kernels["ResourceApplyAdam"]
    audit = examination.audit_train_steps(Console(), [STEP], kernels)
    (finding,) = audit[STEP]
    assert finding["operator"] == "ResourceApplyAdam"
    assert "ResourceApplyAdam" in capsys.readouterr().out


def test_kernels_are_written_and_compared(run_command, capsys, tmp_path):
    """Missing kernels end the command with 1; how many are missing depends on TensorFlow."""
    file = tmp_path / "kernels.json"
    code = run_command("doctor", f"--metal-kernels={file}", "--json")
    out, err = capsys.readouterr()
    missing = json.loads(out)["kernels"]["DEFAULT"]
    assert code == (1 if missing else 0)
    assert "no tensorflow-metal here" in err and f"DEFAULT: {len(missing)} of" in err
    assert all(kernel in err for kernel in missing)
    # The file has the form of the inventory and could replace it.
    kernels = metal_audit.load_inventory(file)
    assert metal_audit.has_kernel("Reshape", {"T": "float32", "Tshape": "int32"}, kernels)


def test_a_file_that_cannot_be_written_is_one_line(run_command, capsys, tmp_path):
    assert run_command("doctor", f"--metal_kernels={tmp_path}") == 1
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.skipif("__import__('tensorflow').config.list_physical_devices('GPU')")
def test_no_gpu_is_one_line(run_command, capsys):
    assert run_command("doctor", "--device=gpu") == 1
    out, err = capsys.readouterr()
    (line,) = err.strip().splitlines()
    assert line.startswith("error: --device=gpu: TensorFlow sees no GPU")
    assert "tensorflow" in out  # versions are printed all the same
