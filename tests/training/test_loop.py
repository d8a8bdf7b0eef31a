"""A run that is stopped and started again ends as one that was not."""

import dataclasses
import math

import keras
import numpy as np
import pytest

from tfdistill import recipes
from tfdistill.data.batches import EvaluationBatches, TrainingBatches, as_dataset
from tfdistill.distillation.distiller import Distiller
from tfdistill.errors import UserError
from tfdistill.training.evaluation import evaluate, scorer
from tfdistill.training.loop import Intervals, Observers, TrainingLoop
from tfdistill.training.optimizer import build_optimizer
from tfdistill.training.run_state import StageState

STEPS, LOG, CHECKPOINT, VALIDATION = 12, 2, 5, 6


class Stop(Exception):
    """Stands for whatever ends a process."""


@dataclasses.dataclass
class Kind:
    """What is trained, and how: all that a flag could ask for, or the least."""

    recipe: str = "mlm"
    dropout: float = 0.0
    layerdrop: float = 0.0
    micro_batches: int = 1
    jit_compile: bool = False


PLAIN = Kind()
EVERYTHING = Kind("distilbert", dropout=0.1, layerdrop=0.3, micro_batches=2, jit_compile=True)


class Outside:
    """Watches a loop, and stops it where it is told to."""

    def __init__(self, stop_at=None):
        self.rows, self.restored_rows, self.stop_at = [], None, stop_at

    def progress(self, step, row):
        assert row["step"] == step
        self.rows.append(row)
        if step == self.stop_at:
            raise Stop

    def restored(self, rows):
        self.restored_rows = [row["step"] for row in rows]


@pytest.fixture(scope="module")
def data(make_rows):
    """(rows of the training split, fixed batches of the validation split)."""
    return make_rows(), list(EvaluationBatches(make_rows("validation", tokens=150), 8))


@pytest.fixture(scope="module")
def start(tiny_model, data):
    """A function of a kind, a folder and options to (loop, model): what a fresh process makes."""

    def make(kind, folder, outside, steps=STEPS, learning_rate=0.01, validate=True):
        model = tiny_model(seed=2, vocab_size=57, dropout=kind.dropout)
        recipe = recipes.get(kind.recipe)
        teacher = tiny_model(seed=1, vocab_size=57) if kind.recipe == "distilbert" else None
        distiller = Distiller(
            model,
            recipe.phases[0],
            teacher,
            seed=3,
            layerdrop=kind.layerdrop,
            micro_batches=kind.micro_batches,
        )
        optimizer = build_optimizer(
            model.trainable_variables,
            learning_rate=learning_rate,
            steps=steps,
            warmup_prop=0.25,
            betas=(0.9, 0.98),
            epsilon=1e-6,
            weight_decay=0.01,
            max_grad_norm=5.0,
        )
        batches = TrainingBatches(data[0], 4, seed=7)
        score = scorer(model) if validate else None
        loop = TrainingLoop(
            distiller,
            optimizer,
            steps=steps,
            dataset=lambda first, end: as_dataset(batches, first, end),
            state=StageState(folder, "student"),
            intervals=Intervals(LOG, CHECKPOINT, VALIDATION),
            observers=Observers(
                outside.progress,
                outside.restored,
                (lambda: evaluate(score, data[1])[0]["loss"]) if validate else None,
            ),
            jit_compile=kind.jit_compile,
        )
        return loop, model

    return make


def weights_of(model):
    return {variable.path: variable.numpy() for variable in model.variables}


def without_time(rows):
    return [{k: v for k, v in row.items() if k != "tokens_per_second"} for row in rows]


@pytest.mark.parametrize("kind", [PLAIN, EVERYTHING], ids=["plain", "everything"])
def test_stopped_and_resumed_equals_one_go(start, tmp_path, kind):
    whole = Outside()
    loop, model = start(kind, tmp_path / "whole", whole)
    seconds = loop.run()
    assert seconds > 0 and whole.restored_rows == []
    expected = weights_of(model)

    first = Outside(stop_at=8)  # after the checkpoint of step 5, and points at 6 and 8
    loop, _ = start(kind, tmp_path / "parts", first)
    with pytest.raises(Stop):
        loop.run()
    second = Outside()
    loop, model = start(kind, tmp_path / "parts", second)
    loop.run()
    # A checkpoint's step is logged too: nothing that was done before it is left out of a mean.
    assert second.restored_rows == [2, 4, 5]
    assert [row["step"] for row in second.rows] == [6, 8, 10, 12]
    found = weights_of(model)
    assert len(found) == len(model.variables)
    for path, value in expected.items():
        np.testing.assert_array_equal(found[path], value, err_msg=path)

    # One curve, without doubled points, and the same but for the clock.
    curves = []
    for folder in ("whole", "parts"):
        rows = StageState(tmp_path / folder, "student")
        rows.restore(loop._variables())
        curves.append(without_time(rows.rows))
    assert [row["step"] for row in curves[0]] == [2, 4, 5, 6, 8, 10]  # the last checkpoint's
    assert curves[0] == curves[1]
    assert without_time(loop._state.rows) == without_time(whole.rows)


