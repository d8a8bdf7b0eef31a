"""Data may lack classes of a model: they are the model's, in exports, evaluations and trainings."""

import json

import numpy as np
import pytest

from tfdistill.command_line.run_config import RunConfig
from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.deployment.file_metadata import read_metadata
from tfdistill.models.configs.config_files import named_config
from tfdistill.models.encoder import Encoder
from tfdistill.models.heads.classification import ClassificationHead
from tfdistill.models.heads.tokens import TokenHead
from tfdistill.models.hugging_face.checkpoint import save_model
from tfdistill.models.model import Model
from tfdistill.run.compared_runs import read_run
from tfdistill.system.errors import UserError

HEADS = {
    "token_classification": lambda config: TokenHead(config, ("O", "B-LAND", "B-SEA", "I-LAND")),
    "text_classification": lambda config: ClassificationHead(config, ("sky", "land", "sea")),
}
ENDINGS = {"token_classification": ".conll", "text_classification": ".csv"}
LENGTH = 24


@pytest.fixture(scope="module")
def given(tiny_text, words, write_data, tmp_path_factory):
    """A function of a task to a model with more classes than the data, and the data."""
    tokenizer = load_tokenizer(str(tiny_text / "vocabulary"))
    config = named_config("L-1_H-16_A-2", vocab_size=tokenizer.vocab_size)
    folder = tmp_path_factory.mktemp("given")

    def make(task):
        save_model(Model(Encoder(config), HEADS[task](config), seed=1), folder / task)
        tokenizer.save(folder / task, "bert", LENGTH)
        return folder / task, write_data[task](folder / f"{task}{ENDINGS[task]}", words)

    return make


@pytest.mark.parametrize(
    "task",
    ["text_classification", pytest.param("token_classification", marks=pytest.mark.slow)],
)
def test_export_and_evaluation(task, given, run_command, capfd, tmp_path):
    model, data = given(task)
    classes = list(json.loads((model / "config.json").read_text())["label2id"])
    files, export = [f"--train_data={data}", f"--task={task}", "--json"], tmp_path / "export"
    flags = [f"--length={LENGTH}", f"--tflite_lengths={LENGTH}", f"--output_dir={tmp_path}"]
    assert run_command("export", f"--model={model}", *files, *flags) == 0, capfd.readouterr().err
    exported = json.loads(capfd.readouterr().out)["files"]["student.tflite"]
    assert (export / "labels.txt").read_text().split() == classes
    assert read_metadata(export / "student.tflite")["labels"] == classes
    for path in (model, export / "student.tflite"):
        assert run_command("evaluate", f"--model={path}", *files) == 0
        found = json.loads(capfd.readouterr().out)["models"]
        assert found["model"]["loss"] == pytest.approx(exported["loss_keras"], rel=1e-4)
        assert np.isfinite(found["floor"]["loss"])


def test_a_class_that_the_model_lacks_is_refused(given, run_command, capfd, tmp_path):
    model, data = given("text_classification")
    rows = data.read_text().replace(",sea\n", ",night\n")
    (tmp_path / "data.csv").write_text(rows)
    flags = ["--task=text_classification", f"--train_data={tmp_path / 'data.csv'}"]
    flags += [f"--length={LENGTH}", f"--output_dir={tmp_path / 'run'}"]
    for command in ("export", "evaluate"):
        assert run_command(command, f"--model={model}", *flags) == 1
        assert "it lacks night and has sea, sky beside them" in capfd.readouterr().err


@pytest.mark.parametrize("order", [("three", "four"), ("four", "three"), ("two", "three")])
def test_given_models_have_the_same_classes(order, tiny_text, words, write_data, train, tmp_path):
    """The data have two of them, so that no model is at odds with the data."""
    data = write_data["text_classification"](tmp_path / "data.csv", words)
    tokenizer = load_tokenizer(str(tiny_text / "vocabulary"))
    config = named_config("L-1_H-16_A-2", vocab_size=tokenizer.vocab_size)
    classes = sorted({line.rpartition(",")[2] for line in data.read_text().splitlines()[1:]})
    for name, count in {"two": 0, "three": 1, "four": 2}.items():
        head = ClassificationHead(config, (*classes, "night", "sky")[: len(classes) + count])
        save_model(Model(Encoder(config), head, seed=1), tmp_path / name)
        tokenizer.save(tmp_path / name, "bert", LENGTH)
    teacher, student = (tmp_path / name for name in order)
    words = [f"--teacher={teacher}", f"--student={student}", f"--train_data={data}"]
    words += ["--task=text_classification", f"--length={LENGTH}", f"--output_dir={tmp_path / 'r'}"]
    named = "night" if "two" in order else "sky"
    with pytest.raises(UserError, match=f"differ in {named}, and a run has the classes of one"):
        train(words)


def test_a_student_has_the_classes_of_its_teacher(
    encoder, words, write_data, task_flags, train, capfd, tmp_path
):
    """The teacher learned a tag that the student's examples do not have."""
    task, data = "token_classification", tmp_path / "data.conll"
    write_data[task](data, words)
    more = data.read_text() + f"{words[4]}\tB-LAND\n{words[5]}\tO\n\n" * 40
    (tmp_path / "more.conll").write_text(more)
    usual = dict(task=task, student_config="L-1_H-32_A-2", shards_dir=tmp_path / "shards")
    usual |= dict(length=LENGTH, tflite_lengths=LENGTH, n_epoch=2, baseline="none")
    first = dict(train_data=tmp_path / "more.conll", output_dir=tmp_path / "first")
    train(task_flags(**usual, **first, teacher=encoder), stop_after="teacher")
    folder, told = tmp_path / "run", capfd.readouterr()
    assert "the data have no example of" not in told.err
    second = dict(train_data=data, output_dir=folder)
    flags = task_flags(**usual, **second, teacher=tmp_path / "first" / "teacher")
    train(flags, stop_after="evaluate")
    assert "the data have no example of B-LAND: classes of a given" in capfd.readouterr().err
    labels = json.loads((folder / "student" / "config.json").read_text())["label2id"]
    assert sorted(labels) == ["B-LAND", "B-SEA", "O"]
    models = read_run(folder, RunConfig(), "run")["metrics"]["models"]
    assert models["student"]["f1"] > models["floor"]["f1"]
