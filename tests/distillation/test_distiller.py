"""The training step: terms, gradients, randomness, and variables that it must not change."""

import dataclasses
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfdistill.command_line.run_config import RunConfig
from tfdistill.distillation.distiller import Distiller, StepOptions
from tfdistill.distillation.phases import Phase, Term
from tfdistill.models.layerdrop import draw_layers
from tfdistill.run import plan
from tfdistill.system.errors import UserError
from tfdistill.training.optimizer import OptimizerSettings, build_optimizer

TERMS = {
    "ce": Term("ce", 5.0, {"temperature": 2.0, "restrict_to_mask": False}),
    "ce masked": Term("ce", 4.0, {"temperature": 3.0, "restrict_to_mask": True}),
    "mlm": Term("mlm", 2.0),
    "cos": Term("cos", 1.5),
    "mse": Term("mse", 0.1, {"restrict_to_mask": False}),
    "mse masked": Term("mse", 0.2, {"restrict_to_mask": True}),
    "soft": Term("soft_ce", 0.5, {"temperature": 2.0}),
    "scores": Term("attention_scores", 1.0, layers="uniform"),
    "maps": Term("attention_maps", 2.0, layers=((-1, -1),)),
    "hidden": Term("hidden", 1.0, layers="uniform", projection="per_layer"),
    "embedding": Term("embedding", 0.5, projection="shared"),
    "patient": Term("patient", 10.0, layers="last", projection="shared"),
    "relations": Term(
        "relations", 1.0, {"relations": ("queries", "keys", "values")}, layers=((-1, 0),)
    ),
    "nst": Term("nst", 1.0, layers="uniform"),
    "gram": Term("gram", 1.0, layers="uniform", projection="shared"),
    "fsp": Term("fsp", 1.0, layers="uniform", projection="per_layer"),
}
INSIDES = ("scores", "maps", "hidden", "embedding", "patient", "relations", "nst", "gram", "fsp")
ROWS = (10, 7, 3, 4)  # tokens; the last two rows are short, as a micro-batch they weigh less


def phase(*names):
    return Phase("test", tuple(TERMS[name] for name in names))


ALL_NAMES = ("ce", "mlm", "cos", "mse")
ALL = phase(*ALL_NAMES)


@pytest.fixture(scope="module")
def teacher(tiny_model):
    return tiny_model(seed=1, dropout=0.1)


@pytest.fixture(scope="module")
def student(tiny_model):
    """A student without dropout; tests do not change it."""
    return tiny_model(seed=2)


@pytest.fixture(scope="module")
def batch(tiny_batch):
    return tensors(tiny_batch(ROWS))


def tensors(arrays):
    return {name: tf.constant(array) for name, array in arrays.items()}


def losses_of(distiller, batch, step=0):
    return {name: float(loss) for name, loss in distiller.gradients(batch, step)[1].items()}


def assert_close(gradients, expected, atol):
    for gradient, true_gradient in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(gradient, true_gradient, atol=atol)


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def expected_losses(student, teacher, batch):
    """Every term in float64, from the outputs of the two models for the whole batch."""
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    answers = [model(inputs) for model in (student, teacher)]
    z_s, z_t = (answer["logits"].numpy().astype(np.float64) for answer in answers)
    h_s, h_t = (answer["last_hidden_state"].numpy().astype(np.float64) for answer in answers)
    positions = batch["masked_positions"].numpy()
    tokens, masked = batch["attention_mask"].numpy(), batch["masked_weights"].numpy()

    def at_masks(values):
        return np.take_along_axis(values, positions, axis=1)

    def kl(temperature):
        log_p, log_q = log_softmax(z_t / temperature), log_softmax(z_s / temperature)
        return temperature**2 * (np.exp(log_p) * (log_p - log_q)).sum(axis=-1)

    labels = batch["masked_labels"].numpy()
    rows = np.arange(len(labels))[:, None]
    squares = ((z_s - z_t) ** 2).sum(axis=-1)
    lengths = np.linalg.norm(h_s, axis=-1) * np.linalg.norm(h_t, axis=-1)
    cosines = (h_s * h_t).sum(axis=-1) / lengths
    return {
        "ce": np.average(kl(2.0), weights=tokens),
        "ce masked": np.average(at_masks(kl(3.0)), weights=masked),
        "mlm": np.average(-log_softmax(z_s)[rows, positions, labels], weights=masked),
        "cos": np.average(1 - cosines, weights=tokens),
        "mse": np.average(squares, weights=tokens),
        "mse masked": np.average(at_masks(squares), weights=masked),
    }


