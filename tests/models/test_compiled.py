"""Dropout has the same masks in steps that XLA compiles for a CPU, which draw them otherwise."""

import math

import numpy as np
import pytest
import tensorflow as tf

from tfdistill.models import draws
from tfdistill.models.compiled import compiled_for_cpu
from tfdistill.models.dropout import DropoutKey, stateless_dropout


def drop(x, seed, row):
    return stateless_dropout(x, 0.3, DropoutKey(seed, row), 2)


@pytest.mark.parametrize("shape", [(6, 8), (5, 7), (3, 2, 9, 9), (64, 2049)])
def test_masks(shape, monkeypatch):
    if math.prod(shape) < 1000:
        monkeypatch.setattr(draws, "LARGE", 0)
    x = tf.ones(shape)

    @tf.function(jit_compile=True)
    def compiled(x, seed, row):
        with compiled_for_cpu(True):
            return drop(x, seed, row)

    for seed, row in (((5, 3), 0), ((2**31 - 1, 2**31 - 1), 2**20), ((-6, 3), 2**31 - 1)):
        arguments = x, tf.constant(seed), tf.constant(row)
        own = compiled(*arguments).numpy()
        assert 0 < (own == 0).sum() < own.size
        np.testing.assert_array_equal(own, drop(*arguments))
