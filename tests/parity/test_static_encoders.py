"""Static encoders in the packages model2vec and sentence-transformers: the same vectors."""

import importlib

import numpy as np
import pytest

from tfdistill.deployment.label_predictor import LabelPredictor
from tfdistill.models.configs.config_files import named_config
from tfdistill.models.encoder import Encoder
from tfdistill.models.heads.embedding import EmbeddingHead
from tfdistill.models.hugging_face.checkpoint import save_model
from tfdistill.models.model import Model

pytestmark = pytest.mark.parity
UNKNOWN = "naïve café ☃ whale"  # with a token that is not in the vocabulary
TEXTS = [
    "The whale sank the ship.",
    "A ship!",
    "sea",
    "old men of the sea and a boat " * 2,
    "notwithstanding",
    UNKNOWN,
    "",
]


@pytest.fixture(params=[True, False], ids=["length 1", "as they are"])
def encoder(tiny_tokenizer, tmp_path, request):
    """The folder of a random static encoder; whether it normalises."""
    shape = named_config("H-24", "static", vocab_size=tiny_tokenizer.vocab_size)
    shape = shape.for_tokenizer(tiny_tokenizer)
    model = Model(Encoder(shape), EmbeddingHead(shape, normalize=request.param, max_length=96))
    draws, embeddings = np.random.default_rng(2), model.encoder.embeddings
    embeddings.token_weights.assign(draws.uniform(0.1, 2, shape.vocab_size))
    rows = draws.normal(size=embeddings.word_embeddings.shape)
    rows[list(shape.uncounted_ids)] = 0  # as every start makes them
    embeddings.word_embeddings.assign(rows)
    save_model(model, tmp_path)
    tiny_tokenizer.save(tmp_path, shape.model_type, 96)
    return tmp_path, request.param


def test_model2vec(torch, encoder):
    """It leaves out unknown tokens, too."""
    folder, normalize = encoder
    reference = importlib.import_module("model2vec").StaticModel.from_pretrained(folder)
    assert reference.normalize == normalize
    found = [each["embedding"] for each in LabelPredictor.open(folder).predict(TEXTS)]
    np.testing.assert_allclose(found, reference.encode(TEXTS), rtol=0, atol=1e-5)
    assert np.linalg.norm(found[TEXTS.index(UNKNOWN)]) > 0.1 and not np.any(found[-1])


def test_sentence_transformers(torch, encoder):
    """It counts unknown tokens, so that only directions are equal where a text has some."""
    folder, normalize = encoder
    reference = importlib.import_module("sentence_transformers")
    texts = TEXTS[:-1]  # of no token at all, it has no vector
    expected = reference.SentenceTransformer(str(folder), device="cpu").encode(texts)
    found = np.array([e["embedding"] for e in LabelPredictor.open(folder).predict(texts)])
    if not normalize:
        found, expected = (e / np.linalg.norm(e, axis=1, keepdims=True) for e in (found, expected))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
