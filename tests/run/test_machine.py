"""The device and precision of a run: chosen, checked, stored and used again."""

import dataclasses
import json
import sys
import types

import numpy as np
import pytest

from tfdistill.command_line.auto_check import find_problem
from tfdistill.command_line.console import Console
from tfdistill.command_line.run_config import RunConfig
from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.diagnosis import training_check, workloads
from tfdistill.run import auto_check, machine
from tfdistill.system import devices, hardware
from tfdistill.system.devices import Choice
from tfdistill.system.errors import NoGpuError, UserError
from tfdistill.train import COMMAND as TRAIN

ON_GPU = Choice("gpu", "bfloat16", True, False, 2, "CUDA, 2 GPUs")
NOT_ON_METAL = Choice("cpu", "float32", False, False, 1, "not on Metal: slow")
ON_METAL = Choice("gpu", "float32", False, True, 1, "Metal")


@pytest.fixture
def asked(monkeypatch):
    """The arguments of the last `devices.prepare`, which returns or raises `asked.answer`."""
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
        state = {"settings": {}, "done": {"prepare": {"machine": facts}} if facts else {}}
        (tmp_path / "checkpoints" / "state.json").write_text(json.dumps(state))
        return RunConfig(output_dir=str(tmp_path), **changes)

    return make


def test_a_new_run_chooses(asked, tmp_path):
    config = RunConfig(output_dir=str(tmp_path / "new"), device="cpu", precision="float16")
    assert machine.for_training(config, Console()) is ON_METAL
    assert (asked.device, asked.precision, asked.stored) == ("cpu", "float16", None)


@pytest.mark.parametrize("facts", [None, {"device": "cpu", "of": "an older version"}])
def test_a_run_without_a_stored_machine_chooses_again(asked, run_of, facts):
    machine.for_training(run_of(facts), Console())
    assert asked.stored is None


def test_a_run_that_continues_keeps_its_machine(asked, run_of):
    machine.for_training(run_of(dataclasses.asdict(ON_GPU)), Console())
    assert asked.stored == ON_GPU
    machine.for_training(run_of(dataclasses.asdict(ON_GPU), force=True), Console())
    assert asked.stored is None


def test_a_run_whose_gpu_is_gone(asked, run_of):
    asked.answer = NoGpuError("--device=gpu: TensorFlow sees no GPU")
    facts = dataclasses.asdict(ON_GPU)
    with pytest.raises(UserError, match="began on a GPU.*device=cpu continues without it"):
        machine.for_training(run_of(facts), Console())
    with pytest.raises(UserError, match="sees no GPU"):  # --device=gpu was given
        machine.for_training(run_of(facts, device="gpu"), Console())


def test_a_broken_installation_is_not_a_missing_gpu(asked, run_of):
    asked.answer = UserError("tensorflow-metal 1.2.0 does not load with TensorFlow 2.21.0")
    with pytest.raises(UserError, match="does not load"):
        machine.for_training(run_of(dataclasses.asdict(ON_METAL)), Console())


@pytest.mark.parametrize(
    "facts, used",
    [(None, False), (ON_METAL, True), (NOT_ON_METAL, False), (ON_GPU, False)],
)
def test_commands_that_train_nothing_take_metal_only_after_a_run(asked, run_of, facts, used):
    machine.for_looking(run_of(facts and dataclasses.asdict(facts)))
    assert asked.precision == "float32" and asked.stored is None
    assert (asked.problem(ON_METAL) == "") == used


# -- the check before "auto" takes Metal or bfloat16


@pytest.fixture
def check(monkeypatch, tmp_path):
    """A function of a config, a candidate and facts of the machine to the problem.

    The processes that it would start give `check.results`, in turn.
    """
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    commands, results = [], []

    def run(command):
        commands.append(command)
        return results.pop(0)

    def problem(config, candidate, **machine):
        facts = {"chip": "Apple M1", "versions": {"python": "3.12.1"}} | machine
        return auto_check.problem(config, Console(), candidate, facts, run)

    problem.commands, problem.results = commands, results
    return problem


def test_metal_is_checked_once(check, capsys):
    check.results.append(("", True))
    for _ in range(2):
        assert check(RunConfig(), ON_METAL) == ""
    assert len(check.commands) == 1 and "comparing Metal" in capsys.readouterr().out
    assert "--length=128" in check.commands[0]


@pytest.mark.parametrize(
    "settings, machine",
    [
        (dict(length=64), {}),
        (dict(alpha_ce=0.0), {}),
        (dict(tokenizer="another"), {}),
        ({}, dict(versions={"python": "3.12.2"})),
        ({}, dict(chip="Apple M2")),
    ],
)
def test_another_shape_version_or_machine_is_checked_again(check, settings, machine):
    check.results += [("", True), ("the CPU is faster", True)]
    assert check(RunConfig(), ON_METAL) == ""
    for _ in range(2):  # this result is stored too
        assert check(RunConfig(**settings), ON_METAL, **machine) == "the CPU is faster"


