"""The weights of the best point of a validation curve."""

import types

import numpy as np
import pytest

from tfdistill.system.errors import UserError
from tfdistill.tasks.metrics import Metric
from tfdistill.training.best import BestWeights, best_point


class Weight:
    """A variable."""

    def __init__(self):
        self.value = np.zeros(3, np.float32)

    def numpy(self):
        return self.value

    def assign(self, value):
        self.value = value


def make(folder, higher_is_better=True, patience=0):
    model = types.SimpleNamespace(weights=[Weight(), Weight()])
    return BestWeights(model, folder, "validation_f1", higher_is_better, patience), model


def curve(best, model, values, first=1):
    """Sees one point per value; the weights are those of its step."""
    for step, value in enumerate(values, first):
        for weight in model.weights:
            weight.assign(np.full(3, step, np.float32))
        best.see({"step": step, "validation_f1": value})


def files(folder):
    return sorted(int(file.stem.removeprefix("best-")) for file in folder.glob("best-*"))


def test_the_best_point_is_loaded(tmp_path):
    best, model = make(tmp_path)
    best.see({"step": 0, "validation_f1": 1.0})  # before the first step: no point
    best.see({"step": 1})  # not measured
    curve(best, model, [0.2, 0.7, 0.7, 0.3])
    best.load()
    assert best.step == 2 and not best.ended
    assert all((weight.value == 2).all() for weight in model.weights)


def test_lower_may_be_better_and_nan_is_never(tmp_path):
    best, model = make(tmp_path, higher_is_better=False)
    curve(best, model, [float("nan"), 0.5, 0.4, float("nan"), 0.6])
    assert best.step == 3


def test_patience(tmp_path):
    best, model = make(tmp_path, patience=2)
    curve(best, model, [0.1, 0.0, 0.2, 0.1])
    assert not best.ended
    curve(best, model, [0.2], first=5)
    assert best.ended and best.step == 3


def test_a_falling_loss_is_progress(tmp_path):
    best, _ = make(tmp_path, patience=2)
    for step, loss in enumerate([0.9, 0.8, 0.7, 0.6, 0.6, 0.6], 1):
        assert not best.ended
        best.see({"step": step, "validation_f1": 0.5, "validation_loss": loss})
    assert best.ended and best.step == 4  # the lowest loss of equal values


def test_a_training_that_goes_on_has_the_best_point_before_its_checkpoint(tmp_path):
    best, model = make(tmp_path, patience=3)
    curve(best, model, [0.1, 0.5])
    best.tidy()  # the checkpoint
    assert files(tmp_path) == [2]
    curve(best, model, [0.4, 0.9], first=3)  # then the process is killed
    assert files(tmp_path) == [2, 4]
    again, model = make(tmp_path, patience=3)
    again.restore([{"step": 1, "validation_f1": 0.1}, {"step": 2, "validation_f1": 0.5}])
    assert files(tmp_path) == [2] and again.step == 2
    curve(again, model, [0.4, 0.3, 0.2], first=3)
    assert again.ended
    again.load()
    assert (model.weights[0].value == 2).all()


def test_without_a_point_nothing_is_loaded(tmp_path):
    best, model = make(tmp_path)
    best.restore([])
    best.load()
    assert best.step is None and not model.weights[0].value.any()


def test_damaged_weights_are_found(tmp_path):
    best, model = make(tmp_path)
    curve(best, model, [0.2, 0.7])
    rows = [{"step": step, "validation_f1": value} for step, value in ((1, 0.2), (2, 0.7))]
    make(tmp_path)[0].restore(rows)
    file = tmp_path / "best-00000002.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(UserError, match="best-00000002.safetensors is damaged"):
        best.load()
    with pytest.raises(UserError, match="best-00000002.safetensors is damaged"):
        make(tmp_path)[0].restore(rows)


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_the_best_point_of_a_curve_is_the_one_that_is_kept(tmp_path, higher_is_better):
    metric = Metric("f1", "F1", higher_is_better=higher_is_better)
    values = [float("nan"), 0.5, 0.7, 0.7, 0.5, 0.6]
    losses = [0.1, 0.9, 0.8, 0.7, 0.6, 0.2]
    rows = [{"step": 0, "validation_f1": 1.0 if higher_is_better else 0.0}, {"step": 1}]
    rows += [
        {"step": step, "validation_f1": value, "validation_loss": loss}
        for step, (value, loss) in enumerate(zip(values, losses, strict=True), start=2)
    ]
    best, _ = make(tmp_path, higher_is_better=higher_is_better)
    for row in rows:
        best.see(row)
    assert best.step == best_point(rows, metric)["step"] == (5 if higher_is_better else 6)
    assert best_point(rows[:3], metric) is None
