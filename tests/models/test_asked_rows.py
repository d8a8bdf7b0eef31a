"""The last layer, computed for the rows that are asked for, beside the whole one."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfdistill.models.dropout import DropoutKey
from tfdistill.models.encoder import Encoder
from tfdistill.models.heads.classification import ClassificationHead
from tfdistill.models.heads.tokens import TokenHead
from tfdistill.models.layerdrop import LayerDraws
from tfdistill.models.model import MaskedLanguageModel, Model

# In rows of 9, 5 and 1 real tokens: some of padding, one twice, and all.
POSITIONS = {
    "several": [[1, 8], [4, 4], [0, 7]],
    "one": [[8], [2], [0]],
    "all": [list(range(9))] * 3,
}
EVERYTHING = ("last_hidden_state",)
ONLY_LOGITS = ()
KEY = DropoutKey(tf.constant([1, 2]), tf.constant(0))


def logits_and_gradients(model, inputs, **options):
    variables = [variable.value for variable in model.trainable_variables]
    with tf.GradientTape() as tape:
        logits = model(inputs, **options)["logits"]
        loss = tf.reduce_sum(tf.nn.softmax(logits)[..., 0] ** 2)
    gradients = tape.gradient(loss, variables, unconnected_gradients="zero")
    return logits, [tf.convert_to_tensor(gradient) for gradient in gradients]


def assert_equal(ours, theirs):
    np.testing.assert_allclose(ours[0], theirs[0], atol=1e-5)
    largest = max(np.abs(gradient).max() for gradient in theirs[1])
    for mine, expected in zip(ours[1], theirs[1], strict=True):
        np.testing.assert_allclose(mine, expected, atol=1e-5 * max(largest, 1.0))


def test_masked_rows_alone_have_the_same_logits_and_gradients(config, batch):
    model = MaskedLanguageModel(config)
    inputs = {**batch, "masked_positions": np.array(POSITIONS["several"], np.int32)}
    ours = logits_and_gradients(model, inputs, taps=ONLY_LOGITS)
    assert_equal(ours, logits_and_gradients(model, inputs, taps=EVERYTHING))


@pytest.mark.parametrize("positions", ["one", "all"])
def test_one_row_and_all_rows_have_the_same_logits(config, batch, positions):
    model = MaskedLanguageModel(config)
    inputs = {**batch, "masked_positions": np.array(POSITIONS[positions], np.int32)}
    few, all_rows = (model(inputs, taps=t)["logits"] for t in (ONLY_LOGITS, EVERYTHING))
    np.testing.assert_allclose(few, all_rows, atol=1e-5)


def test_the_first_row_alone_has_the_same_classes(config, batch):
    """With the pooling that the model type usually has: pooler, and [CLS] alone in MobileBERT."""
    model = Model(Encoder(config), ClassificationHead(config, ("bad", "good")), seed=1)
    ours = logits_and_gradients(model, batch, taps=ONLY_LOGITS)
    assert_equal(ours, logits_and_gradients(model, batch, taps=EVERYTHING))
    assert set(model(batch, taps=ONLY_LOGITS)) == {"logits"}


def test_only_what_nobody_asked_for_is_left_out(bert_config, batch):
    inputs = {**batch, "masked_positions": np.array(POSITIONS["one"], np.int32)}
    model = MaskedLanguageModel(bert_config)
    assert set(model(inputs)) == {"logits", "last_hidden_state"}
    assert set(model(inputs, taps={"embeddings"})) == {"logits", "embeddings"}
    assert set(model(batch, taps=())) == {"logits", "last_hidden_state"}
    assert model(inputs, taps={"attention_probs"})["attention_probs"][-1].shape == (3, 3, 9, 9)
    assert model(inputs, taps={"hidden_states"})["hidden_states"][-1].shape == (3, 9, 12)
    for head in (
        ClassificationHead(bert_config, ("bad", "good"), "mean"),
        TokenHead(bert_config, ("O", "B-PER")),
    ):
        assert "last_hidden_state" in Model(Encoder(bert_config), head)(batch, taps=())


@pytest.mark.parametrize("layers", [(), (2, 0)])
def test_the_last_layer_is_the_last_that_runs(bert_config, batch, layers):
    model = MaskedLanguageModel(bert_config)
    inputs = {**batch, "masked_positions": np.array(POSITIONS["several"], np.int32)}
    few, all_rows = (model(inputs, taps=t, layers=layers) for t in (ONLY_LOGITS, EVERYTHING))
    np.testing.assert_allclose(few["logits"], all_rows["logits"], atol=1e-5)


@pytest.mark.parametrize("recompute", [False, True], ids=["kept", "recomputed"])
@pytest.mark.parametrize("traced", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_layer_that_is_skipped_passes_its_rows_on(bert_config, batch, traced, recompute):
    model = MaskedLanguageModel(bert_config)
    inputs = {**batch, "masked_positions": np.array(POSITIONS["several"], np.int32)}

    def dropping(keep):
        draws = LayerDraws(keep, recompute)
        return logits_and_gradients(model, inputs, taps=ONLY_LOGITS, keep_layers=draws)

    dropping = tf.function(dropping) if traced else dropping
    for layers in ((0, 2), (0, 1)):
        ours = dropping(tf.constant([index in layers for index in range(3)]))
        assert_equal(ours, logits_and_gradients(model, inputs, taps=EVERYTHING, layers=layers))


@pytest.mark.parametrize("traced", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_rematerialized_rows_draw_the_same_dropout(bert_config, batch, traced):
    model = MaskedLanguageModel(bert_config)
    variables = [variable.value for variable in model.encoder.trainable_variables]

    def run(remat):
        with tf.GradientTape() as tape:
            rows, _ = model.encode_rows(inputs, dropout=KEY, remat=remat)
            loss = tf.reduce_sum(rows[..., 0] ** 2)
        found = tape.gradient(loss, variables, unconnected_gradients="zero")
        return rows, [tf.convert_to_tensor(gradient) for gradient in found]

    inputs = {**batch, "masked_positions": np.array(POSITIONS["several"], np.int32)}
    run = tf.function(run) if traced else run
    assert_equal(run(True), run(False))


def test_rows_have_the_compute_type(bert_config, batch):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = MaskedLanguageModel(bert_config)
    finally:
        keras.config.set_dtype_policy(before)
    inputs = {**batch, "masked_positions": np.array(POSITIONS["several"], np.int32)}
    few, all_rows = (model(inputs, taps=t)["logits"] for t in (ONLY_LOGITS, EVERYTHING))
    assert few.dtype == tf.float32
    np.testing.assert_allclose(few, all_rows, atol=0.1)