@pytest.mark.parametrize(
    "names", [("ce", "mlm", "cos", "mse"), ("ce masked", "mse masked"), ("mlm",)]
)
def test_the_loss_is_the_weighted_sum_of_its_terms(student, teacher, batch, names):
    losses = losses_of(Distiller(student, phase(*names), teacher), batch)
    expected = expected_losses(student, teacher, batch)
    total = sum(TERMS[name].weight * expected[name] for name in names)
    np.testing.assert_allclose(losses.pop("loss"), total, rtol=1e-5)
    assert set(losses) == {f"loss_{TERMS[name].loss}" for name in names}
    for name in names:
        assert expected[name] > 0.01
        found = losses[f"loss_{TERMS[name].loss}"]
        np.testing.assert_allclose(found, expected[name], rtol=1e-5, err_msg=name)


def test_terms_of_weight_zero_are_left_out(student, batch):
    terms = (*phase("mlm").terms, dataclasses.replace(TERMS["cos"], weight=0.0))
    losses = losses_of(Distiller(student, Phase("test", terms)), batch)  # and no teacher either
    assert set(losses) == {"loss", "loss_mlm"}


@pytest.mark.parametrize(
    "names", [("ce", "mlm", "cos", "mse"), ("ce masked", "mse masked", "soft"), INSIDES]
)
def test_padding_changes_nothing(student, teacher, batch, names):
    distiller = Distiller(student, phase(*names), teacher)
    gradients, losses = distiller.gradients(batch, 0)
    assert all(isinstance(gradient, tf.Tensor) for gradient in gradients)  # dense
    scale = max(np.abs(gradient).max() for gradient in gradients)
    arrays = {key: tensor.numpy() for key, tensor in batch.items()}
    longer = {
        key: np.pad(array, ((0, 0), (0, 2 if "masked" in key else 6)))
        for key, array in arrays.items()
    }
    junk = {key: np.pad(array, ((0, 3), (0, 0))) for key, array in longer.items()}  # and rows
    junk["input_ids"][junk["attention_mask"] == 0] = 33
    junk["masked_labels"][junk["masked_weights"] == 0] = 44
    junk["masked_positions"][junk["masked_weights"] == 0] = 12
    for padded in (longer, junk):
        found, padded_losses = distiller.gradients(tensors(padded), 0)
        for name, loss in losses.items():
            np.testing.assert_allclose(padded_losses[name], loss, rtol=1e-5, atol=1e-5)
        assert_close(found, gradients, atol=1e-5 * scale)


def test_a_batch_without_a_masked_token(student, teacher, tiny_batch):
    arrays = tiny_batch(ROWS)
    arrays["masked_weights"][:] = 0
    gradients, losses = Distiller(student, ALL, teacher).gradients(tensors(arrays), 0)
    assert losses["loss_mlm"] == 0 and losses["loss_ce"] > 0
    assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_the_teacher_has_no_dropout_and_is_not_trained(student, teacher, batch, tiny_model):
    """Its dropout is 0.1, the student's 0: only the teacher's could make two steps differ."""
    before = [variable.numpy() for variable in teacher.variables]
    distiller = Distiller(student, ALL, teacher)
    assert losses_of(distiller, batch, step=0) == losses_of(distiller, batch, step=1)
    pupil = tiny_model(seed=2, dropout=0.1)
    dropping = Distiller(pupil, ALL, teacher)
    assert losses_of(dropping, batch, step=0) != losses_of(dropping, batch, step=1)
    optimizer = build(pupil)
    for step in range(2):
        gradients, _ = dropping.gradients(batch, step)
        optimizer.apply(gradients, pupil.trainable_variables)
    for variable, old in zip(teacher.variables, before, strict=True):
        np.testing.assert_array_equal(variable, old)
    assert not set(map(id, teacher.variables)) & set(map(id, dropping.trainable_variables))


