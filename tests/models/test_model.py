import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tfdistill.models.configs.config_files import named_config
from tfdistill.models.encoder import Encoder
from tfdistill.models.heads.small import SmallHead
from tfdistill.models.model import MaskedLanguageModel, Model, parameters


def weights(model):
    return [variable.numpy() for variable in model.weights]


def test_logits_at_masked_positions_are_those_of_the_full_projection(config, batch):
    model = MaskedLanguageModel(config)
    full = model(batch)["logits"]
    positions = np.array([[1, 8], [0, 0], [4, 3]], "int32")
    few = model({**batch, "masked_positions": positions})["logits"]
    assert full.shape == (3, 9, 37) and few.shape == (3, 2, 37)
    expected = np.take_along_axis(full.numpy(), positions[..., None], axis=1)
    np.testing.assert_allclose(few, expected, atol=1e-5)


def test_logits_are_the_transformed_rows_times_the_tied_table(config, batch):
    model = MaskedLanguageModel(config)
    model.head.bias.assign(np.arange(37))
    out = model(batch)
    rows = model.head.transform(out["last_hidden_state"]).numpy()
    table = model.encoder.embeddings.word_embeddings.numpy()
    kernel = np.asarray(model.decoder_kernel)
    np.testing.assert_array_equal(kernel[:, : table.shape[1]], table)
    assert (kernel.shape == table.shape) == (config.model_type != "mobilebert")
    expected = rows @ kernel.T + np.arange(37)
    np.testing.assert_allclose(out["logits"], expected, atol=1e-4)


def test_the_transform_is_dense_activation_norm(config):
    model = MaskedLanguageModel(config)
    rows = tf.random.stateless_normal((4, 12), (1, 2)).numpy()
    x = rows @ model.head.dense.kernel.numpy()
    gelu = x * 0.5 * (1 + tf.math.erf(x / np.sqrt(2))).numpy()
    x = np.maximum(x, 0) if config.hidden_act == "relu" else gelu
    expected = (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)
    np.testing.assert_allclose(model.head.transform(rows), expected, atol=1e-4)


def test_projected_rows_keep_their_shape(config):
    model = MaskedLanguageModel(config)
    for shape in ((12,), (4, 12), (2, 4, 12)):
        rows = tf.ones((3, *shape))
        assert model.head.project(rows, model.encoder.embeddings).shape == (3, *shape[:-1], 37)


def test_without_a_head_there_are_no_logits(config, batch):
    model = MaskedLanguageModel(config, with_head=False)
    assert model.head is None
    assert set(model(batch)) == {"last_hidden_state"}


def test_a_small_head_reads_the_first_token(config, batch):
    head = SmallHead(config, outputs=3)
    model = Model(Encoder(config), head, seed=2)
    out = model(batch)
    first = out["last_hidden_state"][:, 0].numpy()
    np.testing.assert_allclose(out["logits"], first @ head.dense.kernel.numpy(), atol=1e-5)


def test_gather_selects_rows_and_their_gradients():
    model = MaskedLanguageModel(named_config("L-1_H-4_A-1", vocab_size=8))
    hidden = tf.reshape(tf.range(24, dtype=tf.float32), (2, 4, 3))
    with tf.GradientTape() as tape:
        tape.watch(hidden)
        rows = model.gather(hidden, tf.constant([[3, 3], [0, 1]]))
    np.testing.assert_array_equal(rows[:, :, 0], [[9, 9], [12, 15]])
    gradient = tf.convert_to_tensor(tape.gradient(rows, hidden))
    np.testing.assert_array_equal(gradient[:, :, 0], [[0, 0, 0, 2], [1, 1, 0, 0]])


def test_only_equal_seeds_give_equal_weights(config):
    first, again, other = (weights(MaskedLanguageModel(config, seed=seed)) for seed in (4, 4, 5))
    for ours, theirs in zip(first, again, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert all(
        (ours != theirs).any() for ours, theirs in zip(first, other, strict=True) if ours.ndim == 2
    )


def test_fresh_weights_follow_the_config(config):
    model = MaskedLanguageModel(dataclasses.replace(config, vocab_size=4000, pad_token_id=3))
    table = model.encoder.embeddings.word_embeddings.numpy()
    np.testing.assert_array_equal(table[3], np.zeros(table.shape[1]))
    assert abs(table.std() / config.initializer_range - 1) < 0.02
    for variable in model.weights:
        if len(variable.shape) == 1:
            assert set(variable.numpy()) == ({1.0} if variable.path.endswith("gamma") else {0.0})


def test_paths_are_unique_and_the_same_for_every_model(config):
    first, second = MaskedLanguageModel(config), MaskedLanguageModel(config)
    paths = [variable.path for variable in first.weights]
    assert len(set(paths)) == len(paths)
    assert paths == [variable.path for variable in second.weights]
    assert "encoder/layer_2/attention/query/kernel" in paths
    assert [variable.path for variable in first.trainable_variables] == paths
    first.encoder.embeddings.position_embeddings.trainable = False
    assert [variable.path for variable in first.weights] == paths
    assert len(first.trainable_variables) == len(paths) - 1
    first.trainable = False
    assert [variable.path for variable in first.weights] == paths


@pytest.mark.parametrize(("model_type", "types"), [("bert", 2), ("distilbert", 0)])
def test_parameters_are_counted_by_the_formula(model_type, types):
    vocab, width, wide, layers = 50, 24, 96, 2
    model = MaskedLanguageModel(named_config("L-2_H-24_A-2", model_type, vocab))
    layer = 4 * (width * width + width) + 2 * width * wide + wide + width + 4 * width
    head = width * width + width + 2 * width + vocab
    without = layers * layer + head + 2 * width
    tables = (vocab + 512 + types) * width
    assert parameters(model) == {"total": without + tables, "without_embeddings": without}


@pytest.mark.parametrize("compiled", [False, True])
def test_graph_and_eager_agree(config, batch, compiled):
    model = MaskedLanguageModel(config)
    inputs = {name: tf.constant(value) for name, value in batch.items()}
    graph = tf.function(lambda inputs: model(inputs)["logits"], jit_compile=compiled)
    np.testing.assert_allclose(graph(inputs), model(inputs)["logits"], atol=1e-5)
