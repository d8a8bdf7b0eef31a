"""The doctor's words and its exit code."""

import json

from tfdistill.diagnosis import metal_audit, train_steps

STEP = "mlm/mlm/bert"


def test_what_it_says_of_this_machine(run_command, capsys):
    assert run_command("doctor", "--device=cpu", "--json") == 0
    out, err = capsys.readouterr()
    facts = json.loads(out)
    assert facts["choice"]["device"] == "cpu" and facts["choice"]["reason"] == "asked for"
    assert facts["versions"]["tensorflow"] in err and "computes on" in err
    assert "audit" not in facts


def test_a_clean_audit(run_command, capsys):
    def one_step(monkeypatch):
        monkeypatch.setattr(train_steps, "names", lambda: [STEP])

    assert run_command("doctor", "--device=cpu", "--metal-audit", patch=one_step) == 0
    assert f"{STEP}: clean" in capsys.readouterr().out


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


def test_no_gpu_is_one_line(run_command, capsys):
    assert run_command("doctor", "--device=gpu") == 1
    out, err = capsys.readouterr()
    (line,) = err.strip().splitlines()
    assert line.startswith("error: --device=gpu: TensorFlow sees no GPU")
    assert "tensorflow" in out  # what is installed is said all the same
