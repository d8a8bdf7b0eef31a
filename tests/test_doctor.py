"""The doctor's words and its exit code."""

import dataclasses
import json
import math

import pytest

from tfdistill.diagnosis import (
    batch_memory,
    metal_audit,
    registered_kernels,
    train_steps,
    training_check,
    workloads,
)

STEP = "mlm/mlm/bert"


def small(monkeypatch):
    """The same examination, of a smaller model."""
    shape = dict(hidden_size=16, intermediate_size=32, num_hidden_layers=1)
    mini = workloads.MINI
    models = {
        name: dataclasses.replace(getattr(mini, name), **shape) for name in ("teacher", "student")
    }
    monkeypatch.setattr(workloads, "MINI", dataclasses.replace(mini, rows=8, length=16, **models))
    monkeypatch.setattr(training_check, "STEPS", 12)
    peaks = {6: 3.0e9, 12: 3.6e9, 128: 1.5e9, 384: 2.5e9}
    monkeypatch.setattr(batch_memory, "measure", lambda name, rows, choice: peaks[rows])


def test_what_it_says_of_this_machine(run_command, capsys):
    words = ("--device=cpu", "--precision=bfloat16", "--json")
    assert run_command("doctor", *words, patch=small) == 0
    out, err = capsys.readouterr()
    facts = json.loads(out)
    assert facts["right"] and facts["choice"]["reason"] == "asked for"
    assert set(facts["training"]) == {"cpu, plain", "cpu, bfloat16"}
    assert 0 < facts["comparison"]["loss"] < 0.01
    assert facts["largest_batch"].keys() == {"mini", "BERT-base to 6 layers"}
    assert facts["versions"]["tensorflow"] in err and "computes on" in err
    assert facts["verdict"] in " ".join(err.split()) and "audit" not in facts
    assert facts["machine"]["memory"].endswith(" GB") and facts["machine"]["chip"]


def test_a_machine_that_is_wrong(run_command, capsys):
    def faulty(monkeypatch):
        small(monkeypatch)
        real = training_check.train

        def train(workload, batches, way, *rest):
            course = real(workload, batches, way, *rest)
            if way.name == "cpu, plain":
                return course
            return dataclasses.replace(course, losses=(*course.losses[:-1], math.nan))

        monkeypatch.setattr(training_check, "train", train)

    assert run_command("doctor", "--device=cpu", "--precision=bfloat16", patch=faulty) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "verdict: do not train with cpu, bfloat16: it computes numbers that are none" in out


def test_memory_that_cannot_be_measured(run_command, capsys):
    def failing(monkeypatch):
        small(monkeypatch)

        def measure(name, rows, choice):
            raise RuntimeError("Killed")

        monkeypatch.setattr(batch_memory, "measure", measure)

    assert run_command("doctor", "--device=cpu", patch=failing) == 0
    assert "not measured: Killed" in capsys.readouterr().out


def test_a_clean_audit(run_command, capsys):
    def one_step(monkeypatch):
        monkeypatch.setattr(train_steps, "names", lambda: [STEP])

    assert run_command("doctor", "--device=cpu", "--metal-audit", patch=one_step) == 0
    out = capsys.readouterr().out
    (line,) = (line for line in out.splitlines() if line.startswith(STEP))
    name, operators, heavy, wrong = line.split()
    assert int(operators.replace(",", "")) > int(heavy.replace(",", "")) > 100 and wrong == "none"
    assert "verdict" not in out


def test_an_audit_that_finds_something_ends_with_an_error_code(run_command, capsys):
    def without_a_kernel(monkeypatch):
        kernels = metal_audit.load_inventory()
        del kernels["ResourceApplyAdam"]
        monkeypatch.setattr(train_steps, "names", lambda: [STEP])
        monkeypatch.setattr(metal_audit, "load_inventory", lambda: kernels)

    words = ("--device=cpu", "--metal_audit", "--json")
    assert run_command("doctor", *words, patch=without_a_kernel) == 1
    out, err = capsys.readouterr()
    (finding,) = json.loads(out)["audit"][STEP]
    assert finding["operator"] == "ResourceApplyAdam" and "ResourceApplyAdam" in err


def test_the_kernels_are_written(run_command, capsys, tmp_path):
    file = tmp_path / "kernels.json"

    def all_there(monkeypatch):
        monkeypatch.setattr(registered_kernels, "missing", lambda expected, found: [])

    assert run_command("doctor", f"--metal-kernels={file}", patch=all_there) == 0
    assert "no tensorflow-metal here" in capsys.readouterr().out
    # In the form of the inventory: it could take its place.
    kernels = metal_audit.load_inventory(file)
    assert metal_audit.has_kernel("Reshape", {"T": "float32", "Tshape": "int32"}, kernels)


def test_kernels_that_are_missing_end_with_an_error_code(run_command, capsys, tmp_path):
    def one_is_missing(monkeypatch):
        monkeypatch.setattr(registered_kernels, "missing", lambda expected, found: ["While"])

    words = f"--metal_kernels={tmp_path / 'kernels.json'}", "--json"
    assert run_command("doctor", *words, patch=one_is_missing) == 1
    assert json.loads(capsys.readouterr().out)["kernels"] == {"DEFAULT": ["While"]}


def test_a_file_that_cannot_be_written_is_one_line(run_command, capsys, tmp_path):
    assert run_command("doctor", f"--metal_kernels={tmp_path}") == 1
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.skipif("__import__('tensorflow').config.list_physical_devices('GPU')")
def test_no_gpu_is_one_line(run_command, capsys):
    assert run_command("doctor", "--device=gpu") == 1
    out, err = capsys.readouterr()
    (line,) = err.strip().splitlines()
    assert line.startswith("error: --device=gpu: TensorFlow sees no GPU")
    assert "tensorflow" in out  # what is installed is said all the same
