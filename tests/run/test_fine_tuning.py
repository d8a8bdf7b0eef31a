"""The teacher that a run fine-tunes with several seeds."""

import types

import pytest

from tfdistill.run import fine_tuning
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
            checkpoints=tmp_path, done=stored.get, finish=stored.__setitem__
        ),
        save=lambda *of: None,
        tokenizers=types.SimpleNamespace(teacher=None),
        trainer=types.SimpleNamespace(delete_checkpoints=lambda name: None),
    )
    model, before = fine_tuning.fine_tuned_teacher(context)
    assert model == "teacher_of_seed_8" and before == 44.0
    assert stored["teacher-3"]["trained"] == pytest.approx(2.0, abs=0.5)
