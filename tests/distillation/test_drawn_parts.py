"""Steps that train parts of a student, drawn anew in each step."""

import dataclasses
import functools

import numpy as np
import pytest
import tensorflow as tf

from tfdistill import recipes
from tfdistill.distillation.bound_terms import check_phase
from tfdistill.distillation.distiller import Distiller, StepOptions
from tfdistill.distillation.drawn_parts import draw_part, parts_in_step
from tfdistill.distillation.phases import Phase, Term
from tfdistill.models.part_shapes import PartRanges, PartShape
from tfdistill.models.subnet import extract_subnet, part_variables
from tfdistill.system.errors import UserError

HEADS = PartRanges(width=4, intermediate=3, step=1)
SIZES = dataclasses.replace(HEADS, whole_heads=False)
VALUES = {"relations": ("values",), "relation_heads": 2}
SANDWICH = dataclasses.replace(SIZES, sandwich=True)


def shapes_at(ranges, config, step, seed=3):
    drawn = functools.partial(draw_part, ranges, config, seed=seed, step=tf.constant(step))
    return [PartShape(*map(int, drawn(index=index))) for index in range(parts_in_step(ranges))]


@pytest.mark.parametrize("ranges", [HEADS, SIZES], ids=["whole heads", "smaller heads"])
def test_draws_are_even_and_stay_in_the_space(ranges, tiny_model):
    config = tiny_model(num_attention_heads=3).config
    space = ranges.space(config)

    @tf.function
    def draws(steps):
        one = functools.partial(draw_part, ranges, config, seed=3, index=0)
        return tf.map_fn(
            lambda step: tf.stack(one(step=step)), steps, fn_output_signature=tf.float32
        )

    drawn = draws(tf.range(3000)).numpy()
    assert (drawn == np.round(drawn)).all()
    shapes = [PartShape(*map(int, sizes)) for sizes in np.unique(drawn, axis=0)]
    for shape in shapes:
        assert PartShape.of(shape.config(config)) == shape
    for column, sizes in enumerate((space.layers, space.widths, space.intermediates)):
        column = drawn[:, column]
        counts = np.array([(column == size).sum() for size in sizes])
        assert counts.sum() == 3000
        expected = 3000 / len(sizes)
        assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)
    units = drawn[:, PartShape._fields.index("heads" if ranges.whole_heads else "head_size")]
    for width, (fewest, most) in zip(space.widths, space.attention, strict=True):
        found = units[drawn[:, 1] == width]
        assert set(found) == set(range(fewest, most + 1))


def test_draws_depend_on_seed_and_step_alone(tiny_model):
    config = tiny_model().config
    compiled = tf.function(
        lambda step, index: tf.stack(draw_part(SANDWICH, config, seed=3, step=step, index=index)),
        jit_compile=True,
    )
    for step in range(5):
        expected = shapes_at(SANDWICH, config, step)
        found = [compiled(tf.constant(step), tf.constant(index)) for index in range(4)]
        np.testing.assert_array_equal(found, np.array(expected, np.float32))
        assert expected[0] == PartShape.of(config)
        assert expected[1] == SANDWICH.space(config).smallest
        assert len(expected) == 4 and expected[2] != expected[3]
    runs = [[shapes_at(HEADS, config, step, seed) for step in range(20)] for seed in (3, 3, 4)]
    assert runs[0] == runs[1] != runs[2]
    assert len(set(map(tuple, runs[0]))) > 15


def phase_of(ranges, **options):
    regime = "mlm" if ranges.whole_heads else "kd"
    recipe = recipes.get("autotinybert", super_regime=regime, **options)
    return dataclasses.replace(recipe.phases[0], parts=ranges)


