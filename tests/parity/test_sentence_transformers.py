"""Saved sentence encoders in sentence-transformers: the same vectors, normalisation and cut."""

import dataclasses
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
TEXTS = ["The whale sank the ship.", "A ship!", "old men of the sea and a boat " * 9, "naïve café"]


@pytest.mark.parametrize("pooling, normalize", [("mean", True), ("mean", False), ("cls", True)])
def test_vectors(torch, tiny_tokenizer, tmp_path, pooling, normalize):
    reference = importlib.import_module("sentence_transformers")
    shape = named_config("L-2_H-32_A-2", vocab_size=tiny_tokenizer.vocab_size)
    shape = dataclasses.replace(shape, initializer_range=0.3, max_position_embeddings=64)
    head = EmbeddingHead(shape, pooling, normalize, max_length=24)
    save_model(Model(Encoder(shape), head, seed=2), tmp_path)
    tiny_tokenizer.save(tmp_path, "bert", 24)
    expected = reference.SentenceTransformer(str(tmp_path), device="cpu").encode(TEXTS)
    found = [each["embedding"] for each in LabelPredictor.open(tmp_path).predict(TEXTS)]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    is_unit = np.allclose(np.linalg.norm(expected, axis=1), 1, atol=1e-5)
    assert is_unit == normalize
