import numpy as np
import pytest
import tensorflow as tf

from tfdistill.models.dropout import DropoutKey
from tfdistill.models.encoder import TAPS, Encoder
from tfdistill.models.layerdrop import LayerDraws
from tfdistill.models.model import MaskedLanguageModel
from tfdistill.system.errors import UserError

KEY = DropoutKey(tf.constant([1, 2]), tf.constant(0))


def softmax(x):
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


def test_taps_have_the_documented_shapes(config, batch):
    out = MaskedLanguageModel(config).encode(batch, taps=TAPS)
    layers, heads, size = config.num_hidden_layers, config.num_attention_heads, config.head_size
    assert set(out) == TAPS | {"last_hidden_state"}
    assert out["last_hidden_state"].shape == (3, 9, config.hidden_size)
    assert len(out["hidden_states"]) == layers + 1
    for name in ("attention_scores", "attention_probs"):
        assert [tuple(x.shape) for x in out[name]] == [(3, heads, 9, 9)] * layers
    for name in ("queries", "keys", "values"):
        assert [tuple(x.shape) for x in out[name]] == [(3, heads, 9, size)] * layers
    np.testing.assert_array_equal(out["embeddings"], out["hidden_states"][0])
    np.testing.assert_array_equal(out["last_hidden_state"], out["hidden_states"][-1])


def test_only_tapped_tensors_are_returned(config, batch):
    assert set(MaskedLanguageModel(config).encode(batch)) == {"last_hidden_state"}


def test_scores_are_scaled_and_come_before_the_mask(config, batch):
    out = MaskedLanguageModel(config).encode(batch, taps=TAPS)
    queries, keys, values = (out[name][1].numpy() for name in ("queries", "keys", "values"))
    scores = queries @ keys.transpose(0, 1, 3, 2) / np.sqrt(config.head_size)
    np.testing.assert_allclose(out["attention_scores"][1], scores, atol=1e-5)
    padding = (1 - batch["attention_mask"])[:, None, None, :]
    probs = softmax(scores - 1e9 * padding)
    np.testing.assert_allclose(out["attention_probs"][1], probs, atol=1e-6)
    assert np.abs(out["attention_scores"][1][2, :, :, 1:]).max() < 50  # without the mask
    assert values.shape == queries.shape


def test_unknown_taps_are_refused(config, batch):
    with pytest.raises(ValueError, match="hidden_stats"):
        MaskedLanguageModel(config).encode(batch, taps={"hidden_stats"})


def test_a_missing_mask_means_all_ones_and_missing_types_mean_zeros(config, batch):
    model = MaskedLanguageModel(config)
    ids = batch["input_ids"]
    plain = model.encode({"input_ids": ids})["last_hidden_state"]
    given = model.encode(
        {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids),
            "masked_weights": np.ones((3, 2), "float32"),
        }
    )["last_hidden_state"]
    np.testing.assert_allclose(plain, given, atol=1e-6)


def test_token_types_have_an_effect_except_in_distilbert(config, batch):
    model = MaskedLanguageModel(config)
    plain = model.encode(batch)["last_hidden_state"]
    typed = model.encode({**batch, "token_type_ids": np.ones_like(batch["input_ids"])})
    difference = np.abs(plain - typed["last_hidden_state"]).max()
    assert difference == 0 if config.model_type == "distilbert" else difference > 0.1


@pytest.mark.parametrize("garbage", [0, 30])
def test_padding_changes_no_real_token(config, batch, garbage):
    """Rows of 9, 5 and 1 tokens have the same hidden states with padding and without."""
    model = MaskedLanguageModel(config)
    if garbage and config.model_type == "mobilebert":
        pytest.skip("the last token reads the next id, as in Hugging Face's model")
    ids, mask = batch["input_ids"], batch["attention_mask"]
    padded = model.encode({**batch, "input_ids": np.where(mask, ids, garbage).astype("int32")})
    for row, length in enumerate(mask.sum(1)):
        alone = model.encode({"input_ids": ids[row : row + 1, :length]})["last_hidden_state"]
        np.testing.assert_allclose(padded["last_hidden_state"][row, :length], alone[0], atol=2e-6)


def test_a_row_of_padding_alone_has_finite_logits(config):
    empty = {name: np.zeros((2, 6), "int32") for name in ("input_ids", "attention_mask")}
    out = MaskedLanguageModel(config)(empty)
    assert np.isfinite(out["logits"]).all()


def test_rows_longer_than_the_positions_are_refused(config):
    with pytest.raises(UserError, match="length=25 is over the model's 24 positions"):
        MaskedLanguageModel(config).encode({"input_ids": np.zeros((1, 25), "int32")})


def test_layers_runs_a_subset_in_order(config, batch):
    model = MaskedLanguageModel(config)
    full = model.encode(batch, taps={"hidden_states"})
    first = model.encode(batch, layers=(0,), taps={"hidden_states", "keys"})
    np.testing.assert_array_equal(first["last_hidden_state"], full["hidden_states"][1])
    assert len(first["hidden_states"]) == 2 and len(first["keys"]) == 1
    orders = [model.encode(batch, layers=order)["last_hidden_state"] for order in ((0, 2), (2, 0))]
    assert np.abs(orders[0] - orders[1]).max() > 0.01


