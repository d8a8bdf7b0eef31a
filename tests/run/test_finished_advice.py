"""Advice after a run: each usual problem, in metrics.json as runs write it."""

import copy
import json
import shutil
from pathlib import Path

import pytest

from tfdistill import tasks
from tfdistill.command_line.run_config import RunConfig
from tfdistill.run.directory import RunPaths
from tfdistill.run.finished_advice import Finished
from tfdistill.run.run_problems import problems_of

CONFIG = {"vocab_size": 30_522, "hidden_size": 384, "num_attention_heads": 12}
CONFIG |= {"intermediate_size": 1536, "num_hidden_layers": 6}


def difference(value, error=0.01):
    return {"f1": {"value": value, "standard_error": error}}


def criterion(value, passed=True):
    return {"value": value, "passed": passed, "definition": "share"}


METRICS = {
    "models": {"student": {"agreement": 0.95}},
    "differences": {
        "teacher-floor": difference(0.3),
        "student-no_teacher": difference(0.05),
    },
    "verdict": {
        "quality": criterion(0.95),
        "size": criterion(0.5),
        "speed": criterion(2.0),
    },
    "made_from": {
        "task": "token_classification",
        "reads_teacher": True,
    },
    "export": {"student_int8.tflite": {"f1_keras": 0.8, "f1_lite": 0.799}},
    "data": {"kind": "tags", "splits": {"train": {"cut_share": 0.0, "tokens_max": 40}}},
    "seconds": {"teacher": 100.0, "student": 50.0},
    "run": {"learning_rates": {"teacher": 1e-4}},
}
CURVE = [
    {"step": step, "loss_logits_kl": 1.0 - step / 110, "validation_f1": 0.5 + step / 1000}
    for step in range(0, 101, 10)
]


@pytest.fixture
def run(tmp_path):
    """A function of changed metrics, points and settings to a finished run of a tagger."""
    for name, layers in {"teacher": 6, "student": 3}.items():
        (tmp_path / name).mkdir()
        values = CONFIG | {"num_hidden_layers": layers}
        (tmp_path / name / "config.json").write_text(json.dumps(values))

    def make(curve=CURVE, settings=(), **changes):
        metrics = copy.deepcopy(METRICS)
        for name, change in changes.items():
            metrics[name] |= change
        task = tasks.get("token_classification")
        config = RunConfig(task=task.name, **dict(settings))
        return Finished(RunPaths(tmp_path), metrics, task, config, {"student": list(curve)})

    return make


def only(run):
    """The problem of a run, which has one."""
    (problem,) = problems_of(run)
    return problem


def test_a_run_without_problems(run):
    assert problems_of(run()) == []


def test_a_teacher_at_the_floor(run):
    differences = {"teacher-floor": difference(0.01), "student-no_teacher": difference(0.0)}
    problem = only(run(differences=differences))
    assert problem.name == "teacher at the floor"
    assert problem.change == {"teacher_epochs": 6.0, "teacher_seeds": 3}
    problem = only(run(differences=differences, run={"learning_rates": {}}))
    assert not problem.change and "name another `teacher`" in problem.why


def test_a_teacher_that_was_still_getting_better(run):
    """Half of its gain came in the last fifth: it is no teacher for further students, either."""
    slow = run(seconds={"teacher": 2000.0})
    slow.curves["teacher"] = [
        {"step": step, "validation_f1": f1} for step, f1 in ((0, 0.1), (40, 0.2), (50, 0.3))
    ]
    problem, second = problems_of(slow)
    assert problem.name == "teacher trained briefly" and problem.finding.startswith("50% of what")
    assert problem.change == {"teacher_epochs": 6.0}
    assert second.name == "slow" and not second.change
    slow.curves["teacher"][1]["validation_f1"] = 0.295
    assert only(slow).change == {"teacher": str(slow.paths.teacher)}
    worse = [row | {"validation_f1": 0.1 - row["step"] / 1000} for row in slow.curves["teacher"]]
    slow.curves["teacher"] = worse
    assert only(slow).name == "slow"


def test_a_student_without_a_teacher_is_as_good(run):
    differences = {"student-no_teacher": difference(0.015)}
    problem = only(run(differences=differences))
    assert (problem.name, problem.change) == ("no teacher is as good", {"recipe": "pkd"})
    assert not only(run(differences=differences, settings={"recipe": "pkd"})).change
    for kind in ("bilstm", "static"):  # which have no layers to compare
        assert not only(run(differences=differences, settings={"student_type": kind})).change
    assert problems_of(run(differences=differences, made_from={"reads_teacher": False})) == []
    del differences["student-no_teacher"]
    bare = run()
    del bare.metrics["differences"]["student-no_teacher"]
    assert only(bare).change == {"baseline": "start"}


