import math

import numpy as np
import pytest
import tensorflow as tf

from tfdistill.models.activations import ACTIVATIONS
from tfdistill.models.configs.encoder_config import HIDDEN_ACTS, EncoderConfig
from tfdistill.models.dropout import DropoutKey
from tfdistill.models.layers import DistilBertLayer, TransformerLayer
from tfdistill.models.normalization import LayerNormalization
from tfdistill.models.remat import recomputed

POINTS = np.linspace(-6, 6, 241, dtype="float32")


def erf_gelu(x):
    return x * 0.5 * (1 + math.erf(x / math.sqrt(2)))


def tanh_gelu(x):
    return 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("gelu", erf_gelu),
        ("gelu_new", tanh_gelu),
        ("relu", lambda x: max(x, 0.0)),
        ("silu", lambda x: x / (1 + math.exp(-x))),
        ("tanh", math.tanh),
    ],
)
def test_activations_follow_their_formulas(name, reference):
    expected = [reference(float(x)) for x in POINTS]
    np.testing.assert_allclose(ACTIVATIONS[name](POINTS), expected, atol=1e-6)
    points = tf.constant(POINTS[POINTS != 0.0])  # where ReLU has no derivative
    with tf.GradientTape() as tape:
        tape.watch(points)
        values = ACTIVATIONS[name](points)
    around = [[reference(float(x) + step) for x in points] for step in (1e-5, -1e-5)]
    slopes = (np.array(around[0]) - np.array(around[1])) / 2e-5
    np.testing.assert_allclose(tape.gradient(values, points), slopes, atol=2e-5)


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("compiled", [{}, {"jit_compile": False}, {"jit_compile": True}])
def test_gelu_in_bfloat16_follows_its_formula_within_its_precision(recompute, compiled):
    def differentiated(points):
        with tf.GradientTape() as tape:
            tape.watch(points)
            gelu = ACTIVATIONS["gelu"]
            values = recomputed(gelu, points) if recompute else gelu(points)
        return values, tape.gradient(values, points)

    points = tf.cast(POINTS, tf.bfloat16)
    exact = [float(point) for point in points]
    call = tf.function(differentiated, **compiled) if compiled else differentiated
    values, slopes = call(points)
    assert values.dtype == slopes.dtype == tf.bfloat16
    cdf = np.array([0.5 * (1 + math.erf(x / math.sqrt(2))) for x in exact])
    density = np.exp(-np.square(exact) / 2) / math.sqrt(2 * math.pi)
    np.testing.assert_allclose(tf.cast(values, tf.float32), exact * cdf, rtol=0.01, atol=0.01)
    expected = cdf + exact * density
    np.testing.assert_allclose(tf.cast(slopes, tf.float32), expected, rtol=0.01, atol=0.01)


def test_every_activation_of_the_config_exists():
    assert set(ACTIVATIONS) == set(HIDDEN_ACTS)


def test_layer_normalization_uses_the_biased_variance_and_epsilon():
    generator = np.random.default_rng(0)
    x, gamma, beta = (generator.normal(size=size) for size in ((4, 5, 10), 10, 10))
    layer = LayerNormalization(epsilon=0.1)
    layer.build((None, None, 10))
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    expected = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 0.1)
    result = layer(tf.constant(x, tf.float32))
    np.testing.assert_allclose(result, expected * gamma + beta, atol=1e-6)


def test_layer_normalization_is_exact_far_from_zero():
    layer = LayerNormalization(epsilon=1e-12)
    layer.build((None, 8))
    x = 1000 + np.arange(8, dtype="float32")
    expected = (x - x.mean()) / x.astype("float64").std()
    np.testing.assert_allclose(layer(x[None])[0], expected, atol=1e-5)


def test_dropout_follows_the_attention_output_except_in_distilbert():
    shape = {"hidden_size": 64, "num_attention_heads": 2, "intermediate_size": 8}
    shape |= {"hidden_dropout_prob": 0.5, "attention_probs_dropout_prob": 0.0}
    key = DropoutKey(tf.constant([1, 2]), tf.constant(0))
    hidden = tf.random.stateless_normal((4, 6, 64), (3, 4))

    def change(block, config):
        """The largest change of the layer's output by dropout."""
        layer = block(config, index=0, name="layer")
        layer.build((None, None, 64))
        layer.attention.output_dense.bias.assign(tf.ones(64))  # an attention output to drop
        # The feed-forward kernels are zeros, so that only this dropout has an effect.
        plain, _ = layer(hidden)
        trained, _ = layer(hidden, dropout=key)
        return float(tf.reduce_max(tf.abs(trained - plain)))

    assert change(TransformerLayer, EncoderConfig(**shape)) > 0.1
    distilbert = EncoderConfig(model_type="distilbert", **shape)
    assert change(DistilBertLayer, distilbert) == 0
