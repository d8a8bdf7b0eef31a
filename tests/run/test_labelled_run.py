"""Runs of tasks with labels: from a file of examples to measured files."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tfdistill.command_line.run_config import RunConfig
from tfdistill.data.labelled.opening import open_labelled
from tfdistill.deployment.label_predictor import LabelPredictor
from tfdistill.models.heads.reading import read_head
from tfdistill.models.hugging_face.checkpoint import load_model, save_model
from tfdistill.reports.comparison import compare_runs
from tfdistill.run import kept_answers, teacher_files
from tfdistill.run.compared_runs import read_run
from tfdistill.system import clock
from tfdistill.system.errors import UserError
from tfdistill.system.sums import check_sums
from tfdistill.tasks.answers import exact_match


@pytest.fixture(scope="module")
def flags(encoder, words, write_data, tmp_path_factory, task_flags):
    """A function of changes to the flags of a run of seconds on a CSV of texts."""
    folder = tmp_path_factory.mktemp("labelled")
    texts = write_data["text_classification"](folder / "texts.csv", words)

    def make(**changes):
        usual = dict(
            task="text_classification",
            train_data=texts,
            teacher=encoder,
            student_config="L-1_H-32_A-2",
            shards_dir=folder / "shards",
            output_dir=folder / "run",
            length=24,
            tflite_lengths=24,
            n_epoch=3,
        )
        return task_flags(**(usual | changes))

    return make


@pytest.fixture(scope="module")
def run(flags, train, tmp_path_factory):
    """(the folder of a run, its metrics, the stages that showed progress)."""
    folder = tmp_path_factory.mktemp("run") / "texts"
    stages = train(flags(output_dir=folder))
    return folder, json.loads((folder / "metrics.json").read_text()), stages


def test_the_time_of_a_stage_leaves_out_an_earlier_pause(flags, train, tmp_path, monkeypatch):
    """After one, the clock is behind the system's, in all stages alike."""
    now = clock.now
    monkeypatch.setattr(clock, "now", lambda: now() - 1000)
    train(flags(output_dir=tmp_path / "run", n_epoch=1), stop_after="start")
    done = json.loads((tmp_path / "run" / "checkpoints" / "state.json").read_text())["done"]
    seconds = {name: facts["seconds"] for name, facts in done.items() if "seconds" in facts}
    assert seconds.keys() >= {"prepare", "teacher", "answers", "start"}
    assert all(0 <= each < 900 for each in seconds.values())


def test_metrics(run):
    metrics = run[1]
    assert metrics["task"] == "text_classification"
    assert metrics["primary"] == {"name": "accuracy", "higher_is_better": True}
    models = metrics["models"]
    assert set(models) == {"floor", "teacher", "student_start", "student", "no_teacher"}
    assert models["teacher"]["accuracy"] > 0.9 > models["floor"]["accuracy"]
    assert models["student"]["accuracy"] > 0.9
    low, high = models["student"]["accuracy_interval"]
    assert 0 < low <= models["student"]["accuracy"] <= high <= 1
    assert metrics["files"]["student.tflite"]["accuracy"] == models["student"]["accuracy"]
    names = "student.tflite", "student_int8.tflite", "student_mediapipe.tflite"
    assert set(metrics["files"]) == set(names)
    assert metrics["files"][names[2]]["accuracy"] == metrics["files"][names[1]]["accuracy"]
    for name, file in metrics["files"].items():
        assert set(file) == {"bytes", "latency_ms", "accuracy"}
        assert file["bytes"] == (run[0] / "export" / name).stat().st_size
    assert metrics["made_from"].keys() >= {"command", "flags", "seed", "versions"}
    rates = {"teacher": 3e-3, "student": 3e-3, "no_teacher": 3e-3}
    assert metrics["made_from"]["learning_rates"] == rates
    card = (run[0] / "export" / "model_card.md").read_text("utf-8")
    assert "Peak learning rate: teacher 0.003, student 0.003." in card
    check_sums(*(run[0] / "export" / name for name in names))
    assert "for MediaPipe's TextClassifier:" in card.replace("\n", " ")
    assert metrics["data"]["splits"].keys() == {"train", "validation", "test"}
    assert metrics["verdict"] and metrics["seconds"].keys() >= {"teacher", "answers", "student"}


