"""Batched products: TensorFlow 2.21 computes some wrongly where it repeats a matrix."""

import numpy as np
import pytest
import tensorflow as tf

from tfdistill.models.encoder import Encoder

PRODUCTS = ("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3")


@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize("kind", ["bert", "distilbert", "mobilebert", "electra", "deberta-v2"])
def test_no_product_repeats_a_matrix(tiny_config, kind, heads):
    encoder = Encoder(tiny_config(kind, num_attention_heads=heads))
    tokens = np.full((4, 9), 5, np.int32)
    encoder({"input_ids": tokens})

    @tf.function(autograph=False)
    def gradients(ids):
        variables = [variable.value for variable in encoder.trainable_variables]
        with tf.GradientTape() as tape:
            hidden = encoder({"input_ids": ids, "attention_mask": ids})["last_hidden_state"]
            loss = tf.reduce_sum(hidden)
        return [each for each in tape.gradient(loss, variables) if each is not None]

    graph = gradients.get_concrete_function(tf.constant(tokens)).graph
    found = [op for op in graph.get_operations() if op.type in PRODUCTS]
    batches = [[each.shape[:-2].as_list() for each in op.inputs] for op in found]
    assert len(found) >= 6  # scores and values forwards, and two gradients of each
    assert all(first == second for first, second in batches if second)
