"""The head of pairs of segments: fresh, saved and read, and refused."""

import json

import numpy as np
import pytest

from tfdistill.models.configs.config_files import named_config
from tfdistill.models.configs.model_types import require_pairs_of
from tfdistill.models.heads.next_sentence import NextSentenceHead
from tfdistill.models.hugging_face.checkpoint import describe_model, load_model, save_model
from tfdistill.models.model import MaskedLanguageModel
from tfdistill.system.errors import UserError

MOBILEBERT = "L-2_H-8_B-12_A-2_F-2_I-10_E-6_OPT"
PAIRS = {
    "input_ids": np.array([[2, 7, 8, 3, 9, 3], [2, 5, 3, 9, 3, 0]], np.int32),
    "attention_mask": np.array([[1] * 6, [1, 1, 1, 1, 1, 0]], np.int32),
    "token_type_ids": np.array([[0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 0]], np.int32),
}


def fresh(kind, pooling, seed=1):
    name = MOBILEBERT if kind == "mobilebert" else "L-2_H-12_A-3_I-20"
    config = named_config(name, kind, vocab_size=30)
    return MaskedLanguageModel(config, seed=seed, next_sentence=pooling)


@pytest.mark.parametrize(
    "kind, pooling", [("bert", "pooler"), ("mobilebert", "pooler"), ("mobilebert", "cls")]
)
def test_saved_and_read(kind, pooling, tmp_path):
    model = fresh(kind, pooling)
    for variable in model.next_sentence.weights:  # fresh biases are zeros
        variable.assign(np.random.default_rng(3).normal(size=variable.shape))
    save_model(model, tmp_path)
    assert describe_model(tmp_path)[1:] == ("masked_lm", pooling)
    read = load_model(tmp_path, next_sentence=True)
    assert read.next_sentence.pooling == pooling
    expected = np.asarray(model.next_sentence_logits(PAIRS))
    np.testing.assert_array_equal(np.asarray(read.next_sentence_logits(PAIRS)), expected)
    assert load_model(tmp_path).next_sentence is None  # as every masked LM is read
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["architectures"][0].endswith("ForPreTraining")
    if kind == "mobilebert":
        assert config["classifier_activation"] == (pooling == "pooler")


def test_segments_and_the_first_token_count():
    model = fresh("bert", "pooler")
    found = np.asarray(model.next_sentence_logits(PAIRS))
    states = np.asarray(model.encode(PAIRS, taps=("last_hidden_state",))["last_hidden_state"])
    head = model.next_sentence
    pooled = np.tanh(states[:, 0] @ head.pooler.kernel.numpy() + head.pooler.bias.numpy())
    expected = pooled @ head.dense.kernel.numpy() + head.dense.bias.numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    one_segment = PAIRS | {"token_type_ids": np.zeros((2, 6), np.int32)}
    assert np.abs(np.asarray(model.next_sentence_logits(one_segment)) - found).max() > 1e-6


def test_other_weights_are_those_of_a_model_without_the_head():
    with_head, without = fresh("bert", "pooler"), fresh("bert", "")
    assert len(with_head.weights) == len(without.weights) + 4
    for ours, theirs in zip(with_head.weights, without.weights, strict=False):
        assert ours.path == theirs.path
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    paths = [variable.path for variable in with_head.weights]
    assert len(set(paths)) == len(paths)


def test_models_that_cannot_read_pairs_are_refused():
    distilbert = named_config("L-2_H-12_A-3_I-20", "distilbert", vocab_size=30)
    with pytest.raises(UserError, match="student is a distilbert, which has no token types"):
        require_pairs_of(distilbert, "the student")
    with pytest.raises(UserError, match="distilbert has no head for pairs"):
        NextSentenceHead(distilbert)
    require_pairs_of(named_config(MOBILEBERT, "mobilebert"), "the student")
