"""Tables of which some rows have gradients: the same training as with gradients of all rows."""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file

from tfdistill.command_line.run_config import RunConfig
from tfdistill.data.labelled.batches import LabelledBatches, rows_of_lengths
from tfdistill.data.labelled.sources import encode_classes
from tfdistill.distillation.distiller import Distiller, StepOptions
from tfdistill.distillation.phases import Phase, Term
from tfdistill.models.configs.config_files import named_config
from tfdistill.models.encoder import Encoder
from tfdistill.models.heads.small import SmallHead
from tfdistill.models.model import Model
from tfdistill.run.trainer import StageTrainer, TrainingStage
from tfdistill.system.devices import Choice
from tfdistill.training.optimizer import OptimizerSettings, build_optimizer
from tfdistill.training.step import TrainStep

PHASE = Phase("labels", (Term("cross_entropy", 1.0),))
ROWS = np.int32([0, 3, 4, 9, 17, 30])
SETTINGS = OptimizerSettings(
    learning_rate=0.05,
    steps=12,
    warmup_prop=0.25,
    betas=(0.8, 0.95),
    epsilon=1e-6,
    weight_decay=0.1,
    max_grad_norm=1.0,
)


@pytest.mark.tf218
@pytest.mark.parametrize("jit_compile", [False, True], ids=["", "xla"])
def test_steps_are_those_of_dense_gradients(jit_compile):
    """With a clip, a warm-up, decay, and a rate of its own; ids repeat, and some rows wait."""
    generator = np.random.default_rng(0)
    start = generator.normal(size=(40, 8)).astype(np.float32)
    results = []
    for rows in (None, ROWS):
        variables = [keras.Variable(start), keras.Variable(start[0])]
        optimizer = build_optimizer(variables, SETTINGS, rates=[0.5, 1.0], rows=[rows, None])

        step = tf.function(optimizer.apply, autograph=False, jit_compile=jit_compile)
        draws = np.random.default_rng(1)
        for _ in range(SETTINGS.steps):
            table = np.zeros_like(start)
            table[draws.choice(ROWS, 3)] = draws.normal(size=(3, 8))
            bias = tf.constant(draws.normal(size=8), tf.float32)
            step([tf.constant(table if rows is None else table[rows]), bias])
        results.append([variable.numpy() for variable in variables])
    for dense, found in zip(*results, strict=True):
        np.testing.assert_allclose(found, dense, rtol=0, atol=1e-7 * np.abs(dense).max())
    others = np.setdiff1d(np.arange(40), ROWS)
    np.testing.assert_array_equal(results[1][0][others], results[0][0][others])
    assert np.abs(results[0][0][others] - start[others]).max() > 1e-3  # they decay
    assert [tuple(each.shape) for each in optimizer.variables].count((len(ROWS), 8)) == 2
    assert (40, 8) not in [tuple(each.shape) for each in optimizer.variables]


@pytest.fixture(scope="module")
def batches(tiny_tokenizer):
    words = [f"the {word}" for word in ("whale", "sea of the ship", "man", "ship")] * 8
    examples = [
        types.SimpleNamespace(text=text, pair=None, label="no", origin="a.csv:1") for text in words
    ]
    source = encode_classes(examples, tiny_tokenizer, 12, ("no", "so"))
    return LabelledBatches(source, rows_of_lengths(source.lengths, 8), seed=1)


def test_tokens_of_the_batches(batches):
    found = batches.tokens()
    seen = {int(i) for step in range(20) for i in batches.at(step)["input_ids"].ravel()}
    assert seen <= set(found.tolist()) and 0 in found
    assert found.dtype == np.int32 and (np.diff(found) > 0).all()


SHAPES = {"bert": "L-1_H-12_A-2", "mobilebert": "L-1_H-8_B-16_A-2_F-2_I-20_E-8"}


def make_model(kind):
    config = named_config(SHAPES[kind], kind, 1000)
    return Model(Encoder(config), SmallHead(config, outputs=2), seed=1)


def make_step(kind, tokens, micro_batches=1):
    model = make_model(kind)
    options = StepOptions(seed=3, micro_batches=micro_batches)
    distiller = Distiller(model, PHASE, options=options, tokens=tokens)
    optimizer = build_optimizer(distiller.trained_variables, SETTINGS, rows=distiller.gradient_rows)
    return TrainStep(distiller, optimizer, jit_compile=False)


@pytest.mark.parametrize(
    "kind, micro_batches", [("bert", 2), pytest.param("mobilebert", 1, marks=pytest.mark.slow)]
)
def test_a_model_is_trained_alike(batches, kind, micro_batches):
    norms, weights = [], []
    for tokens in (None, batches.tokens()):
        step = make_step(kind, tokens, micro_batches)
        norms.append([float(step(_tensors(batches.at(i)), i)["gradient_norm"]) for i in range(4)])
        weights.append({k: v.numpy() for k, v in step.variables().items() if k[:5] == "model"})
    np.testing.assert_allclose(norms[1], norms[0], rtol=1e-6)
    for name, dense in weights[0].items():
        np.testing.assert_allclose(weights[1][name], dense, atol=2e-6, err_msg=name)


def _tensors(batch):
    return {name: tf.constant(array) for name, array in batch.items()}


def test_a_head_with_a_vocabulary_has_gradients_in_all_rows(tiny_model):
    (phase,) = (Phase("mlm", (Term("mlm", 1.0),)),)
    distiller = Distiller(tiny_model(), phase, tokens=ROWS)
    assert not any(rows is not None for rows in distiller.gradient_rows)


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_runs_train_rows_on_the_cpu(batches, device, tmp_path):
    """The moments in a checkpoint tell."""
    config = RunConfig(n_epoch=1, log_interval=1, checkpoint_interval=1)
    machine = Choice(device, "float32", False, device == "gpu", 1, "a test")
    console = types.SimpleNamespace(progress=lambda *of: _Line(), say=print)
    trainer = StageTrainer(config, tmp_path, console, validator=lambda *_: None, machine=machine)
    stage = TrainingStage("student", PHASE, 1, 1e-3, more_follows=True)
    trainer.train(stage, make_model("bert"), None, batches)
    (file,) = (tmp_path / "checkpoints" / "student").glob("*.safetensors")
    rows = len(batches.tokens()) if device == "cpu" else 1000
    shapes = [value.shape for name, value in load_file(file).items() if name[:9] == "optimizer"]
    assert shapes.count((rows, 12)) == 2


class _Line:
    def __call__(self, *of):
        pass

    note = __call__
