"""The schedule, and AdamW against NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfdistill.training.optimizer import WarmupLinearDecay, build_optimizer


def rates(peak, warmup_steps, steps):
    schedule = WarmupLinearDecay(peak, warmup_steps, steps)
    return np.array([float(schedule(tf.constant(step, tf.int64))) for step in range(steps)])


def test_schedule():
    found = rates(2.0, 4, 10)
    climb, fall = [0.25, 0.5, 0.75, 1.0], [1.0, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]
    np.testing.assert_allclose(found, 2.0 * np.array(climb + fall), rtol=1e-6)


def test_schedule_without_warm_up():
    np.testing.assert_allclose(rates(1.0, 0, 5), [1.0, 0.8, 0.6, 0.4, 0.2], rtol=1e-6)


def test_schedule_of_warm_up_alone():
    np.testing.assert_allclose(rates(1.0, 4, 4), [0.25, 0.5, 0.75, 1.0], rtol=1e-6)


@pytest.mark.parametrize("steps", [1, 2])
def test_the_shortest_schedules_learn(steps):
    assert (rates(1.0, round(0.05 * steps), steps) > 0).all()


def test_after_the_end_nothing_is_learnt():
    schedule = WarmupLinearDecay(1.0, 2, 10)
    assert float(schedule(10)) == 0.0 and float(schedule(11)) == 0.0


def test_a_schedule_is_remade_from_its_config():
    schedule = WarmupLinearDecay(0.3, 2, 9)
    assert float(WarmupLinearDecay.from_config(schedule.get_config())(1)) == float(schedule(1))


# -- AdamW

SHAPES = {"table": (7, 3), "kernel": (3, 4), "bias": (4,), "gamma": (3,)}
OPTIONS = {
    "learning_rate": 0.05,
    "steps": 6,
    "warmup_prop": 0.34,
    "betas": (0.8, 0.95),
    "epsilon": 1e-3,
    "weight_decay": 0.1,
    "max_grad_norm": 2.0,
}


def make_variables():
    generator = np.random.default_rng(0)
    return [
        keras.Variable(generator.normal(size=shape).astype(np.float32), name=name)
        for name, shape in SHAPES.items()
    ]


def make_gradients(step, scale=1.0):
    """Dense NumPy gradients, and the same with those of the table as rows, ids repeated."""
    generator = np.random.default_rng(100 + step)
    ids = np.array([1, 4, 1, 1, 6])
    rows = scale * generator.normal(size=(5, 3))
    table = np.zeros(SHAPES["table"])
    np.add.at(table, ids, rows)
    rest = [scale * generator.normal(size=SHAPES[name]) for name in ("kernel", "bias", "gamma")]
    shape = tf.constant(SHAPES["table"], tf.int64)
    slices = tf.IndexedSlices(tf.constant(rows, tf.float32), tf.constant(ids), shape)
    return [table, *rest], [slices, *(tf.constant(array, tf.float32) for array in rest)]


def adamw(values, steps, gradients_at):
    """Loshchilov & Hutter's algorithm 2 in float64; epsilon is added to the root of the second
    moment before its bias is corrected, as Keras has it."""
    beta1, beta2 = OPTIONS["betas"]
    first = [np.zeros_like(value) for value in values]
    second = [np.zeros_like(value) for value in values]
    for step in range(steps):
        gradients = gradients_at(step)
        norm = np.sqrt(sum((gradient**2).sum() for gradient in gradients))
        clip = min(1.0, OPTIONS["max_grad_norm"] / norm)
        climb, fall = (step + 1) / 2, (OPTIONS["steps"] - step) / 4
        rate = OPTIONS["learning_rate"] * min(climb, fall, 1.0)
        corrected = rate * np.sqrt(1 - beta2 ** (step + 1)) / (1 - beta1 ** (step + 1))
        for index, gradient in enumerate(gradients):
            first[index] = beta1 * first[index] + (1 - beta1) * clip * gradient
            second[index] = beta2 * second[index] + (1 - beta2) * (clip * gradient) ** 2
            if values[index].ndim > 1:
                values[index] = values[index] * (1 - rate * OPTIONS["weight_decay"])
            update = first[index] / (np.sqrt(second[index]) + OPTIONS["epsilon"])
            values[index] = values[index] - corrected * update
    return values


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize("scale", [1.0, 0.1], ids=["clipped", "not clipped"])
def test_adamw(compiled, scale):
    norm = np.sqrt(sum((gradient**2).sum() for gradient in make_gradients(0, scale)[0]))
    assert (norm > OPTIONS["max_grad_norm"]) == (scale == 1.0)
    variables = make_variables()
    start = [variable.numpy().astype(np.float64) for variable in variables]
    optimizer = build_optimizer(variables, **OPTIONS)

    def apply(gradients):
        optimizer.apply(gradients, variables)

    step_once = tf.function(apply, autograph=False) if compiled else apply
    for step in range(4):
        step_once(make_gradients(step, scale)[1])
    expected = adamw(start, 4, lambda step: make_gradients(step, scale)[0])
    for variable, value in zip(variables, expected, strict=True):
        np.testing.assert_allclose(variable, value, atol=2e-6, err_msg=variable.name)
    assert int(optimizer.iterations) == 4


def test_slots_exist_before_the_first_step():
    variables = make_variables()
    optimizer = build_optimizer(variables, **OPTIONS)
    shapes = [tuple(variable.shape) for variable in optimizer.variables]
    assert sorted(shapes) == sorted([(), *SHAPES.values(), *SHAPES.values()])


def test_biases_and_norms_do_not_decay():
    variables = make_variables()
    start = [variable.numpy() for variable in variables]
    optimizer = build_optimizer(variables, **{**OPTIONS, "warmup_prop": 0.0})
    optimizer.apply([tf.zeros(shape) for shape in SHAPES.values()], variables)
    for variable, old in zip(variables, start, strict=True):
        kept = 1 - 0.05 * 0.1 if old.ndim > 1 else 1.0
        np.testing.assert_allclose(variable, kept * old, rtol=1e-6, err_msg=variable.name)


def test_no_decay_of_a_models_biases_and_norms(tiny_model):
    model = tiny_model()
    optimizer = build_optimizer(model.trainable_variables, **{**OPTIONS, "warmup_prop": 0.0})
    start = {variable.path: variable.numpy() for variable in model.variables}
    zeros = [tf.zeros(variable.shape) for variable in model.trainable_variables]
    optimizer.apply(zeros, model.trainable_variables)
    moved = {
        variable.path
        for variable in model.variables
        if not np.array_equal(variable, start[variable.path])
    }
    names = {path.rsplit("/", 1)[-1] for path in moved}
    assert names == {"kernel", "word_embeddings", "position_embeddings", "token_type_embeddings"}
