"""A number that is NaN or infinite stops the training before it changes a weight."""

import json
import types

import numpy as np
import pytest
import tensorflow as tf

from tfdistill import recipes
from tfdistill.data.pipeline import as_dataset
from tfdistill.distillation.distiller import Distiller
from tfdistill.distillation.losses import LOSSES
from tfdistill.run.bad_batches import BadBatches
from tfdistill.system import devices
from tfdistill.system.errors import UserError
from tfdistill.training import bad_steps
from tfdistill.training.checkpoints import StageState
from tfdistill.training.loop import Intervals, Observers, TrainingLoop
from tfdistill.training.loss_scale import LossScale
from tfdistill.training.optimizer import OptimizerSettings, build_optimizer
from tfdistill.training.step import TrainStep

pytestmark = pytest.mark.tf218
BAD, STEPS, BAD_ROW = 6, 12, 2  # the step whose batch is bad, from 0
SETTINGS = OptimizerSettings(
    learning_rate=0.01,
    steps=STEPS,
    warmup_prop=0.25,
    betas=(0.9, 0.98),
    epsilon=1e-6,
    weight_decay=0.01,
    max_grad_norm=1.0,
)


class Batches:
    """Four rows a step; the weight of a masked token of one row is `value` in step `BAD`."""

    def __init__(self, tiny_batch, value):
        self._make, self._value = tiny_batch, value

    def at(self, step):
        batch = self._make([10, 7, 9, 4], seed=step)
        if step == BAD:
            batch["masked_weights"][BAD_ROW, 0] = self._value
        return batch

    def rows_of(self, step):
        return np.arange(4) + 100 * step, np.zeros(4, int)


