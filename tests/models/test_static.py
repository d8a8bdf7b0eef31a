"""Static encoders beside NumPy: means of weighted vectors, pairs, files, the exported table."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from tfdistill import tasks
from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.models.configs.config_files import named_config
from tfdistill.models.configs.static import StaticConfig
from tfdistill.models.encoder import Encoder
from tfdistill.models.heads.classification import ClassificationHead
from tfdistill.models.heads.embedding import EmbeddingHead
from tfdistill.models.hugging_face.checkpoint import save_model
from tfdistill.models.model import Model
from tfdistill.models.static import fold
from tfdistill.system.errors import UserError

PAD, UNK, CLS, SEP = 0, 1, 2, 3
CONFIG = StaticConfig(
    vocab_size=30, hidden_size=6, uncounted_ids=(PAD, UNK, CLS, SEP), sep_token_id=SEP
)
# A text; one with an unknown token; one token; none; a pair. Padding is that of the mask alone.
IDS = np.array(
    [
        [CLS, 7, 9, 7, SEP, 11, 11, 11],
        [CLS, 8, UNK, 12, SEP, PAD, PAD, PAD],
        [CLS, 20, SEP, 5, 5, 5, 5, 5],
        [CLS, SEP, PAD, PAD, PAD, PAD, PAD, PAD],
        [CLS, 7, 8, SEP, 9, 10, 10, SEP],
    ],
    "int32",
)
REAL = np.arange(8) < np.array([[5], [5], [3], [2], [8]])
BATCH = {"input_ids": IDS, "attention_mask": REAL.astype("int32")}
TEXTS = ([[7, 9, 7], [8, 12], [20], [], [7, 8, 9, 10, 10]], [[]] * 4 + [[9, 10, 10]])


def static_model(head):
    model, draws = Model(Encoder(CONFIG), head, seed=4), np.random.default_rng(5)
    embeddings = model.encoder.embeddings
    embeddings.word_embeddings.assign(draws.normal(size=(30, 6)))
    embeddings.token_weights.assign(draws.uniform(0.1, 2, 30))
    return model


def mean(model, tokens):
    embeddings = model.encoder.embeddings
    rows = embeddings.word_embeddings.numpy() * embeddings.token_weights.numpy()[:, None]
    return rows[tokens].mean(axis=0) if len(tokens) else np.zeros(6)


@pytest.mark.parametrize("normalize", [True, False])
def test_a_vector_is_the_mean_of_the_tokens_that_count(normalize):
    model = static_model(EmbeddingHead(CONFIG, normalize=normalize))
    expected = np.array([mean(model, tokens) for tokens in TEXTS[0]])
    if normalize:
        expected /= np.maximum(np.linalg.norm(expected, axis=1, keepdims=True), 1e-9)
    np.testing.assert_allclose(model(BATCH)["logits"], expected, atol=1e-6)
    np.testing.assert_array_equal(model(BATCH)["logits"][3], np.zeros(6))
    alone = {"input_ids": IDS[1:2, :5]}
    np.testing.assert_allclose(model(alone)["logits"], expected[1:2], atol=1e-6)


def test_pairs_are_compared():
    model = static_model(ClassificationHead(CONFIG, ("no", "yes"), "compare"))
    first = [*TEXTS[0][:4], [7, 8]]
    u, v = (np.array([mean(model, each) for each in part]) for part in (first, TEXTS[1]))
    features = np.concatenate([u, v, np.abs(u - v), u * v], axis=1)
    expected = features @ model.head.dense.kernel.numpy() + model.head.dense.bias.numpy()
    np.testing.assert_allclose(model(BATCH)["logits"], expected, atol=1e-6)
    assert model.head.dense.kernel.shape == (24, 2)


def test_heads_of_texts_and_of_pairs():
    task = tasks.get("text_classification").bound(("no", "yes"))
    assert task.head(CONFIG).pooling == "mean"
    task.has_pairs = True
    assert task.head(CONFIG).pooling == "compare"
    bert = named_config("L-1_H-12_A-2")
    assert task.head(bert).pooling == "pooler"
    with pytest.raises(UserError, match="pooling=compare: a bert reads both texts"):
        ClassificationHead(bert, ("no", "yes"), "compare")


def test_files_have_the_names_of_model2vec(tmp_path):
    task = tasks.get("sentence_embedding")
    model = static_model(EmbeddingHead(CONFIG, max_length=8))
    save_model(model, tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    assert {name: each.shape for name, each in tensors.items()} == {
        "embeddings": (30, 6),
        "weights": (30,),
    }
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["model_type"] == "tfdistill_static"
    assert (config["normalize"], config["max_length"]) == (True, None)
    modules = json.loads((tmp_path / "modules.json").read_text())
    names = [each["type"].rpartition(".")[2] for each in modules]
    assert names == ["StaticEmbedding", "Normalize"] and not (tmp_path / "1_Pooling").exists()
    again = task.load(tmp_path)
    assert again.config == CONFIG and again.head.max_length == 8
    np.testing.assert_array_equal(again(BATCH)["logits"], model(BATCH)["logits"])


@pytest.mark.parametrize("pooling", ["mean", "compare"])
def test_classifiers_are_read_again(tmp_path, pooling):
    model = static_model(ClassificationHead(CONFIG, ("no", "yes"), pooling))
    save_model(model, tmp_path)
    again = tasks.get("text_classification").load(tmp_path)
    assert again.head.pooling == pooling
    assert "transformers does not load" in again.head.note
    np.testing.assert_array_equal(again(BATCH)["logits"], model(BATCH)["logits"])


def test_the_exported_table_has_the_weights():
    model = static_model(EmbeddingHead(CONFIG))
    folded = fold(model)
    np.testing.assert_allclose(folded(BATCH)["logits"], model(BATCH)["logits"], atol=1e-6)
    embeddings = model.encoder.embeddings
    np.testing.assert_array_equal(
        folded.encoder.embeddings.word_embeddings.numpy(),
        embeddings.word_embeddings.numpy() * embeddings.token_weights.numpy()[:, None],
    )


def test_shapes_and_their_tokens():
    shape = named_config("H-48", "static", vocab_size=40)
    assert (shape.hidden_size, shape.num_hidden_layers, shape.vocab_size) == (48, 0, 40)
    known = named_config("H-48", "static").for_tokenizer(load_tokenizer())
    assert known.uncounted_ids == (0, 100, 101, 102) and known.sep_token_id == 102
    with pytest.raises(UserError, match="'L-2_H-8_A-1' is neither a file nor a shape"):
        named_config("L-2_H-8_A-1", "static")
    with pytest.raises(UserError, match="must be ids of the vocabulary"):
        StaticConfig(vocab_size=5, uncounted_ids=(5,))
