"""Fine-tuning from Python: configs, data in memory, and a whole run."""

import json
from pathlib import Path

import numpy as np
import pytest

from tfdistill.command_line.guide import FineTuneConfig, FineTunePipeline
from tfdistill.system.errors import UserError

TEXTS = {"model_name": "student", "task_type": "text_classification"}
TEACHER = {"use_distillation": True, "teacher_model_name": "teacher"}
ROWS = [{"text": "a whale", "label": 1}, {"text": "a hill", "label": 0}]


def test_settings_of_a_config():
    config = FineTuneConfig(**TEXTS, **TEACHER, distillation_alpha=0.7, temperature=3.0)
    run = config.run_config()
    assert (run.task, run.student, run.teacher) == ("text_classification", "student", "teacher")
    assert (run.recipe, run.alpha, run.temperature, run.baseline) == ("kd", 0.7, 3.0, "start")
    assert (run.precision, run.tokens_per_batch) == ("float32", 0)
    alone = FineTuneConfig(**TEXTS, use_mixed_precision=True, num_epochs=2, output_dir=Path("here"))
    run = alone.run_config()
    assert (run.teacher, run.alpha, run.baseline) == ("", 0.0, "none")
    assert (run.precision, run.n_epoch, run.output_dir) == ("auto", 2.0, "here")
    filled = FineTuneConfig(**TEXTS, batch_size=8, use_dynamic_batching=True)
    assert filled.run_config(length=16).tokens_per_batch == 8 * 16


@pytest.mark.parametrize(
    "changes, alpha, layers",
    [
        ({"distill_hidden_states": True}, 0.5, ""),
        ({"distill_hidden_states": True, "distill_logits": False}, 0.0, ""),
        ({"teacher_layers_to_distill": [0, np.int64(6), 11]}, 0.5, "0,6,11"),
    ],
)
def test_hidden_states_are_compared(changes, alpha, layers):
    run = FineTuneConfig(**TEXTS, **TEACHER, **changes).run_config()
    assert (run.recipe, run.alpha, run.layer_map) == ("pkd", alpha, layers)


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"task_type": "summarization"}, "task_type=summarization is not supported yet: give one"),
        ({"task_type": "translation"}, "question_answering"),
        ({"task_type": "masked_lm"}, "task_type='masked_lm' is unknown"),
        ({"model_name": ""}, "model_name is empty"),
        ({"teacher_model_name": ""}, "teacher_model_name is empty: name"),
        ({"distill_logits": False}, "are both False"),
        ({"distill_logits": "yes"}, "distill_logits='yes': give True or False"),
        ({"distillation_alpha": 2.0}, "distillation_alpha=2.0 is out of range"),
        ({"num_epochs": -1}, "num_epochs=-1.0 is out of range"),
        ({"batch_size": 1.5}, "batch_size=1.5 is a float"),
        ({"teacher_layers_to_distill": [-1, -2]}, "counted from 0"),
        ({"teacher_layers_to_distill": []}, "teacher_layers_to_distill=[]"),
        ({"teacher_layers_to_distill": 3}, "teacher_layers_to_distill=3"),
    ],
)
def test_wrong_configs(changes, words):
    with pytest.raises(UserError) as error:
        FineTuneConfig(**(TEXTS | TEACHER | changes))
    assert words in str(error.value)
    assert "\n" not in str(error.value) and "--" not in str(error.value)


def test_wrong_pipelines():
    with pytest.raises(UserError, match="takes a tfdistill.FineTuneConfig, not dict"):
        FineTunePipeline(TEXTS)
    config = FineTuneConfig(**TEXTS)
    with pytest.raises(UserError, match="length=1 is out of range"):
        FineTunePipeline(config, length=1)
    with pytest.raises(UserError, match="train_data is for train_model"):
        FineTunePipeline(config, train_data="texts.csv")


@pytest.mark.parametrize(
    "dataset, words",
    [
        ([], "train_dataset is empty"),
        (None, "train_dataset is a NoneType: give a list of dicts"),
        ("texts.csv", "train_dataset is a str"),
        ({"train": ROWS}, "train_dataset is a dict"),
        ([*ROWS, ("a ship", 1)], "train_dataset: example 3 is a tuple: give dicts"),
        ([{"text": "a ship", "label": object()}], "train_dataset: example 1 cannot be written"),
    ],
)
def test_wrong_data(dataset, words, tmp_path):
    config = FineTuneConfig(**TEXTS, output_dir=tmp_path / "run")
    with pytest.raises(UserError) as error:
        FineTunePipeline(config).train(dataset)
    assert words in str(error.value) and "\n" not in str(error.value)


