"""Parts by multipliers of width and depth: their shapes, and what they compute."""

import math

import numpy as np
import pytest
import tensorflow as tf

from tfdistill.models.active_part import active_layers, active_part, part_layers
from tfdistill.models.configs.config_files import named_config
from tfdistill.models.configs.encoder_config import EncoderConfig
from tfdistill.models.encoder import Encoder
from tfdistill.models.heads.classification import ClassificationHead
from tfdistill.models.heads.embedding import EmbeddingHead
from tfdistill.models.heads.small import SmallHead
from tfdistill.models.model import Model
from tfdistill.models.part_grid import DEPTHS, PartGrid, named_shape
from tfdistill.models.part_shapes import PartShape, SpreadShape
from tfdistill.models.subnet import extract_subnet, part_variables, run_subnet
from tfdistill.system.errors import UserError

GRID = PartGrid(depths=DEPTHS)
SHAPE = dict(hidden_size=16, num_hidden_layers=4, num_attention_heads=4, intermediate_size=24)
BASE = EncoderConfig(
    hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072
)
LABELS = ("no", "so", "yes")


@pytest.fixture
def labelled(tiny_model):
    def make(head=None, seed=0):
        encoder = tiny_model(with_head=False, seed=seed, **SHAPE).encoder
        head = head or ClassificationHead(encoder.config, LABELS)
        model = Model(Encoder(encoder.config), head, seed=seed)
        for target, source in zip(model.encoder.variables, encoder.variables, strict=True):
            target.assign(source)
        return model

    return make


def as_tensors(shape):
    return type(shape)(*(tf.constant(float(size)) for size in shape))


def test_parts_of_bert_base_are_the_published_ones():
    shapes = GRID.space(BASE).shapes()
    assert len(shapes) == 12 and shapes["full"] == PartShape.of(BASE)
    assert shapes["w75"] == (12, 768, 2304, 9, 64)
    assert shapes["w25d50"] == (6, 768, 768, 3, 64) == GRID.space(BASE).smallest
    assert shapes["w50d75"] == (9, 768, 1536, 6, 64) == GRID.space(BASE).middle
    # floor(i / m) for i < 12 m, as in the authors' code
    assert shapes["d75"].layer_places(12) == (0, 1, 2, 4, 5, 6, 8, 9, 10)
    assert shapes["d50"].layer_places(12) == (0, 2, 4, 6, 8, 10)


def test_equal_sizes_are_one_part(tiny_model):
    space = GRID.space(tiny_model().config)  # 2 layers, 2 heads, 20 neurons
    assert [layers for layers, _ in space.depths] == [2, 1]
    assert [sizes for sizes, _ in space.widths] == [(2, 20), (2, 15), (1, 10), (1, 5)]
    assert "w25d50" in space.shapes() and "d75" not in space.shapes()
    config = named_config("L-2_H-8_B-12_A-2_F-2_I-10_E-6", "mobilebert")
    with pytest.raises(UserError, match="student_type`?=mobilebert has no smaller parts"):
        GRID.space(config)


@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "XLA"])
def test_spread_layers_have_the_same_places_inside_the_model(jit_compile):
    depths = range(1, 25)

    @tf.function(jit_compile=jit_compile)
    def kept(layers):
        found = []
        for depth in depths:
            with active_part(SpreadShape(layers, 1.0, 1.0, 1.0, 1.0)):
                found.append(active_layers(depth))
        return tf.concat(found, axis=0)

    for layers in depths:
        found = np.split(kept(tf.constant(float(layers))).numpy(), np.cumsum(depths)[:-1])
        for depth, mask in zip(depths, found, strict=True):
            if layers <= depth:
                expected = [math.floor(i * depth / layers) for i in range(layers)]
                assert np.flatnonzero(mask).tolist() == expected
                assert SpreadShape(layers, 1, 1, 1, 1).layer_places(depth) == tuple(expected)


