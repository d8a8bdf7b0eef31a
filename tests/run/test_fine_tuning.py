"""The teacher of a run: fine-tuned with several seeds, and refused if it does not know the task."""

import types

import numpy as np
import pytest

from tfdistill.run import fine_tuning
from tfdistill.run.directory import RunPaths
from tfdistill.system.errors import UserError
from tfdistill.tasks.text_classification import ACCURACY


def test_the_best_seed_counts_and_the_seconds_of_all(monkeypatch, tmp_path):
    stored = {"teacher-1": {"seconds": 0.0, "value": 0.5, "trained": 40.0}}  # before a stop
    values = {8: 0.7, 9: float("nan")}
    monkeypatch.setattr(fine_tuning, "_fine_tune", lambda context, name, seed: (seed, 2.0))
    monkeypatch.setattr(fine_tuning, "_measure", lambda context, model: values[model])
    context = types.SimpleNamespace(
        config=types.SimpleNamespace(seed=7, teacher_seeds=3, length=8),
        console=types.SimpleNamespace(say=lambda text: None),
        task=types.SimpleNamespace(primary=ACCURACY, load=lambda folder: folder.name),
        directory=types.SimpleNamespace(
            teacher_of_seed=RunPaths(tmp_path).teacher_of_seed,
            done=stored.get,
            finish=stored.__setitem__,
        ),
        save=lambda *of: None,
        tokenizers=types.SimpleNamespace(teacher=None),
    )
    model, before = fine_tuning.fine_tuned_teacher(context)
    assert model == "teacher_of_seed_8" and before == 44.0
    assert stored["teacher-3"]["trained"] == pytest.approx(2.0, abs=0.5)
    assert fine_tuning.fine_tuned_name(context) == "teacher-2"
    stored.clear()  # as where the teacher was fine-tuned once, or elsewhere
    assert fine_tuning.fine_tuned_name(context) == "teacher"


@pytest.mark.parametrize(
    ("values", "classes", "told"),
    [
        ((0.9, 0.5, 0.8), [0, 1], r"teacher=b does not .* the floor \(commonest class\) has .* 50"),
        (
            (0.9, 0.6, 0.8),
            [1, 1, 1],
            "teacher=a does not .* predicts the same for all 3 questions:",
        ),
        ((0.9, 0.6, 0.8), [0, 1], ""),
        ((1.0, 1.0, 1.0), [1, 1, 1], ""),
        ((0.9, 0.6, 0.8), [1], ""),
    ],
)
def test_each_of_several_teachers_must_know_the_task(monkeypatch, values, classes, told):
    def answered_batches(context, source, first=0):
        return values[first], None

    def metrics(value, *_):
        metrics = {ACCURACY.key: value}
        return types.SimpleNamespace(metrics=metrics, predictions=np.array(classes))

    monkeypatch.setattr(fine_tuning, "answered_batches", answered_batches)
    said = []
    context = types.SimpleNamespace(
        config=types.SimpleNamespace(teacher="a, b,c"),
        console=types.SimpleNamespace(say=said.append),
        task=types.SimpleNamespace(
            primary=ACCURACY,
            evaluate=metrics,
            floor=lambda *_: metrics(0.5),
            words=types.SimpleNamespace(floor="commonest class", predictions="questions"),
        ),
        plan=types.SimpleNamespace(fine_tunes_teacher=False, teacher_names=tuple("abc")),
        teacher_splits=types.SimpleNamespace(train=None, validation=None, validation_source=None),
    )
    if told:
        with pytest.raises(UserError, match=told):
            fine_tuning.require_above_floor(context)
    else:
        fine_tuning.require_above_floor(context)
        shown = f"{100 * values[1]:.1f} %"
        assert said[1] == f"teacher b, as it is: validation accuracy {shown}" and len(said) == 3
