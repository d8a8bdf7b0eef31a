"""What a run began with is stored and used again; what nobody has looked at is not used."""

import dataclasses
import json
import subprocess
import types

import pytest

from tfdistill.command_line import auto_check as check_command
from tfdistill.command_line.console import Console
from tfdistill.command_line.run_config import RunConfig
from tfdistill.run import auto_check, machine
from tfdistill.system import devices, hardware
from tfdistill.system.devices import Choice
from tfdistill.system.errors import NoGpuError, UserError

ON_GPU = Choice("gpu", "bfloat16", True, False, 2, "CUDA, 2 GPUs")
NOT_ON_METAL = Choice("cpu", "float32", False, False, 1, "not on Metal: slow")
ON_METAL = Choice("gpu", "float32", False, True, 1, "Metal")


@pytest.fixture
def asked(monkeypatch):
    """What `devices.prepare` is asked for; it answers, or fails, with `asked.answer`."""
    asked = types.SimpleNamespace(answer=ON_METAL)

    def prepare(device="auto", precision="auto", stored=None, problem=None):
        asked.device, asked.precision, asked.stored = device, precision, stored
        asked.problem = problem
        if isinstance(asked.answer, Exception):
            raise asked.answer
        return asked.answer

    monkeypatch.setattr(devices, "prepare", prepare)
    return asked


@pytest.fixture
def run_of(tmp_path):
    """A function of the stored machine to the config of that run."""

    def make(facts, **changes):
        (tmp_path / "checkpoints").mkdir(exist_ok=True)
        state = {"done": {"prepare": {"machine": facts}} if facts else {}}
        (tmp_path / "checkpoints" / "state.json").write_text(json.dumps(state))
        return RunConfig(output_dir=str(tmp_path), **changes)

    return make


def test_a_new_run_chooses(asked, tmp_path):
    config = RunConfig(output_dir=str(tmp_path / "new"), device="cpu", precision="float16")
    assert machine.for_training(config, Console()) is ON_METAL
    assert (asked.device, asked.precision, asked.stored) == ("cpu", "float16", None)


@pytest.mark.parametrize("facts", [None, {"device": "cpu", "of": "an older version"}])
def test_a_run_that_stored_nothing_chooses_too(asked, run_of, facts):
    machine.for_training(run_of(facts), Console())
    assert asked.stored is None


def test_a_run_that_goes_on_asks_for_what_it_began_with(asked, run_of):
    machine.for_training(run_of(dataclasses.asdict(ON_GPU)), Console())
    assert asked.stored == ON_GPU
    machine.for_training(run_of(dataclasses.asdict(ON_GPU), force=True), Console())
    assert asked.stored is None


def test_its_gpu_is_gone(asked, run_of):
    asked.answer = NoGpuError("--device=gpu: TensorFlow sees no GPU")
    facts = dataclasses.asdict(ON_GPU)
    with pytest.raises(UserError, match="begun on a GPU.*device=cpu goes on without it"):
        machine.for_training(run_of(facts), Console())
    with pytest.raises(UserError, match="sees no GPU"):  # it was asked for in so many words
        machine.for_training(run_of(facts, device="gpu"), Console())


def test_an_installation_that_is_broken_is_not_a_gpu_that_is_gone(asked, run_of):
    asked.answer = UserError("tensorflow-metal 1.2.0 does not load with TensorFlow 2.21.0")
    with pytest.raises(UserError, match="does not load"):
        machine.for_training(run_of(dataclasses.asdict(ON_METAL)), Console())


@pytest.mark.parametrize(
    "facts, used",
    [(None, False), (ON_METAL, True), (NOT_ON_METAL, False), (ON_GPU, False)],
)
def test_looking_takes_metal_where_a_run_has(asked, run_of, facts, used):
    machine.for_looking(run_of(facts and dataclasses.asdict(facts)))
    assert asked.precision == "float32" and asked.stored is None
    assert (asked.problem(ON_METAL) == "") == used