@pytest.fixture
def train(tiny_model, tiny_batch, tmp_path):
    """A function that trains with a bad batch: (its error, values before it, values now)."""

    def run(value=np.nan, jit_compile=False, several=1, loss_scale=None, precision="float32"):
        choice = devices.Choice("cpu", precision, jit_compile, False, 1, "a test")
        with devices.numerics(choice):
            student = tiny_model(seed=2)
            distiller = Distiller(student, recipes.get("mlm").phases[0])
            optimizer = build_optimizer(student.trainable_variables, SETTINGS)
            step = TrainStep(distiller, optimizer, jit_compile, loss_scale)
            batches = Batches(tiny_batch, value)

            def dataset(first, end):
                return as_dataset(batches, first, end)

            def loop(folder, steps):
                state = StageState(folder, "student")
                kept = BadBatches(
                    tmp_path / "bad", "student", batches, first_step=0, tokenizer=None, writes=True
                )
                observers = Observers(
                    lambda *_: None, lambda *_: None, rows_of=kept.rows_of, keep_batch=kept.keep
                )
                return TrainingLoop(
                    step,
                    dataset,
                    steps=steps,
                    state=state,
                    intervals=Intervals(4, 4, 100),
                    observers=observers,
                    steps_per_execution=several,
                )

            start = {name: variable.numpy() for name, variable in step.variables().items()}
            loop(tmp_path / "before", BAD).run()
            before = {name: variable.numpy() for name, variable in step.variables().items()}
            for name, variable in step.variables().items():
                variable.assign(start[name])
            with pytest.raises(UserError) as wrong:
                loop(tmp_path / "run", STEPS).run()
            now = {name: variable.numpy() for name, variable in step.variables().items()}
        return str(wrong.value), before, now

    return run


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"several": 3},
        pytest.param({"value": np.inf}, marks=pytest.mark.slow),
        pytest.param({"jit_compile": True}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_a_bad_step_changes_nothing_and_its_batch_is_named(train, tmp_path, options):
    told, before, now = train(**options)
    assert_same(now, before)
    state = StageState(tmp_path / "run", "student")
    stored = {name: tf.Variable(np.zeros_like(value)) for name, value in before.items()}
    assert state.restore(stored)[0] == BAD
    assert_same({name: variable.numpy() for name, variable in stored.items()}, before)
    assert state.unlogged.steps == BAD - 4 and [row["step"] for row in state.rows] == [4]

    value = "infinite" if "value" in options else "nan"
    assert told.startswith(
        f"student, step 7: loss_mlm is {value}, first in the batch's masked_weights"
    )
    assert "rows 600, 601, 602, 603 (of them 602 alone)" in told
    assert "step 6 is kept" in told and "Correct the training data" in told
    (file,) = (tmp_path / "bad").iterdir()
    assert file.name == "student-step-00000007.jsonl" and str(file) in told
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [row["row"] for row in rows] == [600, 601, 602, 603]
    assert rows[BAD_ROW]["masked_weights"][0] is None and len(rows[0]["input_ids"]) == 10


def test_a_float16_loss_that_is_bad_is_not_skipped(train):
    told, before, now = train(precision="float16", loss_scale=LossScale(2.0**8))
    assert_same(now, before)
    assert "step 7: loss_mlm is nan" in told


def test_a_weight_that_is_bad_before_the_first_step(tiny_model):
    model = tiny_model()
    bias = model.encoder.blocks[1].attention.query.bias
    bias.assign(np.where(np.arange(12) == 3, np.inf, bias.numpy()))
    variables = {f"model/{variable.path}": variable for variable in model.variables}
    with pytest.raises(
        UserError, match=r"^teacher: the weight encoder/layer_1/\S*query/bias is inf"
    ):
        bad_steps.require_good_state(variables, "teacher")
    bias.assign(np.zeros(12))
    bad_steps.require_good_state(variables, "teacher")


def step_of(student, teacher=None, recipe="mlm", **options):
    (phase,) = recipes.get(recipe, **options).phases
    distiller = Distiller(student, phase, teacher)
    return TrainStep(distiller, build_optimizer(student.trainable_variables, SETTINGS), False)


def test_the_layer_is_named(tiny_model, tiny_batch):
    """Numbers that are finite themselves overflow in the second layer."""
    student, batch = tiny_model(seed=2), tiny_batch([10, 7])
    (norm,) = [v for v in student.variables if v.path.endswith("layer_1/output_norm/gamma")]
    norm.assign(np.full(12, 3e38, np.float32))
    step = step_of(student)
    assert float(step(batch, 0)["good"]) == 0.0
    told = str(bad_steps.bad_step_error(step, batch, 0, [4, 5], "student"))
    assert "first in the output of encoder/layer_1; batch: rows 4, 5." in told
    assert "nothing was trained before it. Try a lower learning_rate (or" in told


def test_the_teacher_is_named(tiny_model, tiny_batch):
    student, teacher, batch = tiny_model(seed=2), tiny_model(seed=1), tiny_batch([10, 7])
    teacher.head.bias.assign(np.full(50, np.nan, np.float32))
    step = step_of(student, teacher, "distilbert", alpha_mlm=0.0, alpha_cos=0.0)
    assert float(step(batch, 0)["good"]) == 0.0
    told = str(bad_steps.bad_step_error(step, batch, 0, None, "student"))
    assert (
        "loss_ce is not finite, first in decoder of teacher 1" in told and "another teacher" in told
    )


def test_the_variable_of_a_bad_gradient_is_named(tiny_model, tiny_batch, monkeypatch):
    """A loss that is finite where its gradient is not: the root of 0."""
    student, batch = tiny_model(seed=2), tiny_batch([10, 7])
    step = step_of(student)
    real = LOSSES["mlm"].compute

    def compute(comparison, **options):
        return real(comparison, **options) + tf.sqrt(tf.reduce_sum(0.0 * student.head.bias.value))

    monkeypatch.setattr(LOSSES["mlm"], "compute", compute)
    assert float(step(batch, 0)["good"]) == 0.0
    told = str(bad_steps.bad_step_error(step, batch, 0, [4, 5], "student"))
    assert f"the gradient is nan, first in that of {student.head.bias.path}" in told


def test_steps_after_a_bad_one_change_nothing(tiny_model, tiny_batch):
    student = tiny_model(seed=2)
    step = step_of(student)
    before = [variable.numpy() for variable in step.variables().values()]
    found = step(tiny_batch([10, 7]), 0, 0.0)
    assert float(found["good"]) == 0.0 and np.isfinite(found["loss"])
    now = [variable.numpy() for variable in step.variables().values()]
    assert all(np.array_equal(old, new) for old, new in zip(before, now, strict=True))


def test_at_most_twenty_batches_are_written(tmp_path, tiny_batch):
    batches, words = Batches(tiny_batch, 1.0), types.SimpleNamespace(decode=lambda ids: "words")
    kept = BadBatches(tmp_path, "student", batches, first_step=5, tokenizer=words, writes=True)
    told = [kept.keep(step) for step in range(22)]
    assert len(list(tmp_path.iterdir())) == 20 and told[19] and not told[20]
    line = json.loads((tmp_path / "student-step-00000001.jsonl").read_text().splitlines()[0])
    assert line["row"] == 500 and line["text"] == "words"
    silent = BadBatches(tmp_path / "no", "a", batches, first_step=0, tokenizer=None, writes=False)
    assert "`dump_bad_batch`" in silent.keep(0) and not (tmp_path / "no").exists()
