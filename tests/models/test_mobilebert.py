"""Compares the parts of MobileBERT with NumPy; shapes by name."""

import dataclasses
import json

import numpy as np
import pytest

from tfdistill.models.configs.config_files import config_of, named_config, read_config
from tfdistill.models.configs.mobilebert import MobileBertConfig
from tfdistill.models.model import MaskedLanguageModel, parameters
from tfdistill.system.errors import UserError

SHAPE = "L-2_H-8_B-12_A-2_F-3_I-10_E-6"


def make(name=f"{SHAPE}_OPT", **changes):
    config = named_config(name, "mobilebert", vocab_size=37)
    config = dataclasses.replace(config, initializer_range=0.3, **changes)
    model = MaskedLanguageModel(config)
    generator = np.random.default_rng(1)
    for variable in model.weights:
        if len(variable.shape) == 1:  # ones and zeros would hide a missing one
            variable.assign(variable.numpy() + generator.normal(0, 0.2, variable.shape))
    return model


def dense(layer, rows):
    return rows @ layer.kernel.numpy() + layer.bias.numpy()


def norm(layer, rows, epsilon):
    if epsilon is not None:
        rows = rows - rows.mean(-1, keepdims=True)
        rows = rows / np.sqrt((rows**2).mean(-1, keepdims=True) + epsilon)
    return rows * layer.gamma.numpy() + layer.beta.numpy()


@pytest.mark.parametrize("name", [SHAPE, f"{SHAPE}_OPT"])
def test_embeddings_are_trigrams(name):
    """The next token, the token and the previous one, with zeros beyond the ends."""
    embeddings = make(name).encoder.embeddings
    ids = np.array([[7, 5, 9, 11]], "int32")
    table = embeddings.word_embeddings.numpy()
    nothing = np.zeros(6, "float32")
    rows = [
        np.concatenate([after, table[own], before])
        for after, own, before in (
            (table[5], 7, nothing),
            (table[9], 5, table[7]),
            (table[11], 9, table[5]),
            (nothing, 11, table[9]),
        )
    ]
    sums = dense(embeddings.transformation, np.stack(rows))
    sums = sums + embeddings.position_embeddings.numpy()[:4]
    sums = sums + embeddings.token_type_embeddings.numpy()[0]
    expected = norm(embeddings.layer_norm, sums, None if name.endswith("OPT") else 1e-5)
    np.testing.assert_allclose(embeddings(ids)[0], expected, atol=1e-5)


@pytest.mark.parametrize("bottleneck_attention", [False, True])
def test_a_layer_of_one_token(bottleneck_attention):
    """Attention returns the values of the token: figure 1c step by step, with ReLU and NoNorm."""
    model = make(use_bottleneck_attention=bottleneck_attention)
    block = model.encoder.blocks[1]
    hidden = np.random.default_rng(2).normal(size=(1, 1, 12)).astype("float32")
    bottleneck = block.input_bottleneck
    inside = norm(bottleneck.norm, dense(bottleneck.dense, hidden), None)
    attention = block.attention
    values = dense(attention.value, inside if bottleneck_attention else hidden)
    rows = norm(block.attention_norm, dense(attention.output_dense, values) + inside, None)
    assert len(block.feed_forward) == 3
    for part in block.feed_forward:
        wide = np.maximum(dense(part.intermediate, rows), 0)
        rows = norm(part.output_part.norm, dense(part.output_part.dense, wide) + rows, None)
    expected = norm(block.output_norm, dense(block.output_dense, rows) + hidden, None)
    np.testing.assert_allclose(block(hidden)[0], expected, atol=1e-5)


def test_queries_and_keys_share_a_bottleneck_of_their_own():
    block = make().encoder.blocks[0]
    hidden = np.random.default_rng(3).normal(size=(2, 5, 12)).astype("float32")
    _, tapped = block(hidden, taps=frozenset(("queries", "keys")))
    bottleneck = block.key_query_bottleneck
    shared = norm(bottleneck.norm, dense(bottleneck.dense, hidden), None)
    for name, layer in (("queries", block.attention.query), ("keys", block.attention.key)):
        rows = np.transpose(tapped[name], (0, 2, 1, 3)).reshape(2, 5, 8)
        np.testing.assert_allclose(rows, dense(layer, shared), atol=1e-5)


def test_published_sizes():
    """The paper has 25.3 million parameters with the head; Hugging Face 24.6 without it."""
    config = named_config("mobilebert", "mobilebert")
    assert parameters(MaskedLanguageModel(config, with_head=False, seed=None))["total"] == 24581888
    assert config == MobileBertConfig()
    tiny = named_config("mobilebert_tiny", "mobilebert")
    assert tiny.use_bottleneck_attention and tiny.num_feedforward_networks == 2
    teacher = named_config("ib_bert_large", "mobilebert")
    assert (teacher.intra_bottleneck_size, teacher.intermediate_size) == (1024, 4096)
    assert (teacher.hidden_act, teacher.normalization_type) == ("gelu", "layer_norm")
    assert teacher.num_feedforward_networks == 1 and teacher.key_query_shared_bottleneck


def test_unknown_names_are_refused():
    for name in ("base", "L-4_H-128_A-2", "L-4_H-128_B-512_A-3_F-4", "L-4_H-8_B-4_A-2_F-0"):
        with pytest.raises(UserError):
            named_config(name, "mobilebert")
    with pytest.raises(UserError, match="L-4_H-128_A-2"):
        named_config(SHAPE, "bert")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"use_bottleneck": False}, "use_bottleneck=False"),
        ({"trigram_input": False}, "trigram_input=False"),
        ({"normalization_type": "rms"}, "normalization_type 'rms'"),
        ({"embedding_size": 513}, "larger than hidden_size"),
        ({"num_feedforward_networks": 0}, "num_feedforward_networks"),
        ({"intra_bottleneck_size": 130}, "intra_bottleneck_size 130 is not a multiple"),
        ({"key_query_shared_bottleneck": False}, "must be true"),
    ],
)
def test_unsupported_configs_are_refused(values, words):
    with pytest.raises(UserError, match=words):
        config_of({"model_type": "mobilebert", **values}, "config.json")


def test_a_config_survives_a_round_trip(tmp_path):
    config = named_config(SHAPE, "mobilebert")
    written = json.loads(json.dumps(config.to_hugging_face()))
    assert written["architectures"] == ["MobileBertForMaskedLM"] and written["trigram_input"]
    (tmp_path / "config.json").write_text(json.dumps(written))
    assert read_config(tmp_path, "mobilebert") == config
    with pytest.raises(UserError, match="describes a mobilebert, not a bert"):
        read_config(tmp_path, "bert")


def test_dropout_of_hidden_states_needs_a_norm():
    without, with_norm = (make(name).config.with_dropout(0.2) for name in (f"{SHAPE}_OPT", SHAPE))
    assert (without.hidden_dropout_prob, without.attention_probs_dropout_prob) == (0.0, 0.2)
    assert (with_norm.hidden_dropout_prob, with_norm.attention_probs_dropout_prob) == (0.2, 0.2)
