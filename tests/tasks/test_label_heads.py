"""Tasks with labels load, match and start the heads of Hugging Face directories."""

import json

import numpy as np
import pytest

from tfdistill import tasks
from tfdistill.models.encoder import Encoder
from tfdistill.models.heads.classification import POOLING_KEY, ClassificationHead
from tfdistill.models.hugging_face.checkpoint import save_model
from tfdistill.models.model import Model
from tfdistill.system.errors import UserError

CLASSES = ("bad", "good", "odd")
CLASSIFY, SCORE = tasks.get("text_classification"), tasks.get("regression")
TAG, ANSWER = tasks.get("token_classification"), tasks.get("question_answering")


TASKS = {
    "classes": CLASSIFY.bound(CLASSES),
    "number": SCORE,
    "tags": TAG.bound(CLASSES),
    "spans": ANSWER,
}


@pytest.fixture
def config(tiny_model):
    return tiny_model(with_head=False).config


@pytest.fixture
def rows(tiny_batch):
    arrays = tiny_batch([10, 7, 4])
    return {name: arrays[name] for name in ("input_ids", "attention_mask")}


def config_json(folder):
    return json.loads((folder / "config.json").read_text())


def edit(folder, **values):
    (folder / "config.json").write_text(json.dumps(config_json(folder) | values))


@pytest.mark.parametrize("model_type", ["bert", "distilbert"])
@pytest.mark.parametrize("name", TASKS)
def test_a_saved_model_comes_back(tiny_model, rows, tmp_path, name, model_type):
    config = tiny_model(with_head=False, model_type=model_type).config
    task = TASKS[name]
    model = task.model(config, seed=1)
    save_model(model, tmp_path)
    assert task.describe(tmp_path).head == "small"
    loaded = task.load(tmp_path)
    np.testing.assert_array_equal(loaded(rows)["logits"], model(rows)["logits"])
    bound = type(task)().bound_to(tmp_path)
    assert bound.labels_names == task.labels_names == loaded.head.labels
    for other in TASKS.values():  # heads of other tasks are none
        assert (other.load(tmp_path).head is not None) == (other is task)
        assert (other.describe(tmp_path).head is not None) == (other is task)


def test_outputs_have_the_order_of_the_task(config, rows, tmp_path):
    model = TASKS["classes"].model(config, seed=1)
    save_model(model, tmp_path)
    loaded = CLASSIFY.bound(("odd", "bad", "good")).load(tmp_path)
    assert loaded.head.labels == ("odd", "bad", "good")
    np.testing.assert_array_equal(
        loaded(rows)["logits"], model(rows)["logits"].numpy()[:, [2, 0, 1]]
    )
    with pytest.raises(UserError, match=f"{tmp_path}: its classes are not those of the data"):
        CLASSIFY.bound(("a", "b", "c")).describe(tmp_path)
    # Data to measure a model on may lack some of its classes, and have no others.
    some = CLASSIFY.bound(("good", "odd"))
    assert some.bound_to(tmp_path, some.labels_names).labels_names == CLASSES
    with pytest.raises(UserError, match=f"{tmp_path}: .* it lacks new and has bad, odd beside"):
        CLASSIFY.bound_to(tmp_path, ("good", "new"))
    with pytest.raises(UserError, match="has no head for the task question_answering"):
        ANSWER.bound_to(tmp_path)
    with pytest.raises(UserError, match="the model has no head for the task question_answering"):
        ANSWER.bound_to(model)


def test_classes_of_a_model_in_memory(config):
    model = TASKS["classes"].model(config, seed=1)
    assert CLASSIFY.bound_to(model).labels_names == CLASSES
    CLASSIFY.bound(CLASSES).require_order(model)
    with pytest.raises(UserError, match="classes have another order than those of the data"):
        CLASSIFY.bound(("odd", "bad", "good")).require_order(model)
    model.head.labels = ("LABEL_0", "LABEL_1", "LABEL_2")  # as a folder may have them
    assert CLASSIFY.bound_to(model, ("0", "1")).labels_names == (
        "0",
        "1",
        "LABEL_2",
    )
    CLASSIFY.bound(("0", "1", "LABEL_2")).require_order(model)


def test_config_json_names_classes_and_pooling(config, tmp_path):
    save_model(CLASSIFY.bound(CLASSES, "mean").model(config, seed=1), tmp_path)
    values = config_json(tmp_path)
    assert values["architectures"] == ["BertForSequenceClassification"]
    assert values["id2label"] == {"0": "bad", "1": "good", "2": "odd"}
    assert values["problem_type"] == "single_label_classification"
    assert values[POOLING_KEY] == "mean"
    assert CLASSIFY.bound_to(tmp_path).pooling == "mean"
    save_model(SCORE.model(config, seed=1), tmp_path / "number")
    values = config_json(tmp_path / "number")
    assert values["problem_type"] == "regression" and POOLING_KEY not in values
    edit(tmp_path, problem_type="multi_label_classification")
    with pytest.raises(UserError, match="problem_type 'multi_label_classification' is not supp"):
        CLASSIFY.load(tmp_path)


def test_a_fresh_head_keeps_encoder_and_pooler(config, rows, tmp_path):
    """A classifier of other classes gives its encoder, and its pooler where it has one."""
    model = SCORE.model(config, seed=1)
    save_model(model, tmp_path)
    fresh = TASKS["classes"].load_for_training(tmp_path, seed=2)
    assert fresh.head.labels == CLASSES and fresh.head.dense.kernel.numpy().std() > 0
    np.testing.assert_array_equal(fresh.head.pooler.kernel, model.head.pooler.kernel)
    states = (each(rows)["last_hidden_state"] for each in (fresh, model))
    np.testing.assert_array_equal(*states)
    again = TASKS["classes"].load_for_training(tmp_path, seed=2)
    np.testing.assert_array_equal(again.head.dense.kernel, fresh.head.dense.kernel)
    tags = TASKS["tags"].load_for_training(tmp_path, seed=2)
    assert tags(rows)["logits"].shape == (*rows["input_ids"].shape, 3)


@pytest.mark.parametrize(
    ("values", "pooling"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, "mean"),
        ({"pooling_mode_cls_token": True}, "cls"),
        ({"pooling_mode": "mean"}, "mean"),
        ({"pooling_mode_max_tokens": True}, "pooler"),
    ],
)
def test_a_sentence_encoder_tells_its_pooling(config, tmp_path, values, pooling):
    save_model(SCORE.model(config, seed=1), tmp_path)
    modules = [{"path": "", "type": "Transformer"}, {"path": "1_Pooling", "type": "a.b.Pooling"}]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps(values))
    task = TASKS["classes"]
    assert task.load_for_training(tmp_path, seed=2).head.pooling == pooling
    wanted = task.bound(CLASSES, "cls")
    assert wanted.load_for_training(tmp_path, seed=2).head.pooling == "cls"
    assert SCORE.load_for_training(tmp_path, seed=2).head.pooling == "pooler"  # its own head


def test_a_student_takes_pooling_and_head_of_its_teacher(config):
    teacher = Model(Encoder(config), ClassificationHead(config, CLASSES, "mean"), seed=4)
    student = TASKS["classes"].initialize_student(teacher, config, init="0,1", seed=5)
    assert student.head.pooling == "mean"
    np.testing.assert_array_equal(student.head.dense.kernel, teacher.head.dense.kernel)