def test_a_high_distillation_loss(run):
    flat = [row | {"loss_logits_kl": 1.0 - row["step"] / 1000} for row in CURVE]
    models = {"student": {"agreement": 0.7}}
    problem = only(run(curve=flat, models=models))
    assert problem.name == "high distillation loss" and "from 1 to 0.9" in problem.finding
    assert problem.change == {"recipe": "pkd", "alpha": 0.9} and "temperature" in problem.why
    squared = [row | {"loss_logits_mse": row["loss_logits_kl"]} for row in flat]
    squared = [{k: v for k, v in row.items() if k != "loss_logits_kl"} for row in squared]
    assert "temperature" not in only(run(curve=squared, models=models)).why
    assert problems_of(run(curve=flat)) == []  # they agree
    assert problems_of(run(models=models)) == []  # it fell
    assert problems_of(run(curve=[], models=models)) == []


def test_a_share_that_is_large_already(run):
    """Then nothing would change, and the student trains longer."""
    flat = [row | {"loss_logits_kl": 1.0} for row in CURVE]
    models = {"student": {"agreement": 0.7}}
    for alpha, change in ((0.8, {"alpha": 0.9}), (1.0, {"n_epoch": 12.0})):
        problem = only(run(curve=flat, models=models, settings={"alpha": alpha}))
        assert problem.change == {"recipe": "pkd"} | change


def test_a_student_of_one_layer_has_none_to_compare(run, tmp_path):
    alone = run(differences={"student-no_teacher": difference(0.015)})
    values = CONFIG | {"num_hidden_layers": 1}
    (tmp_path / "student" / "config.json").write_text(json.dumps(values))
    problem = only(alone)
    assert (problem.name, problem.change) == ("no teacher is as good", {})


def test_vectors_have_no_loss_of_predictions(run):
    taught = run()._replace(task=tasks.get("sentence_embedding"))
    assert all(problem.name != "high distillation loss" for problem in problems_of(taught))


def test_a_sentence_encoder_is_no_better_than_its_start(run):
    """Nothing can be trained without its teacher."""
    metric = {"spearman": {"value": 0.015, "standard_error": 0.01}}
    made_from = {"task": "sentence_embedding"}
    taught = run(differences={"student-student_start": metric}, made_from=made_from)
    problem = only(taught._replace(task=tasks.get("sentence_embedding")))
    assert problem.name == "the start is as good" and problem.change == {"n_epoch": 12.0}
    assert "the student minus its start" in problem.finding


def test_a_poor_student(run):
    poor = {"quality": criterion(0.7, passed=False)}
    problem = only(run(verdict=poor))
    assert problem.name == "poor student" and "step 100 of 100" in problem.why
    changes = {"recipe": "pkd", "student_config": "L-5_H-384_A-12", "n_epoch": 12.0}
    assert problem.change == changes
    early = [row | {"validation_f1": 1.0 - row["step"] / 1000} for row in CURVE]
    problem = only(run(verdict=poor, curve=early))
    assert "n_epoch" not in problem.change and "longer training does not help" in problem.why
    falling = [row | {"validation_loss": 1 - row["step"] / 200} for row in early]
    problem = only(run(verdict=poor, curve=falling))
    assert problem.change["n_epoch"] == 12.0 and "lowest at step 100, so longer" in problem.why
    problem = only(run(verdict=poor, settings={"steps": 100}))
    assert problem.change["steps"] == 200 and "longer training helps" in problem.why
    equal = [
        row | {"validation_f1": 0.5, "validation_loss": 1 - row["step"] / 200} for row in CURVE
    ]
    assert "step 100 of 100" in only(run(verdict=poor, curve=equal)).why  # the lowest loss
    for recipe, law in {"bilstm": "bilstm", "tinybert_task": "tinybert"}.items():
        assert only(run(verdict=poor, settings={"recipe": recipe})).change["augmentation"] == law
        varied = {"recipe": recipe, "augmentation": law}
        assert "augmentation" not in only(run(verdict=poor, settings=varied)).change
    large = {"size": criterion(0.8, passed=False)}
    first, second = problems_of(run(verdict=poor | large))
    assert first.name == "poor student" and not second.change
    assert problems_of(run(verdict=poor | large, made_from={"trains_parts": True})) == []


