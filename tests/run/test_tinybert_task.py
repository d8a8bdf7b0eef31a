"""TinyBERT for a task: layers, then predictions, and what is measured in between."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file


@pytest.fixture(scope="module")
def make(encoder, words, write_data, tmp_path_factory, task_flags):
    """A function of a task and changes to the flags of a run whose student is narrow."""
    folder = tmp_path_factory.mktemp("tinybert_task")

    def flags(task, **changes):
        data = folder / f"{task}.csv"
        if not data.exists():
            write_data[task](data, words)
        usual = dict(
            task=task,
            recipe="tinybert_task",
            train_data=data,
            teacher=encoder,
            student_init="random",
            student_config="L-1_H-16_A-2",
            shards_dir=folder / "shards",
            length=24,
            n_epoch=4,
        )
        return task_flags(**(usual | changes))

    return flags


def curve(folder, phase):
    lines = (folder / "checkpoints" / f"student-{phase}" / "curve.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.slow
@pytest.mark.parametrize("task", ["text_classification", "regression"])
def test_layers_and_then_predictions(task, make, train, tmp_path):
    """The first phase has a constant rate, is not measured and leaves the head; stops change
    nothing."""
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    train(make(task, output_dir=whole), stop_after="student")
    layers, predictions = curve(whole, "intermediate"), curve(whole, "prediction")
    assert all("validation_loss" not in row for row in layers)
    assert {row["learning_rate"] for row in layers} == {np.float32(3e-3)}
    assert "validation_loss" in predictions[0] and predictions[0]["step"] == 0
    assert max(row.get("learning_rate", 0.0) for row in predictions) < 3e-3
    assert layers[-1]["loss"] < layers[0]["loss"]
    assert predictions[-1]["loss"] < predictions[1]["loss"]
    for stop in (("student-intermediate", 5), ("student-prediction", 5)):
        train(make(task, output_dir=stopped), stop_at=stop)
    train(make(task, output_dir=stopped), stop_after="student")
    one, other = (load_file(each / "student" / "model.safetensors") for each in (whole, stopped))
    assert all(np.array_equal(one[name], other[name]) for name in one)
