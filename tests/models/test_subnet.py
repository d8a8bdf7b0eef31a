import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tfdistill.models.model import MaskedLanguageModel
from tfdistill.models.subnet import run_subnet
from tfdistill.starts.from_teacher import initialize_student


@pytest.fixture
def whole(tiny_model):
    return tiny_model()


@pytest.fixture
def shape(whole):
    narrow = dict(hidden_size=6, num_attention_heads=1, intermediate_size=8)
    return dataclasses.replace(whole.config, num_hidden_layers=1, **narrow)


def test_a_subnet_computes_what_a_sliced_model_computes(whole, shape, tiny_batch):
    inputs = tiny_batch([10, 4])
    sliced = initialize_student(whole, shape, init="last:slice")
    part = MaskedLanguageModel(shape, seed=None)
    expected = sliced(inputs, taps={"attention_probs"})
    found = run_subnet(whole, part, [1], inputs, taps={"attention_probs"})
    np.testing.assert_allclose(found["logits"], expected["logits"], atol=1e-6)
    np.testing.assert_allclose(
        found["attention_probs"][0], expected["attention_probs"][0], atol=1e-6
    )
    assert not any(np.any(variable) for variable in part.weights if len(variable.shape) == 2)


def test_gradients_reach_the_weights_that_a_subnet_shares(whole, shape, tiny_batch):
    part, inputs = MaskedLanguageModel(shape, seed=None), tiny_batch([10, 4])
    kernels = [block.intermediate.kernel.value for block in whole.encoder.blocks]
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(run_subnet(whole, part, [1], inputs)["logits"] ** 2)
    skipped, shared = tape.gradient(loss, kernels)
    assert skipped is None
    shared = tf.convert_to_tensor(shared).numpy()
    assert np.all(shared[:6, :8] != 0)
    assert not shared[6:].any() and not shared[:, 8:].any()


def test_other_shapes_are_refused(whole, shape):
    for name, change in {
        "head_size": {"num_attention_heads": 2},
        "hidden_act": {"hidden_act": "relu"},
    }.items():
        part = MaskedLanguageModel(dataclasses.replace(shape, **change), seed=None)
        with pytest.raises(ValueError, match=name):
            run_subnet(whole, part, [1], {"input_ids": [[5, 6]]})