def test_a_student_that_is_too_large(run):
    problem = only(run(verdict={"size": criterion(0.76, passed=False)}))
    assert problem.finding == "size 0.76, at most 0.6 is wanted"
    assert problem.change == {"student_config": "L-4_H-256_A-8", "student_init": "spaced:pca"}
    # Attention is compared head by head, and the teacher has 12.
    settings = {"recipe": "tinybert_task"}
    problem = only(run(verdict={"size": criterion(0.76, passed=False)}, settings=settings))
    assert not problem.change and "no smaller shape that the recipe trains" in problem.why
    settings = {"recipe": "pkd", "student_config": "L-3_H-384_A-12"}
    problem = only(run(verdict={"size": criterion(0.76, passed=False)}, settings=settings))
    assert problem.change["student_config"] == "L-4_H-256_A-8"


def test_cut_examples(run):
    splits = {"train": {"cut_share": 0.2, "tokens_max": 64}}
    problem = only(run(data={"splits": splits}, settings={"length": 64}))
    assert (problem.change, problem.finding[:3]) == ({"length": 128}, "20%")
    assert not only(run(data={"splits": splits}, settings={"length": 512})).change
    assert problems_of(run(data={"splits": splits, "kind": "spans"})) == []
    alone = run(data={"splits": splits}, settings={"length": 64})
    shutil.rmtree(alone.paths.teacher)  # as in a run of labels alone
    assert [each.change for each in problems_of(alone)] == [{"length": 128}]


def test_an_int8_file_that_loses(run):
    worse = {"student_int8.tflite": {"f1_keras": 0.8, "f1_lite": 0.75}}
    assert only(run(export=worse)).change == {"tflite_variants": "float32,int8,float16"}
    absent = run()
    absent.metrics["export"].clear()
    assert "there is no int8 file" in only(absent).finding
    absent = run(settings={"tflite_variants": "float32"})
    absent.metrics["export"].clear()
    assert problems_of(absent) == []


def test_a_folder_of_a_run(run, run_command, tmp_path, capfd):
    """As `train` leaves it: the flags of the next run, and JSON."""
    large = {"verdict": {"size": criterion(0.76, False)}}
    changes = {"differences": {"student-no_teacher": difference(0.0)}}
    metrics = run(**large, **changes).metrics | {"task": "token_classification"}
    metrics |= {"corpus": "x", "split": "test"}
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    (tmp_path / "flags.txt").write_text("--task=token_classification\n--recipe=kd\n--length=64\n")
    curve = tmp_path / "checkpoints" / "student" / "curve.jsonl"
    curve.parent.mkdir(parents=True)
    curve.write_text("".join(json.dumps(row) + "\n" for row in CURVE))
    state = {"settings": {"recipe": "kd"}, "done": {"student": {"stages": ["student"]}}}
    (tmp_path / "checkpoints" / "state.json").write_text(json.dumps(state))
    assert run_command("advise", f"--run={tmp_path}") == 0
    last = capfd.readouterr().out.splitlines()[-1]
    assert last.startswith(f"python -m tfdistill.train --flagfile={tmp_path / 'flags.txt'}")
    wanted = "--recipe=pkd --projection=shared --student_config=L-4_H-256_A-8"
    assert set(wanted.split()) | {f"--output_dir={tmp_path}_2"} <= set(last.split())
    assert run_command("advise", f"--run={tmp_path}", "--json") == 0
    found = json.loads(capfd.readouterr().out)
    assert [each["name"] for each in found["problems"]] == [
        "no teacher is as good",
        "student too large",
    ]
    assert Path(found["folder"]) == tmp_path
    (tmp_path / "metrics.json").unlink()
    state["done"]["evaluate"] = dict(corpus="x", models=metrics["models"], differences={})
    state["settings"] |= dict(task="token_classification", task_data="")
    (tmp_path / "checkpoints" / "state.json").write_text(json.dumps(state))
    assert run_command("advise", f"--run={tmp_path}") == 1
    assert "is not finished (no metrics.json)" in capfd.readouterr().err


def test_a_super_student_needs_no_student_without_a_teacher(run):
    missing = {"teacher-floor": difference(0.3)}
    finished = run()
    finished.metrics["differences"] = missing
    assert [each.name for each in problems_of(finished)] == ["gain not measured"]
    finished.metrics["made_from"]["trains_parts"] = True
    assert problems_of(finished) == []