def gradients_of_part(whole, shape, phase, teacher, batch, projection):
    """Gradients on a part as a model of its own, by the path of each variable of the whole."""
    own = extract_subnet(whole, shape)
    phase = dataclasses.replace(phase, parts=None)
    last = ((shape.layers - 1, teacher.config.num_hidden_layers - 1),)
    terms = [dataclasses.replace(t, layers=last if t.layers else ()) for t in phase.terms]
    distiller = Distiller(own, dataclasses.replace(phase, terms=tuple(terms)), teacher)
    projected = distiller.trained_variables[len(own.trainable_variables) :]
    if projected:
        projected[0].assign(projection[0].numpy()[: shape.width])
        projected[1].assign(projection[1].numpy())
    gradients, losses = distiller.gradients(batch, tf.constant(0))
    by_variable = dict(zip(map(id, distiller.trained_variables), gradients, strict=True))
    found = {}
    for variable, source, index in part_variables(whole, own):
        found[id(source)] = np.zeros(source.shape, np.float32)
        found[id(source)][index] = by_variable[id(variable)]
    if projected:
        kernel = np.zeros(projection[0].shape, np.float32)
        kernel[: shape.width] = by_variable[id(projected[0])]
        found |= {id(projection[0]): kernel, id(projection[1]): by_variable[id(projected[1])]}
    return found, losses


@pytest.mark.parametrize(
    "ranges, options",
    [
        (HEADS, {}),
        (SANDWICH, {"super_terms": "layer"}),
        pytest.param(SIZES, {}, marks=pytest.mark.slow),
        pytest.param(
            dataclasses.replace(SANDWICH, layers=2),
            {"super_terms": "logits"},
            marks=pytest.mark.slow,
        ),
    ],
    ids=["mlm", "sandwich, layer", "kd", "sandwich, logits"],
)
def test_a_step_sums_the_gradients_of_its_parts(ranges, options, tiny_model, tiny_batch):
    whole, teacher = tiny_model(), tiny_model(seed=7, num_hidden_layers=3)
    phase, batch = phase_of(ranges, **options), tiny_batch([10, 4, 1, 7])
    chosen = StepOptions(seed=3, micro_batches=2, first_step=5)
    distiller = Distiller(whole, phase, teacher, chosen)
    compiled = tf.function(distiller.gradients, autograph=False)
    gradients, losses = compiled({k: tf.constant(v) for k, v in batch.items()}, tf.constant(2))
    projection = distiller.trained_variables[len(whole.trainable_variables) :]
    shapes = shapes_at(ranges, whole.config, step=7)
    parts = [gradients_of_part(whole, shape, phase, teacher, batch, projection) for shape in shapes]
    for variable, gradient in zip(distiller.trained_variables, gradients, strict=True):
        expected = sum(part.get(id(variable), np.zeros(variable.shape)) for part, _ in parts)
        np.testing.assert_allclose(gradient, expected, atol=1e-5, rtol=1e-5, err_msg=variable.path)
    for name, loss in losses.items():
        expected = np.mean([of_part[name] for _, of_part in parts])
        np.testing.assert_allclose(loss, expected, rtol=1e-5, err_msg=name)


@pytest.mark.slow
def test_recomputed_parts_have_the_same_gradients(tiny_model, tiny_batch):
    whole, batch = tiny_model(dropout=0.1), tiny_batch([10, 4])
    teacher = tiny_model(seed=7)

    def gradients(**options):
        distiller = Distiller(whole, phase_of(SANDWICH), teacher, StepOptions(seed=3, **options))
        return distiller.gradients(batch, tf.constant(2))[0]

    for ours, theirs in zip(gradients(on_metal=True), gradients(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize(
    "ranges, term, message",
    [
        (SIZES, Term("relations", 1.0, VALUES, layers=((-1, -1),)), "it reads values"),
        (HEADS, Term("attention_scores", 1.0, layers=((-1, -1),)), "use super_regime=kd"),
        (SIZES, Term("attention_scores", 1.0, layers="uniform"), "last layer alone"),
        (SIZES, Term("hidden", 1.0, layers=((-1, -1),)), "no projection"),
        (SIZES, Term("cos", 1.0), "no projection"),
        (SIZES, Term("hidden", 1.0, layers=((0, 0), (-1, -1)), projection="shared"), "last layer"),
        (dataclasses.replace(SIZES, layers=9), Term("mlm", 1.0), "super_layers=9 is over the 2"),
    ],
)  # fmt: skip
def test_terms_that_cannot_compare_parts_are_refused(ranges, term, message, tiny_model):
    config = tiny_model().config
    with pytest.raises(UserError, match=message):
        check_phase(Phase("super", (term,), parts=ranges), config, config)


def test_layerdrop_and_parts_exclude_each_other(tiny_model):
    with pytest.raises(ValueError, match="leaves layers out"):
        Distiller(tiny_model(), phase_of(HEADS), options=StepOptions(layerdrop=0.1))
