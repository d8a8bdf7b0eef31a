"""Training on batches of several lengths."""

import contextlib
import types

import numpy as np
import pytest
import tensorflow as tf

from tfdistill.data.labelled.batches import LabelledBatches, rows_of_lengths
from tfdistill.data.labelled.sources import encode_classes
from tfdistill.data.pipeline import as_dataset
from tfdistill.distillation.distiller import Distiller, StepOptions
from tfdistill.distillation.phases import Phase, Term
from tfdistill.models.encoder import Encoder
from tfdistill.models.heads.small import SmallHead
from tfdistill.models.model import Model
from tfdistill.system.errors import UserError
from tfdistill.training.checkpoints import StageState
from tfdistill.training.loop import Intervals, Observers, TrainingLoop
from tfdistill.training.optimizer import OptimizerSettings, build_optimizer
from tfdistill.training.step import TrainStep

LENGTHS, STEPS = (8, 24), 20
PHASE = Phase("labels", (Term("cross_entropy", 1.0),))


class Stop(Exception):
    """Stands for anything that ends a process."""


@pytest.fixture(scope="module")
def source(tiny_tokenizer):
    """Texts of 1 to 20 words; the class is whether they begin with "the"."""
    generator = np.random.default_rng(0)
    examples = []
    for number in range(120):
        words = generator.choice(["of", "and", "to", "a"], generator.integers(0, 20))
        first = ("the", "in")[number % 2]
        text = " ".join([first, *words])
        examples.append(types.SimpleNamespace(text=text, pair=None, label=first, origin="a.csv:1"))
    found = encode_classes(examples, tiny_tokenizer, LENGTHS[-1], ("in", "the"))
    return found.with_lengths(LENGTHS)


@pytest.fixture(scope="module")
def batches(source):
    """Batches of about 240 tokens."""
    rows = rows_of_lengths(source.lengths, 8, tokens_per_batch=240, multiple=2)
    return LabelledBatches(source, rows, seed=5)


def make_step(tiny_model, batches, jit_compile=False):
    """With gradients of the rows of the tokens that occur."""
    config = tiny_model(vocab_size=200, num_hidden_layers=1, dropout=0.1).config
    model = Model(Encoder(config), SmallHead(config, outputs=2), seed=1)
    options = StepOptions(seed=3)
    distiller = Distiller(model, PHASE, options=options, tokens=batches.tokens())
    settings = OptimizerSettings(
        learning_rate=0.01,
        steps=STEPS,
        warmup_prop=0.1,
        betas=(0.9, 0.98),
        epsilon=1e-6,
        weight_decay=0.01,
        max_grad_norm=5.0,
    )
    optimizer = build_optimizer(distiller.trained_variables, settings, rows=distiller.gradient_rows)
    return TrainStep(distiller, optimizer, jit_compile)


def values(step):
    return {name: variable.numpy() for name, variable in step.variables().items()}


@pytest.fixture(scope="module")
def trained(tiny_model, batches, tmp_path_factory):
    """(a step, its variables before and after a training, the logged rows)."""
    step = make_step(tiny_model, batches)
    fresh = values(step)
    rows = run(step, batches, tmp_path_factory.mktemp("whole"))
    return step, fresh, values(step), rows


def run(step, batches, folder, stop_at=None, steps_per_execution=1):
    """Trains, and returns the logged rows."""
    rows = []

    def progress(done, row):
        rows.append(row)
        if done == stop_at:
            raise Stop

    loop = TrainingLoop(
        step,
        lambda first, end: as_dataset(batches, first, end),
        steps=STEPS,
        state=StageState(folder, "student"),
        intervals=Intervals(4, 6, 100),
        observers=Observers(progress, lambda first, rows: None),
        steps_per_execution=steps_per_execution,
    )
    loop.run()
    return rows


def test_a_dataset_gives_the_batches_with_their_shapes(batches):
    dataset = as_dataset(batches, 2, 12)
    assert dataset.element_spec["input_ids"].shape.as_list() == [None, None]
    for number, found in enumerate(dataset, 2):
        expected = batches.at(number)
        assert found.keys() == expected.keys()
        for name, array in expected.items():
            assert found[name].shape.is_fully_defined()
            np.testing.assert_array_equal(found[name], array)


def test_one_trace_for_each_length(trained, batches):
    step, _, _, rows = trained
    shapes = {batches.at(number)["input_ids"].shape for number in range(STEPS)}
    assert shapes == {(30, 8), (10, 24)} and step.traces == 2
    assert rows[-1]["loss"] < rows[0]["loss"]


@pytest.mark.slow
def test_one_compilation_for_each_length(tiny_model, trained, batches, tmp_path):
    step = make_step(tiny_model, batches, jit_compile=True)
    rows = run(step, batches, tmp_path)
    assert step.traces == 2
    losses = [[row["loss"] for row in each] for each in (rows, trained[3])]
    np.testing.assert_allclose(*losses, rtol=1e-3)


def test_stopped_and_resumed_equals_one_go(trained, batches, tmp_path):
    step, fresh, expected, _ = trained
    for stop_at in (8, None):
        for name, variable in step.variables().items():
            variable.assign(fresh[name])
        with pytest.raises(Stop) if stop_at else contextlib.nullcontext():
            run(step, batches, tmp_path, stop_at)
    for name, value in values(step).items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)
    assert step.traces == 2


def test_several_steps_in_a_call_need_one_length(trained, batches, tmp_path):
    with pytest.raises(UserError, match="steps_per_execution=4 needs batches of one length"):
        run(trained[0], batches, tmp_path, steps_per_execution=4)


def test_tokens_are_counted_from_the_batches_that_are_taken(batches, tmp_path, monkeypatch):
    """With a clock that goes on by 1 s with each step."""
    clock = 0.0

    class FakeStep:
        jit_compile = False

        def __call__(self, batch, step, good):
            nonlocal clock
            clock += 1.0
            return dict.fromkeys(("loss", "gradient_norm", "good"), tf.constant(1.0))

        def variables(self):
            return {}

    monkeypatch.setattr("tfdistill.system.clock.now", lambda: clock)
    rows = run(FakeStep(), batches, tmp_path)
    tokens = [batches.at(number)["input_ids"].size for number in range(STEPS)]
    seen, steps = set(), []
    for number in range(STEPS):
        shape = batches.at(number)["input_ids"].shape
        steps.append((tokens[number], shape not in seen))
        seen.add(shape)
    before = 0
    for row in rows:
        here = steps[before : row["step"]]
        counted = [size for size, compiles in here if not compiles] or [size for size, _ in here]
        assert row["tokens_per_second"] == pytest.approx(sum(counted) / len(counted))
        before = row["step"]


def test_lengths_and_rows_of_padding_change_no_loss(tiny_model, source):
    config = tiny_model(vocab_size=200).config  # without dropout
    model = Model(Encoder(config), SmallHead(config, outputs=2), seed=1)
    distiller = Distiller(model, PHASE)
    rows = np.flatnonzero(source.tokens <= 8)[:6]
    losses, gradients = [], []
    for indices, each in ((rows, 8), ([*rows, -1, -1], 24)):
        batch = {name: tf.constant(a) for name, a in source.gather(indices, each).items()}
        found, values = distiller.gradients(batch, 0)
        losses.append(float(values["loss"]))
        gradients.append(np.concatenate([np.ravel(part) for part in found]))
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-6)
    np.testing.assert_allclose(gradients[1], gradients[0], atol=1e-6)