def test_what_the_kept_weights_had_on_the_validation_split(
    flags, words, write_data, train, tmp_path
):
    """Where validation and test split are the same, so are their numbers."""
    same = write_data["text_classification"](tmp_path / "same.csv", words)
    splits = dict.fromkeys(("train_data", "validation_data", "test_data"), same)
    folder = tmp_path / "run"
    train(flags(**splits, output_dir=folder, n_epoch=1), stop_after="evaluate")
    run = read_run(folder, RunConfig(), "run")
    models = run["metrics"]["models"]
    for key in ("teacher", "student", "no_teacher"):
        point = models[key]["validation"]
        assert point["step"] in [row["step"] for row in run["curves"][key]]
        assert point["accuracy"] == models[key]["accuracy"]
        assert point["loss"] == pytest.approx(models[key]["loss"], abs=1e-5)
    assert not {"validation"} & {*models["floor"], *models["student_start"]}
    rows = {row.model: row.values["kept"] for row in compare_runs([run]).rows}
    shown = [100 * models["student"]["accuracy"]]
    assert rows["student"] == pytest.approx(shown) and rows["floor"] == [None]


def test_a_second_student_needs_no_pass_of_the_teacher(run, flags, train, tmp_path):
    stages = run[2]
    assert {"teacher", "answers", "student", "no_teacher"} <= stages.keys()
    words = dict(output_dir=tmp_path / "second", teacher=run[0] / "teacher", seed=5)
    again = train(flags(**words, n_epoch=1), stop_after="student")
    assert not {"teacher", "answers"} & again.keys() and "student" in again


def kept_files(words):
    """The teacher's files in the run's `shards_dir`: dict of paths to when they were written."""
    (shards,) = (Path(word.partition("=")[2]) for word in words if word.startswith("--shards_dir="))
    folders = kept_answers.FOLDER, teacher_files.FOLDER
    return {
        file: file.stat().st_mtime_ns for name in folders for file in shards.glob(f"{name}/*/*")
    }


@pytest.mark.slow
def test_a_second_student_only_times_its_teacher(run, flags, train, tmp_path, capfd, monkeypatch):
    """Its answers and files are those that the first run left; its numbers are the same."""
    first, kept = run[1], kept_files(flags())
    with monkeypatch.context() as patch:
        patch.setattr(teacher_files, "export_tflite_files", None)
        patch.setattr(kept_answers, "scorer", None)
        changes = dict(teacher=run[0] / "teacher", seed=5, n_epoch=1)
        train(flags(**changes, output_dir=tmp_path / "run"))
    log = capfd.readouterr()
    assert "teacher's answers" not in log.out + log.err
    assert "converting teacher.tflite" not in log.out + log.err
    assert kept_files(flags()) == kept
    assert {"logits.npy", "teacher.tflite", "teacher_int8.tflite"} <= {file.name for file in kept}
    second = json.loads((tmp_path / "run" / "metrics.json").read_text())
    one, other = (dict(each["models"]["teacher"]) for each in (first, second))
    assert one.pop("validation")["step"] > 0  # of its training, which the second run has not
    for facts in (one, other):
        assert facts.pop("latency_ms") > 0
        assert all(file.pop("latency_ms") > 0 for file in facts["files"].values())
    assert one == other


@pytest.mark.slow
@pytest.mark.parametrize(
    "change, kept",
    [
        ({"temperature": 4}, True),
        ({"batch_size": 5}, False),
        ({"validation_interval": 3}, False),  # the model is that of the best point
    ],
)
def test_a_run_of_another_recipe_keeps_the_baseline(
    run, flags, train, tmp_path, capfd, change, kept
):
    """Without a teacher, the recipe's settings change nothing; those of the training do."""
    folder = tmp_path / "run"
    stages = train(flags(teacher=run[0] / "teacher", output_dir=folder, **change))
    log = capfd.readouterr()
    assert ("no_teacher: kept" in log.out + log.err) == kept == ("no_teacher" not in stages)
    metrics = json.loads((folder / "metrics.json").read_text())
    same = metrics["models"]["no_teacher"] == run[1]["models"]["no_teacher"]
    assert same or not kept
    assert metrics["seconds"].keys() == run[1]["seconds"].keys()
    events = [each / "tensorboard/no_teacher" for each in (folder, run[0])]
    first, second = (len(list(each.glob("events*"))) for each in events)
    assert first == second == 1


def test_a_teacher_at_the_floor_stops_the_run(flags, words, write_data, train, tmp_path):
    texts = write_data["text_classification"](tmp_path / "noise.csv", words, random=True)
    given = flags(train_data=texts, output_dir=tmp_path / "run", teacher_learning_rate=1e-7)
    with pytest.raises(UserError, match="does not know the task: .* than 1e-07, or"):
        train(given)