def test_settings_that_do_not_change_a_step_are_not_checked_again(check):
    check.results.append(("", True))
    for config in (RunConfig(), RunConfig(seed=3, output_dir="elsewhere", steps=7)):
        assert check(config, ON_METAL) == ""


@pytest.mark.parametrize("setting", ["teacher", "student"])
def test_another_model_of_the_same_shape_is_not_checked_again(setting, check, tmp_path):
    """As a fine-tuned teacher, whose folder is another, and which names its classes."""
    check.results += [("", True), ("the CPU is faster", True)]
    folders = {}
    for name, width, labels in (("one", 64, {}), ("same", 64, {"0": "no"}), ("wide", 128, {})):
        folders[name] = tmp_path / name
        folders[name].mkdir()
        values = {"model_type": "bert", "hidden_size": width, "num_attention_heads": 2}
        (folders[name] / "config.json").write_text(json.dumps(values | {"id2label": labels}))
    found = [check(RunConfig(**{setting: str(folder)}), ON_METAL) for folder in folders.values()]
    assert found == ["", "", "the CPU is faster"]


def test_bfloat16_is_checked_apart_from_metal(check, capsys):
    check.results += [("float32 is faster", True), ("", True)]
    bfloat16 = Choice("cpu", "bfloat16", False, False, 1, "a candidate")
    trials = (bfloat16, "float32 is faster", "precision=float32"), (ON_METAL, "", "device=cpu")
    for candidate, expected, without in trials:
        assert check(RunConfig(), candidate) == expected
        line = f"--device={candidate.device}", f"--precision={candidate.precision}"
        assert set(line) < set(check.commands[-1])
        assert f"size; --{without} starts without it\n" in capsys.readouterr().out


def test_a_crashed_check_is_not_stored(check):
    check.results += [("its check ended with code -6", False), ("", True)]
    assert check(RunConfig(), ON_METAL) == "its check ended with code -6"
    assert check(RunConfig(), ON_METAL) == ""