def test_a_copy_of_the_teacher_has_no_loss_without_layerdrop(teacher, batch, tiny_model):
    copy = tiny_model(seed=1)
    whole = losses_of(Distiller(copy, phase("ce", "cos"), teacher), batch)
    assert abs(whole["loss"]) < 1e-5
    dropped = Distiller(copy, phase("ce", "cos"), teacher, options=StepOptions(layerdrop=0.9))
    assert losses_of(dropped, batch)["loss_cos"] > 0.01
    # Inference has no LayerDrop.
    np.testing.assert_array_equal(copy(batch)["logits"], teacher(batch)["logits"])


# -- accumulation


@pytest.mark.parametrize("names", [ALL_NAMES, INSIDES])
def test_micro_batches_give_the_gradient_of_the_whole_batch(teacher, batch, tiny_model, names):
    pupil = tiny_model(seed=2, dropout=0.1)
    parts = batch["attention_mask"].numpy().reshape(2, -1).sum(axis=1)
    masked = batch["masked_weights"].numpy().reshape(2, -1).sum(axis=1)
    assert parts[0] != parts[1] and masked[0] != masked[1]
    results = {}
    layerdrop = 0.3 if names == ALL_NAMES else 0.0
    for count in (1, 2, 4):
        distiller = Distiller(
            pupil,
            phase(*names),
            teacher,
            options=StepOptions(seed=3, layerdrop=layerdrop, micro_batches=count),
        )
        results[count] = distiller.gradients(batch, 5)
    gradients, losses = results[1]
    scale = max(np.abs(gradient).max() for gradient in gradients)
    for count in (2, 4):
        assert_close(results[count][0], gradients, atol=1e-6 * max(1.0, scale))
        for name in losses:
            np.testing.assert_allclose(results[count][1][name], losses[name], rtol=1e-6)


def test_two_devices_add_up_to_the_whole_batch(teacher, batch, tiny_model):
    """Each computes its rows, with its first row's index and the counts of the global batch."""
    pupil = tiny_model(seed=2, dropout=0.1)
    distiller = Distiller(pupil, ALL, teacher, options=StepOptions(layerdrop=0.3))
    expected, expected_losses = distiller.gradients(batch, 5)
    normalizers = distiller.normalizers(batch)
    assert float(normalizers["ce"]) == sum(ROWS)
    assert float(normalizers["mlm"]) == batch["masked_weights"].numpy().sum()
    halves = [
        distiller.gradients(
            {name: tensor[row : row + 2] for name, tensor in batch.items()}, 5, row, normalizers
        )
        for row in (0, 2)
    ]
    summed, losses = tf.nest.map_structure(tf.add, *halves)
    scale = max(np.abs(gradient).max() for gradient in expected)
    assert_close(summed, expected, atol=1e-6 * max(1.0, scale))
    np.testing.assert_allclose(losses["loss"], expected_losses["loss"], rtol=1e-6)


def test_a_batch_must_divide_into_its_micro_batches(student, teacher, batch):
    with pytest.raises(ValueError, match="4 rows cannot be cut into 3"):
        Distiller(student, ALL, teacher, options=StepOptions(micro_batches=3)).gradients(batch, 0)


# -- randomness


def test_dropout_depends_on_seed_and_step_alone(teacher, batch, tiny_model):
    pupil = tiny_model(seed=2, dropout=0.1)
    results = {
        (seed, step): losses_of(
            Distiller(pupil, phase("mlm"), options=StepOptions(seed=seed)), batch, step
        )["loss"]
        for seed in (0, 1)
        for step in (0, 1)
    }
    assert len(set(results.values())) == 4
    again = losses_of(Distiller(pupil, phase("mlm"), options=StepOptions(seed=1)), batch, 0)["loss"]
    assert again == results[1, 0]


