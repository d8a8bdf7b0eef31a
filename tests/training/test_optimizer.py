"""The schedule, and AdamW against NumPy."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfdistill.models.compiled import compiled_for_cpu
from tfdistill.training.optimizer import (
    AdamW,
    OptimizerSettings,
    WarmupLinearDecay,
    build_optimizer,
    global_norm,
)

pytestmark = pytest.mark.tf218


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


def test_each_variable_has_its_factor_of_the_rate():
    """It applies to the step and to the decay; with a factor of 0 a variable is unchanged."""
    plain, scaled = make_variables(), make_variables()
    before = [variable.numpy() for variable in plain]
    parts = [1.0, 0.0, 0.1, 0.5]
    for variables, rates in ((plain, None), (scaled, parts)):
        optimizer = build_optimizer(variables, SETTINGS, rates=rates)
        optimizer.apply(make_gradients(0)[1], variables)
    for part, whole, own, start in zip(parts, plain, scaled, before, strict=True):
        np.testing.assert_allclose(own - start, part * (whole - start), rtol=1e-4, atol=1e-7)
        assert np.abs(whole - start).max() > 1e-3


def test_the_rate_after_the_end_is_zero():
    schedule = WarmupLinearDecay(1.0, 2, 10)
    assert float(schedule(10)) == 0.0 and float(schedule(11)) == 0.0


def test_a_constant_rate():
    """From the first step on, without warm-up."""
    variables = make_variables()
    settings = dataclasses.replace(SETTINGS, constant=True)
    optimizer = build_optimizer(variables, settings)
    for step in range(3):
        optimizer.apply(make_gradients(step)[1], variables)
        assert float(optimizer.learning_rate) == np.float32(SETTINGS.learning_rate)


def test_a_schedule_is_made_from_its_config():
    schedule = WarmupLinearDecay(0.3, 2, 9)
    assert float(WarmupLinearDecay.from_config(schedule.get_config())(1)) == float(schedule(1))


# -- AdamW

SHAPES = {"table": (7, 3), "kernel": (3, 4), "bias": (4,), "gamma": (3,)}
SETTINGS = OptimizerSettings(
    learning_rate=0.05,
    steps=120,
    warmup_prop=0.05,
    betas=(0.8, 0.95),
    epsilon=1e-3,
    weight_decay=0.1,
    max_grad_norm=2.0,
)


def make_variables():
    generator = np.random.default_rng(0)
    return [
        keras.Variable(generator.normal(size=shape).astype(np.float32), name=name)
        for name, shape in SHAPES.items()
    ]


IDS = np.array([1, 4, 1, 1, 6])


def make_gradients(step, scale=1.0, tied=False):
    """Dense NumPy gradients, and the same from automatic differentiation.

    The table is looked up by ids that repeat; a tied one is multiplied with, too.
    """
    generator = np.random.default_rng(100 + step)
    rows, hidden, back = (
        scale * generator.normal(size=shape) for shape in ((5, 3), (2, 3), (2, 7))
    )
    rest = [scale * generator.normal(size=SHAPES[name]) for name in ("kernel", "bias", "gamma")]
    table = np.zeros(SHAPES["table"])
    np.add.at(table, IDS, rows)
    if tied:
        table += back.T @ hidden

    with tf.GradientTape() as tape:
        variable = tf.zeros(SHAPES["table"])
        tape.watch(variable)
        loss = tf.reduce_sum(tf.gather(variable, IDS) * rows.astype(np.float32))
        if tied:
            logits = tf.matmul(hidden.astype(np.float32), variable, transpose_b=True)
            loss += tf.reduce_sum(logits * back.astype(np.float32))
    found = tape.gradient(loss, variable)
    assert isinstance(found, tf.IndexedSlices) != tied
    return [table, *rest], [found, *(tf.constant(array, tf.float32) for array in rest)]


def adamw(values, steps, gradients_at):
    """Loshchilov & Hutter's algorithm 2 in float64."""
    beta1, beta2 = SETTINGS.betas
    first = [np.zeros_like(value) for value in values]
    second = [np.zeros_like(value) for value in values]
    for step in range(steps):
        gradients = gradients_at(step)
        norm = np.sqrt(sum((gradient**2).sum() for gradient in gradients))
        clip = min(1.0, SETTINGS.max_grad_norm / norm)
        climb, fall = (step + 1) / 6, (SETTINGS.steps - step) / 114
        rate = SETTINGS.learning_rate * min(climb, fall, 1.0)
        for index, gradient in enumerate(gradients):
            first[index] = beta1 * first[index] + (1 - beta1) * clip * gradient
            second[index] = beta2 * second[index] + (1 - beta2) * (clip * gradient) ** 2
            if values[index].ndim > 1:
                values[index] = values[index] * (1 - rate * SETTINGS.weight_decay)
            unbiased = first[index] / (1 - beta1 ** (step + 1))
            root = np.sqrt(second[index] / (1 - beta2 ** (step + 1)))
            values[index] = values[index] - rate * unbiased / (root + SETTINGS.epsilon)
    return values