@pytest.fixture(scope="module")
def plain_run(start, tmp_path_factory):
    """(rows, model) of a whole run of 30 steps."""
    outside = Outside()
    loop, model = start(PLAIN, tmp_path_factory.mktemp("plain"), outside, steps=30)
    loop.run()
    return outside.rows, model


def test_the_curve(plain_run):
    rows, _ = plain_run
    logged = [step for step in range(1, 31) if step % LOG == 0 or step % CHECKPOINT == 0]
    assert [row["step"] for row in rows] == logged
    for row in rows:
        assert row["loss"] == row["loss_mlm"] and row["gradient_norm"] > 0
        assert row["tokens_per_second"] > 0
        # Of the points from one checkpoint or logged step to the next.
        assert ("validation_loss" in row) == (row["step"] % VALIDATION == 0)
    assert rows[-1]["loss"] < 0.9 * rows[0]["loss"]
    validation = [row["validation_loss"] for row in rows if "validation_loss" in row]
    assert validation[-1] < 0.9 * validation[0]


def test_the_learning_rate_of_the_curve(plain_run):
    """Means over the steps since the point before: warm-up of 8 steps, then down to 0."""
    rates = [0.01 * min((step + 1) / 8, (30 - step) / 22, 1.0) for step in range(30)]
    done = 0
    for row in plain_run[0]:
        expected = np.mean(rates[done : row["step"]])
        np.testing.assert_allclose(row["learning_rate"], expected, rtol=1e-5)
        done = row["step"]


def test_the_validation_loss_is_of_the_model_in_training(plain_run, data):
    rows, model = plain_run
    loss = evaluate(scorer(model), data[1])[0]["loss"]
    np.testing.assert_allclose(rows[-1]["validation_loss"], loss, rtol=1e-6)


def test_a_loss_that_is_no_number(start, tmp_path):
    outside = Outside()
    loop, model = start(PLAIN, tmp_path, outside, validate=False)
    model.head.bias.assign(np.full(57, np.nan, np.float32))
    with pytest.raises(UserError, match="the loss is nan at step 2: lower --learning_rate"):
        loop.run()
    assert not outside.rows and not list(tmp_path.rglob("*.safetensors"))


def test_a_checkpoint_that_cannot_be_written(start, tmp_path, monkeypatch):
    """The second checkpoint fails; the run then goes on from the first."""
    import os

    replaced, real = [], os.replace

    def fails(source, target):
        replaced.append(str(target))
        if "step-00000010" in str(target):
            raise OSError(28, "No space left on device")
        return real(source, target)

    loop, _ = start(PLAIN, tmp_path, Outside(), validate=False)
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr("os.replace", fails)
        loop.run()
    assert any("step-00000005" in target for target in replaced)
    # A loop that only restores: no step left to trace.
    outside = Outside(stop_at=6)
    again, _ = start(PLAIN, tmp_path, outside, validate=False)
    with pytest.raises(Stop):
        again.run()
    assert outside.restored_rows == [2, 4, 5]


def test_dense_gradients_are_clipped_as_one(start, tmp_path, monkeypatch):
    """The norm that is logged is the one before the clip, over all weights."""
    seen = []
    apply = keras.optimizers.AdamW.apply

    def spy(optimizer, grads, variables=None):
        seen.append([type(grad).__name__ for grad in grads])
        return apply(optimizer, grads, variables)

    monkeypatch.setattr("keras.optimizers.AdamW.apply", spy)
    outside = Outside(stop_at=2)
    loop, model = start(PLAIN, tmp_path, outside, validate=False)
    gradients, _ = loop._distiller.gradients(
        next(iter(loop._dataset(0, 1))), 0
    )  # before any step is made
    first = math.sqrt(sum(float(np.square(gradient).sum()) for gradient in gradients))
    with pytest.raises(Stop):
        loop.run()
    assert len(seen) == 1 and "IndexedSlices" not in seen[0]  # traced once for all steps
    assert abs(outside.rows[0]["gradient_norm"] - first) < 0.5 * first