def draws(student, seed, layerdrop, steps, compiled=False):
    """The layers that each step keeps: bool (steps, layers)."""

    def keep(step):
        layers = student.config.num_hidden_layers
        return draw_layers(layers, layerdrop, seed=seed, step=tf.cast(step, tf.int32)).keep

    @tf.function(jit_compile=compiled)
    def draw(steps):
        return tf.map_fn(keep, steps, fn_output_signature=tf.bool)

    return draw(tf.constant(steps)).numpy()


@pytest.mark.parametrize("layerdrop", [0.2, 0.5])
def test_layerdrop_draws(student, layerdrop):
    kept = draws(student, 4, layerdrop, range(1000))  # (steps, layers)
    np.testing.assert_array_equal(draws(student, 4, layerdrop, range(900, 1000)), kept[900:])
    np.testing.assert_array_equal(draws(student, 4, layerdrop, range(1000), compiled=True), kept)
    assert (draws(student, 5, layerdrop, range(1000)) != kept).mean() > 0.2
    # 1,000 draws a layer: a standard error of 0.016 at the most.
    np.testing.assert_allclose(1 - kept.mean(axis=0), layerdrop, atol=0.06)
    both = (~kept[:, 0] & ~kept[:, 1]).mean()  # layers fall independently of each other
    np.testing.assert_allclose(both, layerdrop**2, atol=0.06)


def test_a_dropped_layer_gets_no_gradient(student, batch):
    distiller = Distiller(student, phase("mlm"), options=StepOptions(layerdrop=0.5))
    kept = draws(student, 0, 0.5, range(20))
    step = next(step for step, layers in enumerate(kept) if layers.tolist() == [True, False])
    gradients, _ = distiller.gradients(batch, step)
    for variable, gradient in zip(student.trainable_variables, gradients, strict=True):
        if "layer_1" in variable.path:
            assert not gradient.numpy().any(), variable.path
        elif "layer_0" in variable.path:
            assert gradient.numpy().any(), variable.path


# -- steps


def build(student, **changes):
    options = {
        "learning_rate": 0.01,
        "steps": 20,
        "warmup_prop": 0.0,
        "betas": (0.9, 0.98),
        # Large, or rounding errors of gradients that are truly 0 (of key biases) would move
        # weights by a whole learning rate.
        "epsilon": 1e-3,
        "weight_decay": 0.01,
        "max_grad_norm": 5.0,
    }
    settings = OptimizerSettings(**{**options, **changes})
    return build_optimizer(student.trainable_variables, settings)


@pytest.mark.parametrize(
    "flags",
    [
        {"freeze_pos_embs": True},
        {"freeze_pos_embs": True, "freeze_token_type_embds": True},
    ],
    ids=lambda flags: "+".join(flags),
)
def test_frozen_embeddings_are_not_trained(teacher, batch, tiny_model, flags):
    pupil = tiny_model(seed=2)
    plan.freeze(pupil, RunConfig(**flags))
    distiller = Distiller(pupil, ALL, teacher)
    before = {variable.path: variable.numpy() for variable in pupil.variables}
    optimizer = build(pupil, epsilon=1e-9)
    for step in range(2):
        gradients, _ = distiller.gradients(batch, step)
        optimizer.apply(gradients, pupil.trainable_variables)
    names = {"freeze_pos_embs": "position_embeddings"} | {
        "freeze_token_type_embds": "token_type_embeddings"
    }
    unchanged = {
        variable.path
        for variable in pupil.variables
        if np.array_equal(variable.numpy(), before[variable.path])
    }
    assert len(before) == len(pupil.variables)
    assert {path.rsplit("/", 1)[-1] for path in unchanged} == {names[flag] for flag in flags}
    # Without the settings everything is trainable again.
    plan.freeze(pupil, RunConfig())
    assert len(pupil.trainable_variables) == len(pupil.variables)