@pytest.mark.parametrize(
    "tied, scale, jit_compile",
    [(False, 1.0, False), (True, 1.0, True), (True, 0.1, False)],
    ids=["untied, clipped", "tied, clipped, xla", "tied, not clipped"],
)
def test_adamw_for_a_hundred_steps(tied, scale, jit_compile):
    gradients = [make_gradients(step, scale, tied) for step in range(100)]
    norm = np.sqrt(sum((gradient**2).sum() for gradient in gradients[0][0]))
    assert (norm > SETTINGS.max_grad_norm) == (scale == 1.0)
    variables = make_variables()
    start = [variable.numpy().astype(np.float64) for variable in variables]
    optimizer = build_optimizer(variables, SETTINGS)

    @tf.function(autograph=False, jit_compile=jit_compile)
    def step_once(*gradients):
        optimizer.apply(gradients, variables)

    for _, tensors in gradients:
        step_once(*tensors)
    expected = adamw(start, 100, lambda step: gradients[step][0])
    for variable, value in zip(variables, expected, strict=True):
        np.testing.assert_allclose(variable, value, atol=1e-5, err_msg=variable.name)
    assert int(optimizer.iterations) == 100


@pytest.mark.parametrize("compiled", [False, True], ids=["graph", "xla"])
def test_global_norm(compiled):
    """Also of a tall table, whose sums of 70,000 squares round."""
    generator = np.random.default_rng(0)
    shapes = ((70_000, 64), (5, 3), (4,), (2, 3, 4), ())
    gradients = [generator.normal(size=shape).astype(np.float32) for shape in shapes]
    with compiled_for_cpu(compiled):
        found = tf.function(global_norm, jit_compile=compiled)(gradients)
    expected = np.sqrt(sum((gradient.astype(np.float64) ** 2).sum() for gradient in gradients))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_step_is_one_operator_per_variable():
    """And one more, for the weight decay of two variables."""
    variables = make_variables()
    optimizer = build_optimizer(variables, SETTINGS)

    @tf.function(autograph=False)
    def step_once(*gradients):
        optimizer.apply(gradients, variables)

    shapes = [tf.TensorSpec(shape) for shape in SHAPES.values()]
    operators = [
        operator.type
        for operator in step_once.get_concrete_function(*shapes).graph.get_operations()
    ]
    assert operators.count("ResourceApplyAdam") == 4
    assert operators.count("AssignSubVariableOp") == 2
    assert operators.count("Pow") == 2
    assert not {"Pack", "IsFinite", "Einsum"} & set(operators)


def test_it_continues_from_saved_variables():
    """With Keras's interface: its config, and its variables by name."""
    variables, store = make_variables(), {}
    optimizer = build_optimizer(variables, SETTINGS)
    for step in range(3):
        optimizer.apply(make_gradients(step)[1], variables)
    optimizer.save_own_variables(store)
    copies = [keras.Variable(variable.numpy(), name=variable.name) for variable in variables]
    again = AdamW.from_config(optimizer.get_config())
    again.exclude_from_weight_decay(var_list=[copy for copy in copies if len(copy.shape) < 2])
    again.build(copies)
    again.load_own_variables(store)
    for step in range(3, 5):
        optimizer.apply(make_gradients(step)[1], variables)
        again.apply(make_gradients(step)[1], copies)
    for variable, copy in zip(variables, copies, strict=True):
        np.testing.assert_array_equal(variable, copy)


def test_other_variables_are_refused():
    variables = make_variables()
    optimizer = build_optimizer(variables, SETTINGS)
    with pytest.raises(ValueError, match="built with"):
        optimizer.apply([tf.zeros(3)], variables[-1:])


def test_slots_exist_before_the_first_step():
    variables = make_variables()
    optimizer = build_optimizer(variables, SETTINGS)
    shapes = [tuple(variable.shape) for variable in optimizer.variables]
    assert sorted(shapes) == sorted([(), *SHAPES.values(), *SHAPES.values()])


def test_biases_and_norms_do_not_decay():
    variables = make_variables()
    start = [variable.numpy() for variable in variables]
    optimizer = build_optimizer(variables, dataclasses.replace(SETTINGS, warmup_prop=0.0))
    optimizer.apply([tf.zeros(shape) for shape in SHAPES.values()], variables)
    for variable, old in zip(variables, start, strict=True):
        kept = 1 - 0.05 * 0.1 if old.ndim > 1 else 1.0
        np.testing.assert_allclose(variable, kept * old, rtol=1e-6, err_msg=variable.name)


def test_no_decay_of_a_models_biases_and_norms(tiny_model):
    model = tiny_model()
    settings = dataclasses.replace(SETTINGS, warmup_prop=0.0)
    optimizer = build_optimizer(model.trainable_variables, settings)
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


def test_taken_over_moments_continue_the_steps():
    generator = np.random.default_rng(0)
    start = generator.normal(size=(2, 3, 4)).astype(np.float32)
    gradients = generator.normal(size=(4, 3, 4)).astype(np.float32)

    def step(optimizer, variable, gradient):
        optimizer.apply([tf.constant(gradient)], [variable])

    whole, halves, later = (
        keras.Variable(start[0]),
        keras.Variable(start[0]),
        keras.Variable(start[1]),
    )
    one, first = AdamW(0.1), AdamW(0.1)
    for gradient in gradients:
        step(one, whole, gradient)
    for gradient in gradients[:2]:
        step(first, halves, gradient)
    second = AdamW(0.1)
    second.build([later, halves])  # by variable, not by place
    second.take_over(first)
    assert int(second.iterations.numpy()) == 2
    for gradient in gradients[2:]:
        second.apply([tf.zeros((3, 4)), tf.constant(gradient)], [later, halves])
    np.testing.assert_allclose(halves.numpy(), whole.numpy(), rtol=1e-6)
    np.testing.assert_array_equal(later.numpy(), start[1])
