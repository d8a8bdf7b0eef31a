"""Advice on a slow run: each setting where it saves time, and why not where it would not."""

import json

import pytest

from tfdistill import tasks
from tfdistill.command_line.run_config import RunConfig
from tfdistill.run.directory import RunPaths
from tfdistill.run.finished_advice import Finished
from tfdistill.run.run_problems import problems_of
from tfdistill.system import hardware

CPU = {"device": "cpu", "precision": "float32", "on_metal": False, "reason": "requested"}
SIZES = {"vocab_size": 100, "hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64}
CACHED = "teacher_cache"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A function of a task, seconds and settings to a slow run on a CPU, with a given teacher."""

    def make(task="text_classification", seconds=(), machine=(), steps=400, units=True, **settings):
        monkeypatch.setattr(hardware, "has_bfloat16_units", lambda: units)
        for name, layers in {"teacher": 4, "student": 2}.items():
            (tmp_path / name).mkdir(exist_ok=True)
            config = json.dumps(SIZES | {"model_type": "bert", "num_hidden_layers": layers})
            (tmp_path / name / "config.json").write_text(config)
        task = tasks.get(task)
        lead = 0.1 if task.primary.higher_is_better else -0.1
        better = {task.primary.key: {"value": lead, "standard_error": 0.01}}
        metrics = {
            "models": {"student": {}},
            "differences": {
                f"teacher-{task.floor_key}": better,
                f"student-{task.same_start_key}": better,
            },
            "verdict": {},
            "made_from": {"task": task.name, "reads_teacher": True},
            "export": {},
            "seconds": {"answers": 20.0, "student": 800.0} | dict(seconds),
            "run": {
                "learning_rates": {"student": 1e-4},
                "machine": CPU | dict(machine),
                "steps": {"student": steps},
                "rows_in_a_step": 32,
                "tokens_in_a_row": 64,
                "corpus": {"splits": {"train": {"tokens": 204_800}}},  # 100 steps of 2,048
            },
        }
        if task.kind:
            splits = {"train": {"tokens_max": 40}, "test": {"tokens_max": 33}}
            metrics["data"] = {"kind": task.kind, "splits": splits}
        usual = dict(recipe="kd", length=64, tflite_variants="float32")
        config = RunConfig(task=task.name, **usual | settings)
        return Finished(RunPaths(tmp_path), metrics, task, config, {"student": []})

    return make


def only(run):
    """(change, why) of the run's only problem."""
    (problem,) = problems_of(run)
    assert problem.name == "slow"
    return problem.change, problem.why


def test_a_teacher_that_was_fine_tuned_is_taken_as_it_is(run):
    slow = run(seconds={"teacher": 2000.0, "student": 900.0})
    slow.metrics["run"]["learning_rates"]["teacher"] = 1e-4
    (problem,) = problems_of(slow)
    assert "48 min 40 s in all: teacher 33 min 20 s" in problem.finding
    assert problem.change == {"teacher": str(slow.paths.teacher)}
    assert problems_of(run(seconds={"student": 500.0})) == []


def test_bfloat16_where_the_processor_has_units(run):
    """The teacher was given, and float32 asked for."""
    change, why = only(run(precision="float32"))
    assert change == {"precision": "bfloat16"} and "has units for bfloat16" in why
    change, why = only(run(precision="float32", units=False))
    assert change == {} and "this processor has no units for it" in why
    measured = {"reason": "TensorFlow sees no GPU; bfloat16: slower than float32"}
    change, why = only(run(machine=measured))
    assert change == {} and "bfloat16 was not taken: slower than float32" in why
    for machine in ({"precision": "bfloat16"}, {"device": "gpu", "on_metal": True}):
        change, why = only(run(machine=machine, precision="float32"))
        assert change == {} and "bfloat16" not in why
    assert only(run(machine={"device": "gpu"}, precision="float32"))[0] == {"precision": "auto"}


def test_a_smaller_length_saves_nothing(run):
    change, why = only(run())
    assert change == {} and "batches are as long as their texts, at most 40 tokens" in why
    assert "`length`" not in only(run(length=40))[1]
    assert "`length`" not in only(run("masked_lm", **{CACHED: "somewhere"}))[1]


def test_students_without_a_teacher(run):
    slow = {"no_teacher": 700.0}
    change, why = only(run(seconds=slow, baseline="start"))
    assert change == {"baseline": "none"} and "took 11 min 40 s, and the gain" in why
    assert only(run(seconds={"no_teacher": 60.0}, baseline="start"))[0] == {}
    equal = run(seconds=slow, baseline="start")
    equal.metrics["differences"]["student-no_teacher"] = {
        "accuracy": {"value": 0.01, "standard_error": 0.01}
    }
    first, problem = problems_of(equal)
    assert first.name == "no teacher is as good"
    assert problem.name == "slow" and problem.change == {}
    assert "once a gain over them is shown" in problem.why


def test_layers_are_compared_in_every_step(run):
    layers = run(recipe="pkd")
    del layers.metrics["seconds"]["answers"]
    assert "`recipe`=kd reads its answers" in only(layers)[1]
    assert "`recipe`=kd" not in only(run(recipe="pkd"))[1]


@pytest.mark.parametrize(
    "recipe, steps, cached, told",
    [
        ("distilbert", 400, True, "in the first of 4 passes over the text alone"),
        ("distilbert", 300, False, "over 3.0 passes of one student it saves nothing"),
        ("minilm", 400, False, "queries, keys and values are not cached"),
        ("tinybert", 400, False, "attention is not cached"),
    ],
)
def test_the_teacher_cache_where_it_serves(run, recipe, steps, cached, told):
    slow = run("masked_lm", recipe=recipe, steps=steps)
    change, why = only(slow)
    assert change == ({CACHED: f"{slow.paths.path}_teacher_cache"} if cached else {})
    assert told in why and why.endswith("saves memory, not time")
    assert CACHED not in only(run("masked_lm", recipe=recipe, **{CACHED: "somewhere"}))[1]