def test_a_run_without_a_teacher_is_refused_at_once(flags, train, tmp_path):
    with pytest.raises(UserError, match="teacher is empty"):
        train(flags(teacher=None, output_dir=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_recipe_for_masked_lm_is_refused(flags, train, tmp_path):
    with pytest.raises(UserError, match="recipe=minilm: the loss 'mlm' reads .* such as kd"):
        train(flags(recipe="minilm", output_dir=tmp_path / "run"))


@pytest.mark.slow
def test_a_student_from_a_directory(run, flags, encoder, train, tmp_path):
    words = dict(student=encoder, student_config=None, teacher=run[0] / "teacher", n_epoch=1)
    folder = tmp_path / "run"
    train(flags(**words, output_dir=folder), stop_after="student")
    config = json.loads((folder / "student" / "config.json").read_text())
    assert config["num_hidden_layers"] == 2 and config["id2label"] == {"0": "land", "1": "sea"}


@pytest.mark.slow
def test_a_teacher_of_several_seeds(flags, train, tmp_path, capfd):
    """The one that is saved is the best on the validation split; the others are deleted."""
    changes = dict(teacher_seeds=2, layerwise_decay=0.9, output_dir=tmp_path / "run")
    changes |= dict(n_epoch=1, baseline="none")
    train(flags(**changes), stop_after="teacher")
    out = capfd.readouterr().out
    assert "teacher-1 (seed 0): validation accuracy" in out and "the best of 2" in out
    assert (tmp_path / "run" / "teacher" / "model.safetensors").is_file()
    assert not list((tmp_path / "run" / "checkpoints").glob("teacher_of_seed_*"))
    train(flags(**changes), stop_after="evaluate")
    run = read_run(tmp_path / "run", RunConfig(), "run")
    told = float(re.search(r"teacher, fine-tuned here: validation accuracy ([0-9.]+) %", out)[1])
    point = run["metrics"]["models"]["teacher"]["validation"]
    assert round(100 * point["accuracy"], 1) == told and point["step"] > 0
    curve = {row["step"]: row.get("validation_loss") for row in run["curves"]["teacher"]}
    assert curve[point["step"]] == point["loss"]


@pytest.fixture(scope="module")
def with_classes_swapped(run, tmp_path_factory):
    """The run's teacher with its two classes in the other order."""
    folder = tmp_path_factory.mktemp("swapped") / "teacher"
    shutil.copytree(run[0] / "teacher", folder)
    model = load_model(folder, head=read_head)
    model.head.arrange(model.head.labels[::-1])
    save_model(model, folder)
    assert json.loads((folder / "config.json").read_text())["id2label"]["0"] == "sea"
    return folder


@pytest.mark.slow
def test_several_teachers(run, flags, train, with_classes_swapped, tmp_path, capfd):
    """Their classes are matched by name: two equal teachers are as good as one."""
    teachers = f"{run[0] / 'teacher'},{with_classes_swapped}"
    changes = dict(teacher=teachers, teacher_weights="3,1", baseline="none")
    train(flags(**changes, output_dir=tmp_path / "run"))
    models = json.loads((tmp_path / "run" / "metrics.json").read_text())["models"]
    alone = run[1]["models"]
    for key in ("accuracy", "loss"):
        assert models["teachers"][key] == pytest.approx(models["teacher"][key], abs=1e-5)
        assert models["student"][key] == pytest.approx(alone["student"][key], abs=0.02)
    capfd.readouterr()
    again = train(flags(**changes, output_dir=tmp_path / "again", seed=7), stop_after="student")
    assert "answers" not in again and "student" in again


@pytest.mark.slow
def test_several_teachers_must_know_the_task(run, flags, encoder, train, tmp_path):
    with pytest.raises(UserError, match="has no head for task=text_classification: fine-tune each"):
        train(flags(teacher=f"{run[0] / 'teacher'},{encoder}", output_dir=tmp_path / "run"))
    constant = load_model(run[0] / "teacher", head=read_head)
    for variable in constant.head.variables:
        variable.assign(variable * 0)
    shutil.copytree(run[0] / "teacher", tmp_path / "constant")
    save_model(constant, tmp_path / "constant")
    with pytest.raises(UserError, match="constant does not know the task: .* or leave it out"):
        teachers = f"{run[0] / 'teacher'},{tmp_path / 'constant'}"
        train(flags(teacher=teachers, output_dir=tmp_path / "run"))


@pytest.mark.slow
@pytest.mark.parametrize("task", ["regression", "token_classification", "question_answering"])
def test_several_teachers_of_every_task(task, flags, words, write_data, train, tmp_path):
    data = write_data[task](tmp_path / "data", words)
    usual = dict(task=task, train_data=data, baseline="none")
    for seed in (1, 2):
        folder = tmp_path / f"of_seed_{seed}"
        train(flags(**usual, output_dir=folder, seed=seed), stop_after="teacher")
    teachers = ",".join(str(tmp_path / f"of_seed_{seed}" / "teacher") for seed in (1, 2))
    train(flags(**usual, teacher=teachers, output_dir=tmp_path / "run", n_epoch=2))
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    models, primary = metrics["models"], metrics["primary"]["name"]
    for key in ("teachers", "student"):
        assert models[key][primary] > models["floor"][primary]


@pytest.fixture(scope="module")
def questions(words, tmp_path_factory):
    """SQuAD's JSON: contexts of several windows, and questions with and without an answer."""
    generator, data = np.random.default_rng(6), []
    for article in range(24):
        paragraphs = []
        for part in range(6):
            text = list(generator.choice(words[2:], size=int(generator.integers(20, 45))))
            there = generator.random() < 0.7
            text.insert(
                place := int(generator.integers(len(text))), words[0] if there else words[1]
            )
            start = len(" ".join(text[:place])) + (place > 0)
            answers = [{"text": words[0], "answer_start": start}] * there
            question = {"id": f"{article}-{part}", "question": words[2], "answers": answers}
            paragraphs.append({"context": " ".join(text), "qas": [question]})
        data.append({"title": f"article {article}", "paragraphs": paragraphs})
    file = tmp_path_factory.mktemp("questions") / "questions.json"
    file.write_text(json.dumps({"version": "v2.0", "data": data}))
    return file


@pytest.mark.slow
def test_predictions_are_those_of_the_evaluation(
    questions, flags, train, run_command, tmp_path, capfd
):
    """Of the folder and of the file, which hold the run's rules."""
    folder, changes = tmp_path / "run", dict(max_answer_length=3, baseline="none", n_epoch=2)
    train(flags(task="question_answering", train_data=questions, output_dir=folder, **changes))
    metrics = json.loads((folder / "metrics.json").read_text())
    rules = {"may_abstain": True, "doc_stride": 8, "max_answer_length": 3}
    for name in ("teacher", "student"):
        config = json.loads((folder / name / "config.json").read_text())
        assert config["tfdistill_answers"] == rules
    test = open_labelled("spans", train_data=str(questions)).splits["test"]
    assert len(test) > 5
    content = json.loads(questions.read_text())
    answered = {example.id for example in test if example.answers}
    for part in (part for article in content["data"] for part in article["paragraphs"]):
        part["qas"] = [qa for qa in part["qas"] if qa["id"] in answered]
    (tmp_path / "test.json").write_text(json.dumps(content))
    data = [f"--test_data={tmp_path / 'test.json'}", "--task=question_answering", "--json"]
    files = {"student": folder / "student", "file": folder / "export" / "student.tflite"}
    for path in files.values():
        predictor = LabelPredictor.open(path)
        assert predictor.rules.values() == rules
        found = predictor.predict([e.question for e in test], [e.context for e in test])
        pairs = [
            (each["answer"], [text for text, _ in example.answers])
            for each, example in zip(found, test, strict=True)
        ]
        assert "" in [answer for answer, _ in pairs]
        exact = np.mean([exact_match(*pair) for pair in pairs])
        assert exact == pytest.approx(metrics["models"]["student"]["exact_match"])
        # Test data alone, in which every question has an answer, change no rule.
        capfd.readouterr()
        assert run_command("evaluate", f"--model={path}", "--length=24", *data) == 0
        measured = json.loads(capfd.readouterr().out)["models"]["model"]["exact_match"]
        assert measured == pytest.approx(np.mean([exact_match(*pair) for pair in pairs if pair[1]]))


@pytest.mark.slow
def test_a_stopped_run_ends_with_the_same_weights(run, flags, train, tmp_path):
    folder = tmp_path / "stopped"
    # With the other run's `shards_dir`, its student without a teacher would be taken over.
    stopped = flags(output_dir=folder, shards_dir=tmp_path / "shards")
    for stop_at in (("teacher", 5), ("teacher", 40), ("student", 7), ("no_teacher", 20)):
        train(stopped, stop_at=stop_at)
    train(stopped)
    for model in ("teacher", "student", "checkpoints/no_teacher_model"):
        one, other = (load_file(each / model / "model.safetensors") for each in (run[0], folder))
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[name], other[name]) for name in one)
    metrics = json.loads((folder / "metrics.json").read_text())
    for key, model in run[1]["models"].items():
        assert metrics["models"][key]["accuracy"] == model["accuracy"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "task, metric",
    [("regression", "pearson"), ("token_classification", "f1"), ("question_answering", "f1")],
)
def test_every_task(task, metric, flags, words, write_data, train, tmp_path):
    data, folder = write_data[task](tmp_path / "data", words), tmp_path / "run"
    train(flags(task=task, train_data=data, output_dir=folder, baseline="none", n_epoch=2))
    metrics = json.loads((folder / "metrics.json").read_text())
    models = metrics["models"]
    assert metrics["primary"]["name"] == metric
    assert models["student"][metric] > models["floor"][metric]
    assert metrics["files"]["student.tflite"][metric] == pytest.approx(models["student"][metric])
    assert "student_int8.tflite" in metrics["files"]