@pytest.fixture
def written(monkeypatch, tmp_path):
    """A function of a data set, a task's name to the rows that a run of it would read."""

    def rows(dataset, task="text_classification"):
        given = []
        monkeypatch.setattr("tfdistill.command_line.guide.train_model", given.append)
        config = FineTuneConfig("student", task, output_dir=tmp_path / "run")
        FineTunePipeline(config).train(dataset)
        (run,) = given
        assert (run.test_data, run.data_format) == ("", "jsonl")
        return [json.loads(line) for line in Path(run.train_data).read_text("utf-8").splitlines()]

    return rows


def test_a_run_keeps_its_examples(monkeypatch, tmp_path):
    """Other ones would get the results of those that the run was trained on."""
    trained = []
    monkeypatch.setattr("tfdistill.command_line.guide.train_model", trained.append)
    config = FineTuneConfig("student", "text_classification", output_dir=tmp_path / "run")
    FineTunePipeline(config).train(ROWS)
    state = tmp_path / "run" / "checkpoints" / "state.json"
    state.parent.mkdir(parents=True)
    state.write_text(json.dumps({"settings": {}, "done": {"prepare": {"seconds": 1.0}}}))
    FineTunePipeline(config).train(ROWS)
    with pytest.raises(UserError, match="holds a run with another train_dataset: .* force=True"):
        FineTunePipeline(config).train(ROWS * 2)
    FineTunePipeline(config, force=True).train(ROWS * 2)
    assert len(trained) == 3
    assert len(Path(trained[-1].train_data).read_text("utf-8").splitlines()) == 2 * len(ROWS)


@pytest.mark.parametrize(
    ("changes", "named", "when"),
    [
        (TEACHER | {"use_distillation": False}, {"teacher_model_name"}, "use_distillation=True"),
        (
            {"distillation_alpha": 0.9, "temperature": 4.0, "distill_logits": False}
            | {"distill_hidden_states": True, "teacher_layers_to_distill": [1, 3]},
            {"distillation_alpha", "temperature", "distill_logits"}
            | {"distill_hidden_states", "teacher_layers_to_distill"},
            "use_distillation=True",
        ),
        (
            TEACHER
            | {"distill_logits": False, "distill_hidden_states": True, "distillation_alpha": 0.9},
            {"distillation_alpha"},
            "distill_logits=True",
        ),
        (TEACHER | {"temperature": 4.0, "batch_size": 8}, set(), ""),
    ],
)
def test_settings_that_change_nothing_are_told(changes, named, when, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("tfdistill.command_line.guide.train_model", lambda run: None)
    config = FineTuneConfig(**TEXTS, **changes, output_dir=tmp_path / "run")
    FineTunePipeline(config).train(ROWS)
    lines = capsys.readouterr().out.splitlines()
    assert {line.partition(" ")[0] for line in lines} == named and len(lines) == len(named)
    reason = f" changes nothing here, only with {when}: left out"
    assert all(line.endswith(reason) for line in lines)


def test_kinds_of_data(written):
    import datasets
    import tensorflow as tf

    assert written(iter(ROWS)) == ROWS
    classes = datasets.ClassLabel(names=["land", "sea"])
    features = datasets.Features({"text": datasets.Value("string"), "label": classes})
    named = [{"text": "a whale", "label": "sea"}, {"text": "a hill", "label": "land"}]
    assert written(datasets.Dataset.from_list(ROWS, features=features)) == named
    columns = {"text": ["a whale\u2028", "ein Hügel"], "label": [1.5, 0.0]}
    expected = [{"text": "a whale\u2028", "label": 1.5}, {"text": "ein Hügel", "label": 0.0}]
    assert written(tf.data.Dataset.from_tensor_slices(columns), "regression") == expected
    tagged = {"tokens": tf.ragged.constant([["a", "whale"], ["sea"]])}
    found = written(tf.data.Dataset.from_tensor_slices(tagged), "token_classification")
    assert found == [{"tokens": ["a", "whale"]}, {"tokens": ["sea"]}]
    answers = {"text": np.array(["sea"]), "answer_start": np.array([4])}
    question = {"question": "where", "context": "the sea", "answers": answers}
    (row,) = written([question], "question_answering")
    assert row["answers"] == {"text": ["sea"], "answer_start": [4]}
