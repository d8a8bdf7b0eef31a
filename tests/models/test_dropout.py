import numpy as np
import pytest
import tensorflow as tf

from tfdistill.models.dropout import DropoutKey, stateless_dropout

COMPILED = [False, True]


def key(seed=5, step=3, row=0):
    return DropoutKey(tf.constant([seed, step]), tf.constant(row))


def dropped(x, rate=0.3, site=2, compiled=False, **parts):
    """Dropout with its arguments as tensors, so that nothing is folded into a constant."""

    @tf.function(jit_compile=compiled)
    def run(x, dropout_key):
        return stateless_dropout(x, rate, dropout_key, site)

    return run(x, key(**parts)).numpy()


@pytest.mark.parametrize("compiled", COMPILED)
@pytest.mark.parametrize("shape", [(6, 8), (6, 7), (6, 5, 9), (6, 1)])
def test_parts_of_a_batch_have_the_masks_of_the_whole_batch(shape, compiled):
    x = tf.ones(shape)
    whole = dropped(x, compiled=compiled)
    parts = [dropped(x[:2], compiled=compiled), dropped(x[2:], row=2, compiled=compiled)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))


@pytest.mark.parametrize("shape", [(6, 8), (5, 7), (3, 2, 9, 9)])
@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
def test_masks_are_equal_with_and_without_xla(shape, dtype):
    """Seed, step and row are arguments, so that XLA computes the draws."""
    x = tf.ones(shape, dtype)
    runs = [
        tf.function(lambda x, k: stateless_dropout(x, 0.3, k, 2), jit_compile=compiled)
        for compiled in COMPILED
    ]
    for parts in ({}, {"step": 2**31 - 1, "row": 2**20}, {"seed": 2**31 - 1}, {"seed": -6}):
        plain, compiled = (run(x, key(**parts)).numpy() for run in runs)
        assert 0 < (plain == 0).sum() < plain.size
        np.testing.assert_array_equal(compiled, plain)


@pytest.mark.parametrize("compiled", COMPILED)
def test_the_rate_and_the_mean_are_right(compiled):
    values = dropped(tf.ones((64, 1000)), rate=0.1, compiled=compiled)
    assert abs((values == 0).mean() - 0.1) < 0.005  # Five standard deviations.
    assert abs(values.mean() - 1) < 0.01
    np.testing.assert_allclose(values[values != 0], 1 / 0.9, rtol=1e-6)


def test_seed_step_site_and_row_each_change_the_mask():
    x = tf.ones((1, 400))
    masks = [
        dropped(x, **change)
        for change in ({}, {"seed": 6}, {"step": 4}, {"site": 3}, {"row": 1}, {"seed": -6})
    ]
    for index, mask in enumerate(masks):
        for other in masks[:index]:
            agreement = ((mask == 0) == (other == 0)).mean()
            assert 0.45 < agreement < 0.71  # 0.58 for independent masks of rate 0.3.


def test_the_mask_is_repeated_exactly():
    x = tf.random.normal((4, 33))
    np.testing.assert_array_equal(dropped(x), dropped(x))
    np.testing.assert_array_equal(dropped(x), stateless_dropout(x, 0.3, key(), 2).numpy())


def test_without_rate_or_key_the_tensor_is_returned():
    x = tf.ones((2, 3))
    assert stateless_dropout(x, 0.0, key(), 1) is x
    assert stateless_dropout(x, 0.5, None, 1) is x


def test_the_gradient_has_the_mask_of_the_value():
    x = tf.random.normal((3, 11))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = stateless_dropout(x, 0.5, key(), 0)
    gradient = tape.gradient(y, x).numpy()
    np.testing.assert_array_equal(gradient, np.where(y.numpy() == 0, 0.0, 2.0))
