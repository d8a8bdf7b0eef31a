"""A training that is stopped and resumed ends like one that was never stopped."""

import dataclasses
import os
import signal
import time

import keras
import numpy as np
import pytest

from tfdistill import recipes
from tfdistill.data.batches import EvaluationBatches, TrainingBatches
from tfdistill.data.masking import evaluation_masking, training_masking
from tfdistill.data.pipeline import as_dataset
from tfdistill.distillation.distiller import Distiller, StepOptions
from tfdistill.system import devices
from tfdistill.system.stopping import Stopped, give_way
from tfdistill.tasks.masked_lm import MaskedLM
from tfdistill.training.checkpoints import StageState
from tfdistill.training.loop import Intervals, Observers, TrainingLoop
from tfdistill.training.loss_scale import LossScale
from tfdistill.training.optimizer import OptimizerSettings, build_optimizer
from tfdistill.training.step import TrainStep

TASK = MaskedLM()
pytestmark = pytest.mark.tf218

STEPS, LOG, CHECKPOINT, VALIDATION = 12, 2, 5, 6
VOCABULARY = 200  # of the tiny text


class Stop(Exception):
    """Stands for anything that ends a process."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """How a model is trained: with everything that a setting turns on, or with the least."""

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


class Log:
    """Records what a loop logs; its progress function may end the process at a step.

    Args:
        stop_at: step after whose logged point `Stop` is raised; None: never.
        stepped: function of the steps done, called after every call of the step.
        doing: function of the text that says what takes time beside the steps.
    """

    def __init__(self, stop_at=None, stepped=lambda done: None, doing=lambda text: None):
        self.rows, self.restored_rows, self.stop_at = [], None, stop_at
        self.first, self.stepped, self.doing = None, stepped, doing

    def progress(self, step, row):
        assert row["step"] == step
        self.rows.append(row)
        if step == self.stop_at:
            raise Stop

    def restored(self, first, rows):
        self.first = first
        self.restored_rows = [row["step"] for row in rows]


class Training:
    """A model, its compiled step, and its state on disk: what a process that trains has."""

    def __init__(self, kind, model, step, folder):
        self.kind, self.model, self.step = kind, model, step
        self.state = StageState(folder, "student")

    def run(self, data, log, validate=None, steps=STEPS):
        """Runs the loop from the last checkpoint; returns what it returns."""
        batches = TrainingBatches(data[0], 4, 7, training_masking(data[0]))
        if self.kind.validates and not validate:
            score = TASK.scorer(self.model)

            def validate():
                return {"validation_loss": TASK.evaluate(score, data[1])[0]["loss"]}

        loop = TrainingLoop(
            self.step,
            lambda first, end: as_dataset(batches, first, end),
            steps=steps,
            state=self.state,
            intervals=Intervals(self.kind.log, CHECKPOINT, VALIDATION),
            observers=Observers(log.progress, log.restored, validate, log.stepped, doing=log.doing),
            steps_per_execution=self.kind.steps_per_execution,
        )
        return loop.run()

    def values(self):
        return {name: variable.numpy() for name, variable in self.step.variables().items()}

    def rows(self):
        return without_time(self.state.rows)


@pytest.fixture(scope="module")
def data(make_rows):
    """(rows of the training split, fixed batches of the validation split)."""
    held_out = make_rows(2000, 150)
    return make_rows(0, 2000), list(EvaluationBatches(held_out, 8, evaluation_masking(held_out)))


@pytest.fixture(scope="module")
def start(tiny_model):
    """A function of a kind and a folder to a fresh `Training`."""

    def make(kind, folder, steps=STEPS, loss_scale=None):
        choice = devices.Choice("cpu", kind.precision, kind.jit_compile, False, 1, "a test")
        with devices.numerics(choice):
            return make_in_scope(kind, folder, steps, loss_scale)

    def make_in_scope(kind, folder, steps, loss_scale):
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
            OptimizerSettings(
                learning_rate=0.01,
                steps=steps,
                warmup_prop=0.25,
                betas=(0.9, 0.98),
                epsilon=1e-6,
                weight_decay=0.01,
                max_grad_norm=5.0,
            ),
        )
        step = TrainStep(distiller, optimizer, kind.jit_compile, loss_scale)
        return Training(kind, model, step, folder)

    return make


def without_time(rows):
    clock = "tokens_per_second", "wall_time"
    return [{k: v for k, v in row.items() if k not in clock} for row in rows]


@pytest.fixture(scope="module")
def restart(start):
    """The same as `start`, but each kind is compiled once: its variables are reset."""
    made = {}

    def make(kind, folder):
        if kind not in made:
            training = start(kind, folder)
            made[kind] = training, training.values()
        training, fresh = made[kind]
        for name, variable in training.step.variables().items():
            variable.assign(fresh[name])
        return Training(kind, training.model, training.step, folder)

    return make


@pytest.fixture(params=["plain", pytest.param("everything", marks=pytest.mark.slow)])
def begin(request, start, restart):
    """A function of a folder to a `Training`, as a new process has it."""
    if request.param == "plain":
        return lambda folder: start(PLAIN, folder)
    return lambda folder: restart(EVERYTHING, folder)


class FakeStep:
    """A step without a model, which returns given losses."""

    jit_compile = False

    def __init__(self, *losses):
        self.losses = losses

    def __call__(self, batch, step, good=1.0):
        return {"good": 1.0, **self.losses[step % len(self.losses)]}

    def variables(self):
        return {"weight": keras.Variable(0.0)}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_stopped_and_resumed_equals_one_go(begin, data, tmp_path):
    whole, log = begin(tmp_path / "whole"), Log()
    start = whole.values()
    # Weights, two moments each, and the optimizer's counter.
    assert len(start) == 3 * len(whole.model.variables) + 1
    assert whole.run(data, log) == 0.0 and log.restored_rows == []
    expected, curve = whole.values(), whole.rows()
    assert all(np.any(expected[name] != start[name]) for name in start)

    with pytest.raises(Stop):  # after the checkpoint of step 5, and points at 6 and 8
        begin(tmp_path / "parts").run(data, Log(stop_at=8))
    resumed, log = begin(tmp_path / "parts"), Log()
    resumed.run(data, log)
    assert_same(resumed.values(), expected)

    # One curve without repeated points, the same but for the times. The step of a checkpoint is
    # logged, too, so that no mean spans it.
    assert log.restored_rows == [2, 4, 5]
    assert [row["step"] for row in log.rows] == [6, 8, 10, 12]
    assert [row["step"] for row in curve] == [2, 4, 5, 6, 8, 10, 12]
    assert resumed.rows() == curve
    resumed.state.close()
    assert without_time(StageState(tmp_path / "parts", "student").load_rows()) == curve


class RecordingStep:
    """A `TrainStep` that records the calls of `take`."""

    def __init__(self, step):
        self._step, self.variables, self.calls = step, step.variables, []
        self.jit_compile = step.jit_compile

    def take(self, batches, first, count, good):
        self.calls.append((first, count))
        return self._step.take(batches, first, count, good)


@pytest.mark.parametrize("step", [0, VALIDATION, STEPS])
def test_a_stop_ends_a_validation_which_is_done_later(step, restart, data, tmp_path):
    """The last one, too: the training is not at its end before it is measured."""
    whole = restart(PLAIN, tmp_path / "whole")
    whole.run(data, Log(), validate=lambda: {"validation_loss": 1.0})
    expected, curve = whole.values(), whole.rows()
    stopped, stops = restart(PLAIN, tmp_path / "stopped"), [step]

    def validate():
        if stops and len(curve_of(stopped)) == [0, VALIDATION, STEPS].index(step):
            stops.clear()
            os.kill(os.getpid(), signal.SIGINT)
            give_way()
        return {"validation_loss": 1.0}

    def curve_of(training):
        return [row for row in training.state.rows if "validation_loss" in row]

    with pytest.raises(Stopped):
        stopped.run(data, Log(), validate=validate)
    assert stopped.state.has_checkpoint() == (step > 0)
    assert [row["step"] for row in stopped.rows()] == [
        row["step"] for row in curve if row["step"] < step
    ]
    again, log = restart(PLAIN, tmp_path / "stopped"), Log()
    again.run(data, log, validate=validate)
    assert log.first == step
    assert again.rows() == curve
    assert_same(again.values(), expected)


@pytest.mark.parametrize(
    "kind",
    [PLAIN, pytest.param(dataclasses.replace(EVERYTHING, remat=True), marks=pytest.mark.slow)],
    ids=["plain", "everything"],
)
def test_steps_of_one_call_equal_single_steps(kind, start, data, tmp_path):
    """Calls of up to three steps, cut short where something is due: the same weights to the bit."""
    kind = dataclasses.replace(kind, log=7)
    several = dataclasses.replace(kind, steps_per_execution=3)
    one_by_one = start(kind, tmp_path / "one")
    one_by_one.run(data, Log())
    together = start(several, tmp_path / "three")
    step, together.step = together.step, RecordingStep(together.step)
    with pytest.raises(Stop):
        together.run(data, Log(stop_at=6))  # after the checkpoint of step 5, no multiple of three
    together.run(data, Log())
    assert together.step.calls == [(0, 3), (3, 2), (5, 1), (5, 1), (6, 1), (7, 3), (10, 2)]
    assert_same(together.values(), one_by_one.values())
    assert [row["step"] for row in together.rows()] == [5, 6, 7, 10, 12]
    for mine, others in zip(together.rows(), one_by_one.rows(), strict=True):
        for name, value in others.items():
            np.testing.assert_allclose(mine[name], value, rtol=1e-6, err_msg=name)
    assert step.traces == one_by_one.step.traces == 1


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
def test_a_stop_stores_what_was_learned(kind, after, restart, data, tmp_path):
    """Ctrl-C between two logged points, at a checkpoint, at the end: no step is repeated."""
    whole = restart(kind, tmp_path / "whole")
    whole.run(data, Log())
    expected, rows = whole.values(), whole.rows()

    stopped = []

    def press(done):
        if done >= after and not stopped:
            stopped.append(done)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Stopped):
        restart(kind, tmp_path / "parts").run(data, Log(stepped=press))
    assert stopped[0] - after < kind.steps_per_execution
    resumed, log = restart(kind, tmp_path / "parts"), Log(stepped=stopped.append)
    resumed.run(data, log)
    assert log.first == stopped[0] and stopped[1:2] == sorted(stopped)[1:2]
    assert_same(resumed.values(), expected)
    assert resumed.rows() == rows


class StoppedInSave(StageState):
    """State whose every checkpoint is interrupted by Ctrl-C."""

    def save(self, *args):
        os.kill(os.getpid(), signal.SIGINT)
        super().save(*args)


@pytest.mark.parametrize("moment", ["validation", "checkpoint"])
def test_a_stop_between_steps_stores_them_too(moment, restart, data, tmp_path):
    """In the validation after step 6; while the checkpoint of step 5 is written."""
    training, calls, validate = restart(PLAIN, tmp_path), [], None
    if moment == "checkpoint":
        training.state = StoppedInSave(tmp_path, "student")
    else:

        def validate():
            calls.append(1)
            if len(calls) == 2:  # the first call is before the first step
                os.kill(os.getpid(), signal.SIGINT)
            return {"validation_loss": 1.0}

    with pytest.raises(Stopped):
        training.run(data, Log(), validate=validate)
    step = {"validation": 6, "checkpoint": 5}[moment]
    assert max(tmp_path.rglob("step-*")).name == f"step-{step:08d}.safetensors"


def test_compiling_does_not_count_as_training_speed(data, tmp_path):
    """The first call takes long; tokens per second are counted from its end."""

    class SlowAtFirst(FakeStep):
        def __call__(self, batch, step, good=1.0):
            time.sleep(0.0 if step else 3.0)
            return super().__call__(batch, step)

    step, log = SlowAtFirst({"loss": 1.0, "gradient_norm": 1.0}), Log()
    Training(PLAIN, None, step, tmp_path).run(data, log)
    assert log.rows[0]["tokens_per_second"] > 2 * 4 * 12 / 3.0


@pytest.mark.parametrize("jit_compile", [True, False])
def test_the_first_call_is_said_to_compile_only_if_it_does(jit_compile, data, tmp_path):
    step, told = FakeStep({"loss": 1.0, "gradient_norm": 1.0}), []
    step.jit_compile = jit_compile
    Training(PLAIN, None, step, tmp_path).run(data, Log(doing=told.append))
    (text,) = told
    assert text.startswith("compiling") == jit_compile


def test_a_resumed_loss_scale_equals_one_go(start, data, tmp_path):
    """From a scale so high that the first steps overflow."""

    def make(folder):
        loss_scale = LossScale(first_scale=2.0**24, steps_to_grow=4)
        return start(FLOAT16, tmp_path / folder, loss_scale=loss_scale)

    whole = make("whole")
    whole.run(data, Log())
    expected, rows = whole.values(), whole.rows()
    assert rows[0]["skipped"] > 0 and {row["loss_scale"] for row in rows} != {2.0**24}
    assert 0 < expected["optimizer/0"] < STEPS  # the steps that were taken

    with pytest.raises(Stop):
        make("parts").run(data, Log(stop_at=8))
    resumed = make("parts")
    resumed.run(data, Log())
    assert "loss_scale" in resumed.values()
    assert_same(resumed.values(), expected)
    assert resumed.rows() == rows


def test_the_mean_norm_leaves_skipped_steps_out(data, tmp_path):
    taken = {"loss": 2.0, "gradient_norm": 3.0, "skipped": 0.0}
    skipped = {"loss": 1.0, "gradient_norm": 0.0, "skipped": 1.0}
    log = Log()
    step = FakeStep(skipped, taken, skipped, taken, skipped, skipped)
    kind = dataclasses.replace(PLAIN, log=4)
    Training(kind, None, step, tmp_path).run(data, log, steps=6)
    assert [row["step"] for row in log.rows] == [4, 5, 6]
    means = [(row["loss"], row["gradient_norm"], row["skipped"]) for row in log.rows]
    assert means == [(1.5, 3.0, 0.5), (1.0, 0.0, 1.0), (1.0, 0.0, 1.0)]


@pytest.fixture(scope="module")
def plain_run(start, data, tmp_path_factory):
    """(rows, model) of a run of 30 steps, enough to learn the frequencies of the tokens."""
    log = Log()
    training = start(Kind(validates=True), tmp_path_factory.mktemp("plain"), steps=30)
    training.run(data, log, steps=30)
    return log.rows, training.model


def test_the_curve(plain_run):
    (start, *rows), _ = plain_run
    assert start.keys() == {"step", "validation_loss", "wall_time"} and start["step"] == 0
    logged = [step for step in range(1, 31) if step % LOG == 0 or step % CHECKPOINT == 0]
    assert [row["step"] for row in rows] == logged
    for row in rows:
        assert row["loss"] == row["loss_mlm"] and row["gradient_norm"] > 0
        assert row["tokens_per_second"] > 0
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
    loss = TASK.evaluate(TASK.scorer(model), data[1])[0]["loss"]
    np.testing.assert_allclose(rows[-1]["validation_loss"], loss, rtol=1e-6)


def test_a_checkpoint_that_cannot_be_written(restart, data, tmp_path, monkeypatch):
    """The second checkpoint fails; the run then continues from the first."""
    replaced, real = [], os.replace

    def fails(source, target):
        replaced.append(str(target))
        if "step-00000010" in str(target):
            raise OSError(28, "No space left on device")
        return real(source, target)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr("os.replace", fails)
        restart(PLAIN, tmp_path).run(data, Log())
    assert any("step-00000005" in target for target in replaced)
    log = Log(stop_at=6)
    with pytest.raises(Stop):
        restart(PLAIN, tmp_path).run(data, log)
    assert log.restored_rows == [2, 4, 5]
