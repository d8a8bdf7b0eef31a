"""TFLite files of static models: their answers, also for a text of no tokens, and their table."""

import dataclasses

import numpy as np
import pytest

from tfdistill.deployment.lite_model import LiteModel
from tfdistill.deployment.tflite import export_tflite_files
from tfdistill.models.configs.config_files import named_config
from tfdistill.models.encoder import Encoder
from tfdistill.models.heads.classification import ClassificationHead
from tfdistill.models.heads.embedding import EmbeddingHead
from tfdistill.models.model import Model

KINDS = {"float32": None, "float16": "float16", "int8": "dynamic_int8"}
TOLERANCE = {"float32": 1e-5, "float16": 2e-3, "int8": 2e-2}
ROWS = 2000  # TensorFlow leaves smaller tables in float32
CLS, SEP = 101, 102
# A pair, a text, one token, and none.
TEXTS = (
    [CLS, 7, 1900, 30, SEP, 7, 45, 999, SEP],
    [CLS, 11, 12, 100, 13, SEP],
    [CLS, 700, SEP],
    [CLS, SEP],
)


def model_of(head):
    shape = named_config("H-16", "static", vocab_size=ROWS)
    shape = dataclasses.replace(shape, uncounted_ids=(0, 100, CLS, SEP), sep_token_id=SEP)
    model, draws = Model(Encoder(shape), head(shape), seed=1), np.random.default_rng(1)
    embeddings = model.encoder.embeddings
    embeddings.word_embeddings.assign(draws.normal(size=(ROWS, 16)))
    embeddings.token_weights.assign(np.exp(draws.uniform(-4, 0, ROWS)))  # rows of unlike sizes
    return model


HEADS = {
    "vectors": lambda shape: EmbeddingHead(shape, max_length=12),
    "pairs": lambda shape: ClassificationHead(shape, ("a", "b", "c"), "compare", dropout=0.0),
}


@pytest.mark.parametrize("head", HEADS)
def test_files_answer_like_the_model(head, tmp_path):
    model, paths = model_of(HEADS[head]), {name: tmp_path / name for name in KINDS}
    export_tflite_files(model, {paths[name]: kind for name, kind in KINDS.items()}, 12)
    for name, path in paths.items():
        lite = LiteModel(path)
        for ids in TEXTS:
            expected = np.asarray(model(np.array([ids]))["logits"])[0]
            row, mask = np.full(12, 5, np.int32), (np.arange(12) < len(ids)).astype(np.int32)
            row[: len(ids)] = ids
            found = lite.logits({"input_ids": row, "attention_mask": mask})
            np.testing.assert_allclose(found, expected, atol=TOLERANCE[name])
    weights = 4 * ROWS * 16
    assert paths["int8"].stat().st_size < 0.25 * weights + 4 * ROWS + 20_000
    assert paths["float16"].stat().st_size < 0.5 * weights + 20_000