def test_parts_compute_what_their_own_models_compute(labelled, tiny_batch):
    """Outputs and gradients, with one trace for all, compiled by XLA."""
    whole, batch, logits_of = labelled(), tiny_batch([10, 4, 1]), {}
    names = ("input_ids", "attention_mask")
    inputs = {name: tf.constant(batch[name]) for name in names}
    values = [variable.value for variable in whole.variables]

    @tf.function(autograph=False, jit_compile=True)
    def gradients(sizes):
        shape = SpreadShape(*tf.unstack(sizes))
        with active_part(shape), tf.GradientTape() as tape:
            out = whole(inputs, keep_layers=part_layers(shape, 4))
            loss = tf.reduce_sum(tf.sin(out["logits"]))
        return out["logits"], tape.gradient(loss, values, unconnected_gradients="zero")

    shapes = GRID.space(whole.config).shapes()
    for name in ("w75", "d75", "w25d50"):
        shape = shapes[name]
        own = extract_subnet(whole, shape)
        assert PartShape.of(own.config) == shape
        with tf.GradientTape() as tape:
            expected = own(inputs)["logits"]
            loss = tf.reduce_sum(tf.sin(expected))
        theirs = dict(zip(map(id, own.variables), tape.gradient(loss, own.variables), strict=True))
        logits, found = gradients(tf.constant(shape, tf.float32))
        logits_of[name] = logits.numpy()
        np.testing.assert_allclose(logits, expected, atol=1e-5, err_msg=name)
        np.testing.assert_allclose(
            run_subnet(whole, shape, inputs)["logits"], expected, atol=1e-5, err_msg=name
        )
        found = dict(zip(map(id, whole.variables), found, strict=True))
        for variable, source, index in part_variables(whole, own, shape.layer_places(4)):
            ours = tf.convert_to_tensor(found.pop(id(source))).numpy()
            expected = tf.convert_to_tensor(theirs[id(variable)]).numpy()
            np.testing.assert_allclose(ours[index], expected, atol=1e-5, rtol=1e-5, err_msg=name)
            ours[index] = 0
            assert not ours.any(), (name, source.path)
        assert not any(tf.reduce_any(rest != 0) for rest in found.values())
    first, second, third = logits_of.values()
    assert min(np.abs(first - second).max(), np.abs(second - third).max()) > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize(
    "head",
    [
        lambda config: EmbeddingHead(config, "cls", normalize=False),
        lambda config: SmallHead(config, outputs=2, dropout=0.2),
    ],
    ids=["vectors", "small"],
)
def test_parts_have_heads_of_the_same_kind(head, labelled, tiny_model, tiny_batch):
    whole = labelled(head(tiny_model(**SHAPE).config))
    batch = {name: tiny_batch([10, 4])[name] for name in ("input_ids", "attention_mask")}
    shape = GRID.space(whole.config).shapes()["w50d50"]
    own = extract_subnet(whole, shape)
    assert type(own.head) is type(whole.head)
    found = run_subnet(whole, shape, batch)["logits"]
    np.testing.assert_allclose(own(batch)["logits"], found, atol=1e-5)


def test_the_multipliers_stand_beside_the_student(tmp_path):
    with pytest.raises(UserError, match="part=w50: .* has no parts.json: leave it out"):
        named_shape(tmp_path, "w50", BASE)
    GRID.write(tmp_path)
    assert PartGrid.read(tmp_path) == GRID
    assert named_shape(tmp_path, "w50", BASE) == (12, 768, 1536, 6, 64)
    with pytest.raises(UserError, match="part=w40: .* has the parts full, w75, .*: name one"):
        named_shape(tmp_path, "w40", BASE)
    numbers = ("[]", "[0.5]", "[1, 2]", "[1, 0]", "[1, NaN]", "[1, 1e999]", "1", '["x"]')
    for wrong in ('{"width": [1]}', *(f'{{"widths": {each}}}' for each in numbers)):
        (tmp_path / "parts.json").write_text(wrong)
        with pytest.raises(UserError, match="parts.json"):
            PartGrid.read(tmp_path)
