"""Steps that train all parts of a grid (DynaBERT), against models of the parts alone."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tfdistill import recipes
from tfdistill.distillation.bound_terms import check_phase
from tfdistill.distillation.cached_signals import answers_suffice
from tfdistill.distillation.distiller import Distiller, StepOptions
from tfdistill.distillation.drawn_parts import passes_in_step
from tfdistill.distillation.phases import Phase, Term
from tfdistill.models.encoder import Encoder
from tfdistill.models.heads.classification import ClassificationHead
from tfdistill.models.model import Model
from tfdistill.models.part_grid import PartGrid
from tfdistill.models.subnet import extract_subnet, part_variables
from tfdistill.system.errors import UserError

LOSSES = {"labels": "cross_entropy", "kl": "logits_kl", "mse": "logits_mse"}
INPUTS = "input_ids", "attention_mask"
RECIPE = recipes.get("dynabert", task_losses=LOSSES, final_share=0.2)
GRIDS = {  # smaller than the published ones, which take longer
    "width": PartGrid((1.0, 0.5)),
    "depth": PartGrid((1.0, 0.5), (1.0, 0.5)),
    "final": PartGrid((1.0, 0.5), (1.0, 0.5)),
}


def phase_of(name):
    (phase,) = (phase for phase in RECIPE.phases if phase.name == name)
    return dataclasses.replace(phase, parts=GRIDS[name])


def test_passes_in_a_step(tiny_model):
    """Of the published grid four in a step of width, and in one of depth 4 × (1 + 3/4 + 1/2)."""
    config = tiny_model(num_hidden_layers=4, num_attention_heads=4, hidden_size=16).config
    passes = [passes_in_step(phase.parts, config) for phase in RECIPE.phases]
    assert passes == [4.0, 9.0, 9.0] and passes_in_step(None, config) == 1.0


@pytest.fixture
def model(tiny_model):
    def make(seed, dropout=0.0):
        shape = dict(hidden_size=16, num_hidden_layers=4, num_attention_heads=4)
        config = tiny_model(dropout=dropout, **shape).config
        return Model(Encoder(config), ClassificationHead(config, ("a", "b", "c")), seed=seed)

    return make


@pytest.fixture
def batch(tiny_batch):
    labels = {"labels": np.array([0, 2, 1, 1], np.int32), "label_weights": np.ones(4, np.float32)}
    rows = tiny_batch([10, 4, 1, 7])
    return {
        name: tf.constant(each) for name, each in ({n: rows[n] for n in INPUTS} | labels).items()
    }


def published_loss(name, student, teacher, kept, batch):
    """The loss of a part from its own model: soft cross-entropy's KL, and states layer by layer."""
    inputs = {key: batch[key] for key in INPUTS}
    out = student(inputs, taps=("hidden_states",))
    if name == "final":
        chosen = tf.gather(tf.nn.log_softmax(out["logits"]), batch["labels"], batch_dims=1)
        return -tf.reduce_mean(chosen)
    taught = teacher(inputs, taps=("hidden_states",))
    targets = tf.nn.softmax(taught["logits"])
    gap = tf.nn.log_softmax(taught["logits"]) - tf.nn.log_softmax(out["logits"])
    loss = tf.reduce_mean(tf.reduce_sum(targets * gap, axis=-1))
    real = tf.cast(batch["attention_mask"], tf.float32)
    # What each of its layers reads, then what the last returns.
    theirs = [taught["hidden_states"][place] for place in (*kept, 4)]
    for ours, states in zip(out["hidden_states"], theirs, strict=True):
        distance = tf.reduce_mean((ours - states) ** 2, axis=-1)
        loss += {"width": 0.1, "depth": 1.0}[name] * tf.reduce_sum(distance * real) / 22
    return loss


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("width", marks=pytest.mark.slow),
        "depth",
        pytest.param("final", marks=pytest.mark.slow),
    ],
)
def test_a_step_sums_the_gradients_of_all_parts(name, model, batch):
    whole, teacher, phase = model(1), model(2), phase_of(name)
    distiller = Distiller(whole, phase, teacher, StepOptions(micro_batches=2))
    gradients, losses = tf.function(distiller.gradients, autograph=False)(batch, tf.constant(0))
    expected = {id(v): np.zeros(v.shape, np.float32) for v in whole.variables}
    space, values = phase.parts.space(whole.config), []
    shapes = space.shapes()
    assert len(shapes) == len(phase.parts.widths) * len(phase.parts.depths)
    for shape in shapes.values():
        own, places = extract_subnet(whole, shape), shape.layer_places(4)
        taught = teacher
        if name == "depth":  # its own width, all layers
            taught = extract_subnet(teacher, shape._replace(layers=4))
        with tf.GradientTape() as tape:
            loss = published_loss(name, own, taught, places, batch)
        values.append(loss.numpy())
        found = dict(zip(map(id, own.variables), tape.gradient(loss, own.variables), strict=True))
        for variable, source, index in part_variables(whole, own, places):
            expected[id(source)][index] += tf.convert_to_tensor(found[id(variable)]).numpy()
    np.testing.assert_allclose(losses["loss"], np.mean(values), rtol=1e-5)
    for variable, gradient in zip(distiller.trained_variables, gradients, strict=True):
        wanted = expected[id(variable)]
        np.testing.assert_allclose(gradient, wanted, atol=1e-5, rtol=1e-5, err_msg=variable.path)


@pytest.mark.slow
def test_recomputed_parts_have_the_same_gradients(model, batch):
    whole, teacher = model(1, dropout=0.1), model(2)

    def gradients(**options):
        chosen = StepOptions(seed=3, **options)
        return Distiller(whole, phase_of("depth"), teacher, chosen).gradients(batch, tf.constant(2))

    for ours, theirs in zip(gradients(on_metal=True)[0], gradients()[0], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize(
    "term, message",
    [
        (Term("attention_scores", 1.0, layers="uniform"), "it reads attention_scores"),
        (Term("hidden", 1.0, layers="uniform"), "compare them by 'part_states'"),
    ],
)
def test_terms_that_cannot_compare_parts_are_refused(term, message, model):
    config = model(1).config
    with pytest.raises(UserError, match=message):
        check_phase(Phase("width", (term,), parts=PartGrid()), config, config)
    check_phase(Phase("width", (Term("cos", 1.0),), parts=PartGrid()), config, config)


def test_a_teacher_of_its_own_is_run_in_the_steps():
    """The answers of the run's teacher, which come with the batches, are not its."""
    term = Term("logits_kl", 1.0)
    assert answers_suffice(Phase("width", (term,), parts=PartGrid()))
    assert not answers_suffice(Phase("depth", (term,), parts=PartGrid(), own_teacher=True))
    with pytest.raises(ValueError, match="no PartGrid"):
        Phase("depth", (term,), own_teacher=True)