# -- the check of what "auto" could take


@pytest.fixture
def mac(monkeypatch, tmp_path):
    """A Mac whose check answers with `mac.answers`, in turn; counts the questions."""
    mac = types.SimpleNamespace(answers=[], commands=[])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(hardware, "chip", lambda: "Apple M1")

    def run(command, **_):
        mac.commands.append(command)
        code, out, err = mac.answers.pop(0)
        return types.SimpleNamespace(returncode=code, stdout=out, stderr=err)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(hardware, "versions", lambda: {"python": "3.12.1"})
    return mac


def answer(problem):
    return 0, "a word of TensorFlow's\n" + json.dumps({"problem": problem}) + "\n", ""


def test_metal_is_asked_once(mac, capsys):
    mac.answers = [answer("")]
    for _ in range(2):
        assert auto_check.problem(RunConfig(), Console(), ON_METAL) == ""
    assert len(mac.commands) == 1 and "comparing Metal" in capsys.readouterr().out
    assert "--length=128" in mac.commands[0]


@pytest.mark.parametrize("change", ["length", "alpha_ce", "tokenizer", "versions", "chip"])
def test_and_again_for_another_shape_version_or_machine(mac, monkeypatch, change):
    mac.answers = [answer(""), answer("the CPU is faster")]
    assert auto_check.problem(RunConfig(), Console(), ON_METAL) == ""
    changes = {"length": 64, "alpha_ce": 0.0, "tokenizer": "another"}
    config = RunConfig(**{name: value for name, value in changes.items() if name == change})
    if change == "versions":
        monkeypatch.setattr(hardware, "versions", lambda: {"python": "3.12.2"})
    if change == "chip":
        monkeypatch.setattr(hardware, "chip", lambda: "Apple M2")
    assert auto_check.problem(config, Console(), ON_METAL) == "the CPU is faster"
    assert auto_check.problem(config, Console(), ON_METAL) == "the CPU is faster"  # kept too


def test_what_does_not_change_a_step_is_not_asked_again(mac):
    mac.answers = [answer("")]
    for config in (RunConfig(), RunConfig(seed=3, output_dir="elsewhere", steps=7)):
        assert auto_check.problem(config, Console(), ON_METAL) == ""


def test_bfloat16_is_another_question(mac):
    mac.answers = [answer("float32 is faster"), answer("")]
    bfloat16 = Choice("cpu", "bfloat16", False, False, 1, "a candidate")
    for candidate, expected in ((bfloat16, "float32 is faster"), (ON_METAL, "")):
        assert auto_check.problem(RunConfig(), Console(), candidate) == expected
        line = f"--device={candidate.device}", f"--precision={candidate.precision}"
        assert set(line) < set(mac.commands[-1])


def test_a_check_that_crashes_says_so_and_is_not_kept(mac):
    mac.answers = [(-6, "", "noise\nabort: Metal is gone\n"), answer("")]
    found = auto_check.problem(RunConfig(), Console(), ON_METAL)
    assert found == "its check ended with code -6. abort: Metal is gone"
    assert auto_check.problem(RunConfig(), Console(), ON_METAL) == ""


def test_a_check_that_hangs(mac, monkeypatch):
    def hangs(command, timeout, **_):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", hangs)
    assert (
        auto_check.problem(RunConfig(), Console(), ON_METAL)
        == "its check did not end in 60 minutes"
    )
    monkeypatch.undo()