@pytest.mark.parametrize("recompute", [False, True], ids=["kept", "recomputed"])
@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_layerdrop_skips_layers_and_their_gradients(bert_config, batch, compiled, recompute):
    model = MaskedLanguageModel(bert_config)
    variables = [variable.value for variable in model.encoder.trainable_variables]
    inputs = {name: tf.constant(value) for name, value in batch.items()}

    def loss_and_gradients(**choice):
        with tf.GradientTape() as tape:
            out = model.encode(inputs, **choice)["last_hidden_state"]
            loss = tf.reduce_sum(out[..., 0] ** 2)
        gradients = tape.gradient(loss, variables, unconnected_gradients="zero")
        return loss, [tf.convert_to_tensor(gradient) for gradient in gradients]

    @tf.function(jit_compile=compiled, input_signature=[tf.TensorSpec(3, tf.bool)])
    def dropping(keep):
        return loss_and_gradients(keep_layers=LayerDraws(keep, recompute))

    operations = dropping.get_concrete_function().graph.get_operations()
    # A branch, so that skipped layers are not computed.
    assert {op.type for op in operations} & {"If", "StatelessIf"}
    for layers in ((0, 1, 2), (0, 2), (1,), ()):
        dropped = dropping(tf.constant([index in layers for index in range(3)]))
        expected = loss_and_gradients(layers=layers)
        for ours, theirs in zip(tf.nest.flatten(dropped), tf.nest.flatten(expected), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("compiled", [False, True])
def test_layers_that_run_keep_their_dropout(bert_config, batch, compiled):
    model = MaskedLanguageModel(bert_config)

    @tf.function(jit_compile=compiled)
    def difference(keep, seed):
        key = DropoutKey(seed, tf.constant(0))
        dropped = model.encode(batch, dropout=key, keep_layers=LayerDraws(keep))[
            "last_hidden_state"
        ]
        return dropped - model.encode(batch, dropout=key, layers=(0, 2))["last_hidden_state"]

    result = difference(tf.constant([True, False, True]), KEY.seed)
    np.testing.assert_allclose(result, np.zeros((3, 9, 12)), atol=1e-5)


@pytest.mark.slow
def test_a_recomputed_layer_draws_the_same_dropout(bert_config, batch):
    model = MaskedLanguageModel(bert_config)
    variables = [variable.value for variable in model.encoder.trainable_variables]
    keep = tf.constant([True, False, True])

    @tf.function
    def gradients(recompute):
        with tf.GradientTape() as tape:
            draws = LayerDraws(keep, recompute)
            out = model.encode(batch, dropout=KEY, keep_layers=draws)["last_hidden_state"]
            loss = tf.reduce_sum(out[..., 0] ** 2)
        found = tape.gradient(loss, variables, unconnected_gradients="zero")
        return [tf.convert_to_tensor(gradient) for gradient in found]

    for ours, theirs in zip(gradients(True), gradients(False), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "config",
    [
        "bert",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("distilbert", "mobilebert")),
    ],
    indirect=True,
)
@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_remat_changes_no_loss_and_no_gradient(config, batch, compiled):
    """With dropout, through the last hidden state and all taps."""
    model = MaskedLanguageModel(config)
    variables = [variable.value for variable in model.encoder.trainable_variables]

    @tf.function(jit_compile=compiled)
    def run(remat):
        with tf.GradientTape() as tape:
            out = model.encode(batch, taps=TAPS, dropout=KEY, remat=remat)
            seen = tf.nest.flatten(out)
            loss = tf.add_n([tf.reduce_sum(part[..., 0] ** 2) for part in seen])
        found = tape.gradient(loss, variables, unconnected_gradients="zero")
        return out, [tf.convert_to_tensor(gradient) for gradient in found]

    ours, theirs = (tf.nest.flatten(run(remat)) for remat in (True, False))
    for mine, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, expected, atol=2e-3, rtol=1e-4)


def test_layerdrop_returns_hidden_states_and_refuses_taps_of_layers(config, batch):
    model = MaskedLanguageModel(config)
    keep = LayerDraws(tf.constant([True, False, True]))
    out = model.encode(batch, keep_layers=keep, taps={"hidden_states", "embeddings"})
    np.testing.assert_array_equal(out["hidden_states"][1], out["hidden_states"][2])
    with pytest.raises(ValueError, match="attention_probs"):
        model.encode(batch, keep_layers=keep, taps={"attention_probs"})


def test_dropout_is_off_without_a_key_and_repeats_with_one(config, batch):
    model = MaskedLanguageModel(config)
    plain = [model.encode(batch)["last_hidden_state"].numpy() for _ in range(2)]
    noisy = [model.encode(batch, dropout=KEY)["last_hidden_state"].numpy() for _ in range(2)]
    np.testing.assert_array_equal(*plain)
    np.testing.assert_array_equal(*noisy)
    assert np.abs(plain[0] - noisy[0]).max() > 0.1


def test_dropout_sites_are_unique(config):
    encoder = Encoder(config)
    sites = [encoder.embeddings.site]
    for block in encoder.blocks:
        sites += [block.attention.site, block.output_site]
        sites += [block.feed_forward_site] if hasattr(block, "feed_forward_site") else []
    assert len(set(sites)) == len(sites)


def test_dropout_of_a_row_does_not_depend_on_the_split(config, batch):
    model = MaskedLanguageModel(config)
    whole = model.encode(batch, dropout=KEY)["last_hidden_state"]
    part = {name: value[1:] for name, value in batch.items()}
    second = model.encode(part, dropout=KEY._replace(row=tf.constant(1)))["last_hidden_state"]
    np.testing.assert_allclose(whole[1:], second, atol=1e-5)


def test_gradients_reach_every_variable(config, batch):
    model = MaskedLanguageModel(config)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(batch)["logits"][:, 0] ** 2)
    variables = model.trainable_variables
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    for variable, gradient in zip(variables, gradients, strict=True):
        largest = np.abs(tf.convert_to_tensor(gradient)).max()
        # A constant added to all keys shifts all scores of a query equally, without effect.
        assert largest > 1e-6 or variable.path.endswith("key/bias"), variable.path