def test_keras_fit_makes_the_same_steps(tiny_model, tiny_batch):
    """Compiled by Keras and in micro-batches, against whole batches and no compiler."""
    triple, batches = phase("ce", "mlm", "cos"), [tiny_batch(ROWS)] * 4
    teacher, one, other = (tiny_model(s, num_hidden_layers=1, dropout=0.1) for s in (1, 2, 2))
    distiller = Distiller(one, triple, teacher, options=StepOptions(seed=3))
    optimizer = build(one)
    expected = []
    for step, batch in enumerate(map(tensors, batches)):
        gradients, losses = distiller.gradients(batch, step)
        optimizer.apply(gradients, one.trainable_variables)
        expected.append({name: float(loss) for name, loss in losses.items()})

    found = []
    collect = keras.callbacks.LambdaCallback(on_train_batch_end=lambda _, logs: found.append(logs))
    fitted = Distiller(other, triple, teacher, options=StepOptions(seed=3, micro_batches=2))
    fitted.compile(optimizer=build(other), jit_compile=False)
    stacked = tf.nest.map_structure(lambda *arrays: np.stack(arrays), *batches)
    dataset = tf.data.Dataset.from_tensor_slices(stacked)
    fitted.fit(dataset, shuffle=False, verbose=0, callbacks=[collect])
    assert len(found) == len(expected)
    for logs, losses in zip(found, expected, strict=True):
        assert set(logs) == set(losses)
        np.testing.assert_allclose([logs[n] for n in losses], list(losses.values()), rtol=1e-4)
    assert found[-1]["loss"] < 0.8 * found[0]["loss"]
    for variable, true_variable in zip(other.variables, one.variables, strict=True):
        np.testing.assert_allclose(variable, true_variable, atol=1e-4)


def test_keras_fit_refuses_several_devices(student, batch, monkeypatch):
    two = types.SimpleNamespace(num_replicas_in_sync=2)
    monkeypatch.setattr(tf.distribute, "get_strategy", lambda: two)
    with pytest.raises(ValueError, match="TrainStep"):
        Distiller(student, phase("mlm")).train_step(batch)


# -- refusals


def test_every_weight_zero(student, teacher):
    with pytest.raises(UserError, match="every loss has the weight 0 .*one of mlm"):
        Distiller(student, Phase("test", (Term("mlm", 0.0), Term("cos", 0.0))), teacher)


def test_one_loss_twice_is_refused(student):
    with pytest.raises(ValueError, match="names each term once"):
        Distiller(student, Phase("test", (Term("mlm", 1.0), Term("mlm", 2.0))))


@pytest.mark.parametrize("name", ["ce", "cos", "mse"])
def test_no_teacher(student, name):
    with pytest.raises(UserError, match="needs a teacher: give teacher"):
        Distiller(student, phase(name))


@pytest.mark.parametrize("name", ["ce", "mse masked"])
def test_a_teacher_without_a_head(student, tiny_model, name):
    with pytest.raises(UserError, match="teacher: the model has no masked-LM head"):
        Distiller(student, phase(name), tiny_model(with_head=False))


def test_a_student_without_a_head(teacher, tiny_model):
    with pytest.raises(UserError, match="student_config: the model has no masked-LM head"):
        Distiller(tiny_model(with_head=False), phase("mlm"), teacher)


def test_hidden_states_need_no_head(tiny_model, teacher, batch):
    distiller = Distiller(tiny_model(), phase("cos"), tiny_model(seed=5, with_head=False))
    assert losses_of(distiller, batch)["loss_cos"] > 0.01
    assert Distiller(tiny_model(), phase("mlm"), tiny_model(with_head=False)) is not None


def test_vocabularies_that_differ(teacher, tiny_model):
    with pytest.raises(UserError, match="student_config: .*vocabularies differ"):
        Distiller(tiny_model(vocab_size=250), phase("ce"), teacher)


def test_widths_that_differ(teacher, tiny_model, batch):
    narrow = tiny_model(hidden_size=8)
    with pytest.raises(UserError, match="student_config: .*'cos' needs the teacher's width"):
        Distiller(narrow, phase("cos"), teacher)
    losses = losses_of(Distiller(narrow, phase("ce", "mse"), teacher), batch)  # logits need not
    assert losses["loss_ce"] > 0.01