@pytest.mark.slow
def test_the_check_itself(run_command, tiny_flags, capsys, monkeypatch):
    """On the operators of Metal, computed by the CPU; a few steps, to be quick."""
    from tfdistill.diagnosis import training_check, workloads

    shape = {"rows": 8, "length": 16}
    small = {
        name: dataclasses.replace(
            getattr(workloads.MINI, name), hidden_size=16, intermediate_size=16, num_hidden_layers=1
        )
        for name in ("teacher", "student")
    }
    monkeypatch.setattr(training_check, "STEPS", 4)
    monkeypatch.setattr(check_command, "SPEED_STEPS", 2)
    monkeypatch.setattr(workloads, "MINI", dataclasses.replace(workloads.MINI, **shape, **small))
    as_metal = Choice("cpu", "float32", False, True, 1, "stands for Metal")

    def ways(choice):
        assert choice.device == "gpu"
        reference, _ = real_ways(ON_METAL)
        return [reference, training_check.Way("metal", as_metal)]

    real_ways = training_check.ways
    pace, factors, done = {"metal": 200.0}, {}, {}
    real_train = training_check.train

    def train(workload, batches, way, steps):
        key = workload.name, way.name
        if key not in done:
            done[key] = real_train(workload, batches, way, steps)
        course = done[key]
        losses = tuple(factors.get(key, 1.0) * loss for loss in course.losses)
        tokens_per_second = pace.get(way.name, 100.0)
        return dataclasses.replace(course, losses=losses, tokens_per_second=tokens_per_second)

    def patch(monkeypatch):
        monkeypatch.setattr(devices, "prepare", lambda *_: ON_METAL)
        monkeypatch.setattr(training_check, "ways", ways)
        monkeypatch.setattr(training_check, "train", train)

    def problem():
        assert run_command("command_line.auto_check", *tiny_flags(), patch=patch) == 0
        return json.loads(capsys.readouterr().out.splitlines()[-1])["problem"]

    assert problem() == ""
    pace["metal"] = 50.0
    assert problem() == "slower than the CPU at this size, 50 tokens/s against 100"
    for workload in ("this run", "mini"):
        factors.clear()
        factors[workload, "metal"] = 1.1
        assert problem() == "its loss differs by 10.00%, more than 0.1%"


def test_the_check_of_bfloat16_on_a_cpu(run_command, tiny_flags, capsys):
    """Beside what would be taken instead; the run's own steps first, since they may end it."""
    from tfdistill.diagnosis import training_check

    pace, asked = {"float32": 100.0, "bfloat16": 50.0}, []
    losses, dropouts = {}, {}

    def train(workload, batches, way, steps):
        key = workload.name, way.choice.precision
        asked.append((*key, way.choice.jit_compile))
        dropouts[workload.name] = workload.student.hidden_dropout_prob
        loss = losses.get(key, 2.0)
        return training_check.Course((loss,) * steps, (1.0,) * steps, pace[way.choice.precision])

    def patch(monkeypatch):
        bfloat16 = Choice("cpu", "bfloat16", False, False, 1, "a candidate")
        monkeypatch.setattr(devices, "prepare", lambda *_: bfloat16)
        monkeypatch.setattr(training_check, "train", train)

    def problem():
        asked.clear()
        assert run_command("command_line.auto_check", *tiny_flags(dropout=0.3), patch=patch) == 0
        return json.loads(capsys.readouterr().out.splitlines()[-1])["problem"]

    xla = hardware.this_platform().system != "Darwin"
    assert problem() == "not clearly faster than float32 at this size, 50 tokens/s against 100"
    assert asked == [("this run", "float32", xla), ("this run", "bfloat16", False)]
    pace["bfloat16"] = 105.0
    assert problem() == "not clearly faster than float32 at this size, 105 tokens/s against 100"
    pace["bfloat16"] = 200.0
    assert problem() == ""
    assert asked[2:] == [("mini", "float32", xla), ("mini", "bfloat16", False)]
    assert dropouts == {"this run": 0.3, "mini": 0.1}  # its steps as they will be
    for workload in ("this run", "mini"):
        losses.clear()
        losses[workload, "bfloat16"] = 2.5
        assert problem() == "its loss differs by 25.00%, more than 1.0%"


def test_the_cache_is_in_the_home_folder_by_default(mac, monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    mac.answers = [answer("")]
    auto_check.problem(RunConfig(), Console(), ON_METAL)
    assert len(list((tmp_path / ".cache" / "tfdistill").glob("metal-*.json"))) == 1
