"""A run that is stopped and started again ends as one that was not."""

import dataclasses
import os
import signal
import time

import numpy as np
import pytest
import tensorflow as tf

from tfdistill import recipes
from tfdistill.data.batches import EvaluationBatches, TrainingBatches, as_dataset, taken_ahead
from tfdistill.distillation.distiller import Distiller, StepOptions
from tfdistill.system import devices
from tfdistill.system.errors import UserError
from tfdistill.system.stopping import Stopped
from tfdistill.training import loop as loop_module
from tfdistill.training import loss_scale
from tfdistill.training.checkpoints import StageState
from tfdistill.training.evaluation import evaluate, scorer
from tfdistill.training.loop import Intervals, Observers, TrainingLoop
from tfdistill.training.loss_scale import loss_scale_for
from tfdistill.training.optimizer import build_optimizer

pytestmark = pytest.mark.tf218

STEPS, LOG, CHECKPOINT, VALIDATION = 12, 2, 5, 6
VOCABULARY = 200  # of the tiny text


class Stop(Exception):
    """Stands for whatever ends a process."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """What is trained, and how: all that a flag could ask for, or the least."""

    recipe: str = "mlm"
    dropout: float = 0.0
    layerdrop: float = 0.0
    micro_batches: int = 1
    jit_compile: bool = False
    precision: str = "float32"
    validates: bool = False
    remat: bool = False
    log: int = LOG
    steps_per_execution: int = 1


PLAIN = Kind()
FLOAT16 = Kind(precision="float16")
EVERYTHING = Kind("distilbert", dropout=0.1, layerdrop=0.3, micro_batches=2, jit_compile=True)


class Outside:
    """Watches a loop, and stops it where it is told to."""

    def __init__(self, stop_at=None):
        self.rows, self.restored_rows, self.stop_at = [], None, stop_at
        self.first = None

    def progress(self, step, row):
        assert row["step"] == step
        self.rows.append(row)
        if step == self.stop_at:
            raise Stop

    def restored(self, first, rows):
        self.first = first
        self.restored_rows = [row["step"] for row in rows]


@pytest.fixture(scope="module")
def data(make_rows):
    """(rows of the training split, fixed batches of the validation split)."""
    return make_rows(0, 2000), list(EvaluationBatches(make_rows(2000, 150), 8))


@pytest.fixture(scope="module")
def start(tiny_model, data):
    """A function of a kind, a folder and options to (loop, model): what a fresh process makes."""

    def make(kind, folder, outside, steps=STEPS):
        choice = devices.Choice("cpu", kind.precision, kind.jit_compile, False, 1, "a test")
        with devices.numerics(choice):
            return make_in_scope(kind, folder, outside, steps)

    def make_in_scope(kind, folder, outside, steps):
        shape = dict(vocab_size=VOCABULARY, num_hidden_layers=1)
        model = tiny_model(seed=2, dropout=kind.dropout, **shape)
        recipe = recipes.get(kind.recipe)
        teacher = tiny_model(seed=1, **shape) if kind.recipe == "distilbert" else None
        options = StepOptions(
            seed=3, layerdrop=kind.layerdrop, micro_batches=kind.micro_batches, remat=kind.remat
        )
        distiller = Distiller(model, recipe.phases[0], teacher, options)
        optimizer = build_optimizer(
            model.trainable_variables,
            learning_rate=0.01,
            steps=steps,
            warmup_prop=0.25,
            betas=(0.9, 0.98),
            epsilon=1e-6,
            weight_decay=0.01,
            max_grad_norm=5.0,
        )
        batches = TrainingBatches(data[0], 4, seed=7)
        score = scorer(model) if kind.validates else None
        loop = TrainingLoop(
            distiller,
            optimizer,
            steps=steps,
            dataset=lambda first, end: as_dataset(batches, first, end),
            state=StageState(folder, "student"),
            intervals=Intervals(kind.log, CHECKPOINT, VALIDATION),
            observers=Observers(
                outside.progress,
                outside.restored,
                (lambda: evaluate(score, data[1])[0]["loss"]) if kind.validates else None,
            ),
            jit_compile=kind.jit_compile,
            steps_per_execution=kind.steps_per_execution,
            loss_scale=loss_scale_for(kind.precision),
        )
        return loop, model

    return make


def without_time(rows):
    clock = "tokens_per_second", "wall_time"
    return [{k: v for k, v in row.items() if k not in clock} for row in rows]


@pytest.fixture(scope="module")
def restart(start):
    """The same as `start`, but compiled once: a loop of fresh weights around the old step."""
    made = {}

    def make(kind, folder, outside):
        loop, model = start(kind, folder, outside)
        old, old_model, fresh = made.setdefault(kind, (loop, model, values_of(loop)))
        for name, variable in old._variables().items():
            variable.assign(fresh[name])
        old._state, old._observers = loop._state, loop._observers
        return old, old_model

    return make


@pytest.fixture(params=["plain", "everything"])
def begin(request, start, restart):
    """A function of a folder and an `Outside` to (loop, model), as a new process has them."""
    if request.param == "plain":
        return lambda folder, outside: start(PLAIN, folder, outside)
    return lambda folder, outside: restart(EVERYTHING, folder, outside)


def values_of(loop):
    return {name: variable.numpy() for name, variable in loop._variables().items()}


def test_stopped_and_resumed_equals_one_go(begin, tmp_path):
    whole = Outside()
    loop, model = begin(tmp_path / "whole", whole)
    start = values_of(loop)
    assert len(start) == 3 * len(model.variables) + 1  # weights, two moments each, the counter
    assert loop.run() == 0.0 and whole.restored_rows == []
    expected = values_of(loop)
    assert all(np.any(expected[name] != start[name]) for name in start)
    curves = [without_time(loop._state.rows)]

    first = Outside(stop_at=8)  # after the checkpoint of step 5, and points at 6 and 8
    loop, _ = begin(tmp_path / "parts", first)
    with pytest.raises(Stop):
        loop.run()
    second = Outside()
    loop, _ = begin(tmp_path / "parts", second)
    loop.run()
    found = values_of(loop)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)

    # One curve, without doubled points, and the same but for the clock. A checkpoint's step is
    # logged too, so that no mean spans it.
    assert second.restored_rows == [2, 4, 5]
    assert [row["step"] for row in second.rows] == [6, 8, 10, 12]
    curves.append(without_time(loop._state.rows))
    assert [row["step"] for row in curves[0]] == [2, 4, 5, 6, 8, 10, 12]
    assert curves[0] == curves[1]
    loop._state.close()
    assert without_time(StageState(tmp_path / "parts", "student").load_rows()) == curves[0]


@pytest.mark.parametrize(
    "kind",
    [PLAIN, pytest.param(dataclasses.replace(EVERYTHING, remat=True), marks=pytest.mark.slow)],
    ids=["plain", "everything"],
)
def test_steps_of_one_call_are_those_of_several(kind, start, tmp_path, monkeypatch):
    """Calls of up to three steps, cut short by what is due: the same weights, bit for bit."""
    kind = dataclasses.replace(kind, log=7)
    several = dataclasses.replace(kind, steps_per_execution=3)
    ahead = []
    monkeypatch.setattr(
        loop_module, "taken_ahead", lambda batches: ahead.append(1) or taken_ahead(batches)
    )
    one_by_one, _ = start(kind, tmp_path / "one", Outside())
    one_by_one.run()
    assert ahead == [1]
    together, _ = start(several, tmp_path / "three", Outside(stop_at=6))
    calls, take = [], together._step.take

    def spy(batches, first, count):
        calls.append((first, count))
        return take(batches, first, count)

    monkeypatch.setattr(together._step, "take", spy)
    with pytest.raises(Stop):
        together.run()  # after the checkpoint of step 5, which is no multiple of three
    together._observers = dataclasses.replace(together._observers, progress=Outside().progress)
    together.run()
    assert calls == [(0, 3), (3, 2), (5, 1), (5, 1), (6, 1), (7, 3), (10, 2)]
    expected, found = values_of(one_by_one), values_of(together)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    rows = without_time(together._state.rows), without_time(one_by_one._state.rows)
    assert [row["step"] for row in rows[0]] == [5, 6, 7, 10, 12]
    for mine, others in zip(*rows, strict=True):
        for name, value in others.items():
            np.testing.assert_allclose(mine[name], value, rtol=1e-6, err_msg=name)
    assert together._step.traces == one_by_one._step.traces == 1
    assert ahead == [1]  # there the iterator is TensorFlow's


@pytest.mark.parametrize(
    "kind",
    [
        PLAIN,
        dataclasses.replace(PLAIN, log=7, steps_per_execution=3),
        pytest.param(EVERYTHING, marks=pytest.mark.slow),
    ],
    ids=["plain", "several steps in a call", "everything"],
)
@pytest.mark.parametrize("after", [3, 8, 10, 12], ids="after {}".format)
def test_a_stop_stores_what_was_learned(kind, after, restart, tmp_path):
    """Ctrl-C between two logged points, at a checkpoint, at the end: nothing is taken again."""
    whole, _ = restart(kind, tmp_path / "whole", Outside())
    whole.run()
    expected, rows = values_of(whole), without_time(whole._state.rows)

    loop, _ = restart(kind, tmp_path / "parts", Outside())
    stopped = []

    def press(done):
        if done >= after and not stopped:
            stopped.append(done)
            os.kill(os.getpid(), signal.SIGINT)

    loop._observers = dataclasses.replace(loop._observers, stepped=press)
    with pytest.raises(Stopped):
        loop.run()
    assert stopped[0] - after < kind.steps_per_execution
    again = Outside()
    loop, _ = restart(kind, tmp_path / "parts", again)
    loop._observers = dataclasses.replace(
        loop._observers, stepped=lambda done: stopped.append(done)
    )
    loop.run()
    assert again.first == stopped[0] and stopped[1:2] == sorted(stopped)[1:2]
    found = values_of(loop)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    assert without_time(loop._state.rows) == rows


@pytest.mark.parametrize("moment", ["validate", "save"])
def test_a_stop_between_steps_stores_them_too(moment, restart, tmp_path, monkeypatch):
    """In the validation after step 6; while the checkpoint of step 5 is written."""
    loop, _ = restart(Kind(validates=True), tmp_path, Outside())
    owner = loop._observers if moment == "validate" else loop._state
    real, calls = getattr(owner, moment), []

    def press(*args):
        calls.append(args)
        if moment == "save" or len(calls) == 2:  # the first is before the first step
            os.kill(os.getpid(), signal.SIGINT)
        return real(*args)

    if moment == "validate":
        loop._observers = dataclasses.replace(loop._observers, validate=press)
    else:
        monkeypatch.setattr(loop._state, "save", press)
    with pytest.raises(Stopped):
        loop.run()
    step = {"validate": 6, "save": 5}[moment]
    assert max(tmp_path.rglob("step-*")).name == f"step-{step:08d}.safetensors"


def test_nothing_is_stored_that_is_no_number(restart, tmp_path):
    loop, model = restart(PLAIN, tmp_path, Outside())
    model.head.bias.assign(np.full(VOCABULARY, np.nan, np.float32))
    loop._observers = dataclasses.replace(
        loop._observers, stepped=lambda done: os.kill(os.getpid(), signal.SIGINT)
    )
    with pytest.raises(UserError, match="loss is nan at step 1"):
        loop.run()
    assert not list(tmp_path.rglob("*.safetensors"))


def test_compiling_is_not_part_of_the_pace(restart, tmp_path, monkeypatch):
    """The first call takes long; the tokens of a second are counted from its end."""
    outside = Outside()
    loop, _ = restart(PLAIN, tmp_path, outside)
    take, calls = loop._step, []

    def slow_at_first(batch, step):
        time.sleep(0.0 if calls else 3.0)
        calls.append(step)
        return take(batch, step)

    monkeypatch.setattr(loop, "_step", slow_at_first)
    loop.run()
    assert outside.rows[0]["tokens_per_second"] > 2 * 4 * 12 / 3.0


def test_a_loss_scale_goes_on_too(start, tmp_path, monkeypatch):
    """From a scale so high that the first steps overflow."""
    monkeypatch.setattr(loss_scale, "FIRST_SCALE", 2.0**24)
    monkeypatch.setattr(loss_scale, "STEPS_TO_GROW", 4)
    loop, _ = start(FLOAT16, tmp_path / "whole", Outside())
    loop.run()
    expected, rows = values_of(loop), without_time(loop._state.rows)
    assert rows[0]["skipped"] > 0 and {row["loss_scale"] for row in rows} != {2.0**24}
    assert 0 < expected["optimizer/0"] < STEPS  # steps that were taken

    first = Outside(stop_at=8)
    with pytest.raises(Stop):
        start(FLOAT16, tmp_path / "parts", first)[0].run()
    loop, _ = start(FLOAT16, tmp_path / "parts", Outside())
    loop.run()
    found = values_of(loop)
    assert found.keys() == expected.keys() and "loss_scale" in found
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    assert without_time(loop._state.rows) == rows


def test_the_norm_is_a_mean_over_the_steps_that_were_taken(restart, tmp_path):
    loop, _ = restart(PLAIN, tmp_path, Outside())
    taken = {"loss": 2.0, "gradient_norm": 3.0, "skipped": 0.0}
    skipped = {"loss": 1.0, "gradient_norm": 0.0, "skipped": 1.0}
    row = loop._summarise(4, [skipped, taken, skipped, taken], 4)
    assert row == {"step": 4, "loss": 1.5, "gradient_norm": 3.0, "skipped": 0.5}
    assert loop._summarise(2, [skipped, skipped], 2)["gradient_norm"] == 0.0


@pytest.fixture(scope="module")
def plain_run(start, tmp_path_factory):
    """(rows, model) of a whole run of 30 steps, which learn the frequencies at the least."""
    outside = Outside()
    kind = Kind(validates=True)
    loop, model = start(kind, tmp_path_factory.mktemp("plain"), outside, steps=30)
    loop.run()
    return outside.rows, model


def test_the_curve(plain_run):
    (start, *rows), _ = plain_run
    assert start.keys() == {"step", "validation_loss", "wall_time"} and start["step"] == 0
    logged = [step for step in range(1, 31) if step % LOG == 0 or step % CHECKPOINT == 0]
    assert [row["step"] for row in rows] == logged
    for row in rows:
        assert row["loss"] == row["loss_mlm"] and row["gradient_norm"] > 0
        assert row["tokens_per_second"] > 0
        # Of the points from one checkpoint or logged step to the next.
        assert ("validation_loss" in row) == (row["step"] % VALIDATION == 0)
    validation = [row["validation_loss"] for row in (start, *rows) if "validation_loss" in row]
    assert rows[-1]["loss"] < rows[0]["loss"] - 0.3 and validation[-1] < validation[0] - 0.1


def test_the_learning_rate_of_the_curve(plain_run):
    """Means over the steps since the point before: warm-up of 8 steps, then down to 0."""
    rates = [0.01 * min((step + 1) / 8, (30 - step) / 22, 1.0) for step in range(30)]
    done = 0
    for row in plain_run[0][1:]:
        expected = np.mean(rates[done : row["step"]])
        np.testing.assert_allclose(row["learning_rate"], expected, rtol=1e-5)
        done = row["step"]


def test_the_validation_loss_is_of_the_model_in_training(plain_run, data):
    rows, model = plain_run
    loss = evaluate(scorer(model), data[1])[0]["loss"]
    np.testing.assert_allclose(rows[-1]["validation_loss"], loss, rtol=1e-6)


def test_a_loss_that_is_no_number(restart, tmp_path):
    outside = Outside()
    loop, model = restart(PLAIN, tmp_path, outside)
    model.head.bias.assign(np.full(VOCABULARY, np.nan, np.float32))
    with pytest.raises(UserError, match="loss is nan at step 2: lower --learning_rate"):
        loop.run()
    assert not outside.rows and not list(tmp_path.rglob("*.safetensors"))


def test_a_gradient_that_is_no_number(restart, tmp_path, monkeypatch):
    loop, model = restart(PLAIN, tmp_path, Outside())
    losses = {"loss": tf.constant(1.0), "gradient_norm": tf.constant(float("inf"))}
    monkeypatch.setattr(loop, "_step", lambda batch, step: losses)
    with pytest.raises(UserError, match="gradient_norm is inf at step 2: lower --learning_rate"):
        loop.run()


def test_a_checkpoint_that_cannot_be_written(restart, tmp_path, monkeypatch):
    """The second checkpoint fails; the run then goes on from the first."""
    replaced, real = [], os.replace

    def fails(source, target):
        replaced.append(str(target))
        if "step-00000010" in str(target):
            raise OSError(28, "No space left on device")
        return real(source, target)

    loop, _ = restart(PLAIN, tmp_path, Outside())
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr("os.replace", fails)
        loop.run()
    assert any("step-00000005" in target for target in replaced)
    outside = Outside(stop_at=6)
    again, _ = restart(PLAIN, tmp_path, outside)
    with pytest.raises(Stop):
        again.run()
    assert outside.restored_rows == [2, 4, 5]