def test_results_are_stored_in_the_home_folder_by_default(check, monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    check.results.append(("", True))
    check(RunConfig(), ON_METAL)
    assert len(list((tmp_path / ".cache" / "tfdistill").glob("metal-*.json"))) == 1


@pytest.mark.parametrize(
    "code, result",
    [
        ("print('noise'); print('{\"problem\": \"slow\"}')", ("slow", True)),
        (
            "import sys; sys.exit('noise\\nabort: Metal is gone')",
            ("its check ended with code 1. abort: Metal is gone", False),
        ),
        ("import os; os.abort()", ("its check ended with code -6.", False)),
    ],
)
def test_the_process_of_a_check(code, result):
    assert auto_check.run_check([sys.executable, "-c", code]) == result


def test_a_check_that_hangs():
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    assert auto_check.run_check(command, patience=0.5) == (
        "its check did not end in 0 minutes",
        True,
    )


@pytest.mark.slow
def test_the_comparison_with_metal(tiny_flags):
    """On the operators for Metal, computed by the CPU; small models and a few steps."""
    as_metal = Choice("cpu", "float32", False, True, 1, "stands for Metal")
    config = TRAIN.config(tiny_flags())
    pace, factors, done = {"gpu": 200.0}, {}, {}

    def train(workload, batches, way, steps):
        key = workload.name, way.choice.device
        if key not in done:
            if workload.name == "mini":
                small = dict(hidden_size=16, intermediate_size=16, num_hidden_layers=1)
                shapes = {
                    name: dataclasses.replace(getattr(workload, name), **small)
                    for name in ("teacher", "student")
                }
                workload = dataclasses.replace(workload, **shapes, rows=8, length=16)
                batches = workloads.batches(workload, load_tokenizer())
            if way.choice.on_metal:
                way = training_check.Way(way.name, as_metal)
            done[key] = training_check.train(workload, batches, way, 4)
        course = done[key]
        losses = tuple(factors.get(key, 1.0) * loss for loss in course.losses)
        tokens_per_second = pace.get(key[1], 100.0)
        return dataclasses.replace(course, losses=losses, tokens_per_second=tokens_per_second)

    assert find_problem(config, ON_METAL, train) == ""
    pace["gpu"] = 50.0
    slower = "slower than the CPU at this size, 50 tokens/s against 100"
    assert find_problem(config, ON_METAL, train) == slower
    for workload in ("this run", "mini"):
        factors.clear()
        factors[workload, "gpu"] = 1.1
        differs = "its loss differs by 10.00%, more than 0.1%"
        assert find_problem(config, ON_METAL, train) == differs


def test_the_comparison_of_bfloat16_with_float32(tiny_flags):
    """The run's own steps come first, because they may decide."""
    pace, trained = {"float32": 100.0, "bfloat16": 50.0}, []
    losses, dropouts = {}, {}
    config = TRAIN.config(tiny_flags(dropout=0.3))

    def train(workload, batches, way, steps):
        key = workload.name, way.choice.precision
        trained.append((*key, way.choice.jit_compile))
        dropouts[workload.name] = workload.student.hidden_dropout_prob
        loss = losses.get(key, 2.0)
        return training_check.Course((loss,) * steps, (1.0,) * steps, pace[way.choice.precision])

    def problem():
        trained.clear()
        bfloat16 = Choice("cpu", "bfloat16", False, False, 1, "a candidate")
        return find_problem(config, bfloat16, train)

    xla = hardware.this_platform().system != "Darwin"
    assert problem() == "not clearly faster than float32 at this size, 50 tokens/s against 100"
    assert trained == [("this run", "float32", xla), ("this run", "bfloat16", False)]
    pace["bfloat16"] = 105.0
    assert problem() == "not clearly faster than float32 at this size, 105 tokens/s against 100"
    pace["bfloat16"] = 200.0
    assert problem() == ""
    assert trained[2:] == [("mini", "float32", xla), ("mini", "bfloat16", False)]
    assert dropouts == {"this run": 0.3, "mini": 0.1}
    for workload in ("this run", "mini"):
        losses.clear()
        losses[workload, "bfloat16"] = 2.5
        assert problem() == "its loss differs by 25.00%, more than 1.0%"


@pytest.fixture(scope="module")
def labelled_config(tiny_flags, user_folder, write_data, tmp_path_factory):
    """A function of a task to the config of a run on its examples."""
    folder = tmp_path_factory.mktemp("labelled")
    words = "the whale ship sea and boat old man captain of".split()

    def make(task, **changes):
        teacher = str(user_folder / "runs" / "mini" / "teacher")
        usual = dict(task=task, train_data=write_data[task](folder / task, words), teacher=teacher)
        none = "corpus tokenizer steps teacher_steps teacher_config layerdrop".split()
        usual |= dict.fromkeys(none) | dict(length=24, doc_stride=6)
        return TRAIN.config(tiny_flags(**usual | changes))

    return make


@pytest.mark.slow
def test_a_task_with_labels_is_compared_by_its_own_steps(labelled_config):
    seen = []

    def train(workload, batches, way, steps):
        seen.append((workload, batches.at(0), way.choice.precision))
        pace = 200.0 if way.choice.precision == "bfloat16" else 100.0
        return training_check.Course((2.0,) * steps, (1.0,) * steps, pace)

    bfloat16 = Choice("cpu", "bfloat16", False, False, 1, "a candidate")
    assert find_problem(labelled_config("token_classification"), bfloat16, train) == ""
    (run, batch, _), (_, again, _), (mini, *_), _ = seen
    assert run.task.name == "token_classification" and run.task.labels_names == ("B-SEA", "O")
    assert mini == workloads.MINI
    assert batch["cached/logits"].shape == (*batch["labels"].shape, 2)
    assert all(np.array_equal(batch[name], again[name]) for name in batch)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["kd", "pkd"])
@pytest.mark.parametrize(
    "task",
    ["text_classification", "regression", "token_classification", "question_answering"],
)
def test_steps_of_tasks_with_labels(task, recipe, labelled_config):
    # One of the losses of pkd leaves out the last layer.
    config = labelled_config(task, recipe=recipe, student_config="L-2_H-16_A-2")
    found = []

    def train(workload, batches, way, steps):
        if workload.name == "this run":
            found.append(training_check.train(workload, batches, way, 2))
        return training_check.Course((2.0,) * steps, (1.0,) * steps, 100.0)

    as_metal = Choice("cpu", "float32", False, True, 1, "stands for Metal")
    assert find_problem(config, as_metal, train) == ""
    assert len(found) == 2 and all(course.is_finite for course in found)
    assert found[0].losses == pytest.approx(found[1].losses, rel=1e-3)


def test_tasks_are_checked_apart(check):
    check.results += [("", True), ("the CPU is faster", True)]
    assert check(RunConfig(task="regression"), ON_METAL) == ""
    assert check(RunConfig(task="text_classification"), ON_METAL) == "the CPU is faster"
    assert "--task=text_classification" in check.commands[1]


@pytest.mark.slow
@pytest.mark.parametrize("kind, shape", [("bilstm", "H-8_F-8"), ("static", "H-8")])
def test_steps_of_students_without_attention(kind, shape, labelled_config):
    changes = dict(student_type=kind, student_config=shape, recipe="kd", student_init=None)
    config, found = labelled_config("text_classification", **changes), []

    def train(workload, batches, way, steps):
        if workload.name == "this run":
            found.append(training_check.train(workload, batches, way, 2))
        return training_check.Course((2.0,) * steps, (1.0,) * steps, 200.0 / (1 + len(found) % 2))

    bfloat16 = Choice("cpu", "bfloat16", False, False, 1, "a candidate")
    assert find_problem(config, bfloat16, train) == ""
    assert found[0].losses == pytest.approx(found[1].losses, rel=0.02)
