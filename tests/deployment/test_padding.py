"""Padding weighs exactly nothing in the exported files, however large the attention scores are."""

import numpy as np
import pytest

from tfdistill.deployment.lite_model import LiteModel
from tfdistill.deployment.saved_model import export_saved_model
from tfdistill.deployment.tflite import DYNAMIC_INT8, export_tflite_files

LENGTH, TOKENS, POSITION = 16, 7, 3
# Query kernels times so much: how far logits may differ, as a share of the largest one.
TOLERANCES = {1: 1e-5, 30: 1e-4, 1000: 3e-3}
# The smaller ones hide more, and each takes four exports.
SCALES = [pytest.param(1, marks=pytest.mark.slow), pytest.param(30, marks=pytest.mark.slow), 1000]


@pytest.fixture(params=SCALES)
def scored(scored_model, request):
    """(model, tolerance) of each kind of model, with scores of each size."""
    model, scale = scored_model()
    scale(request.param)
    return model, TOLERANCES[request.param]


@pytest.fixture
def row():
    """(input_ids, attention_mask): 7 tokens and 9 of padding."""
    ids = np.random.default_rng(8).integers(5, 50, LENGTH)
    mask = (np.arange(LENGTH) < TOKENS).astype(np.int32)
    return (ids * mask).astype(np.int32), mask


def of_model(model, ids):
    inputs = {"input_ids": ids[None], "masked_positions": np.array([[POSITION]], np.int32)}
    return model(inputs)["logits"].numpy().reshape(-1)


def file_logits(lite, ids, mask):
    row = {"input_ids": ids, "attention_mask": mask, "masked_positions": [POSITION]}
    return lite.logits(row)[0]


@pytest.mark.parametrize(
    "scored_model",
    [
        "mobilebert",  # has what the others have, and more
        pytest.param("bert", marks=pytest.mark.slow),
        pytest.param("distilbert", marks=pytest.mark.slow),
        pytest.param("mobilebert, layer_norm", marks=pytest.mark.slow),
    ],
    indirect=True,
)
def test_tflite_files_see_no_padding(scored, row, tmp_path):
    model, tolerance = scored
    ids, mask = row
    others = ids.copy()
    others[TOKENS + 1 :] = 30  # but for the one beside a token: MobileBERT's trigrams read it
    files = {tmp_path / "float32": None, tmp_path / "int8": DYNAMIC_INT8}
    export_tflite_files(model, files, LENGTH)
    for path, quantize in files.items():
        lite = LiteModel(path)
        logits = file_logits(lite, ids, mask)
        np.testing.assert_array_equal(logits, file_logits(lite, others, mask))
        assert np.isfinite(file_logits(lite, 0 * ids, 0 * mask)).all()
        if not quantize:
            expected = of_model(model, ids[:TOKENS])
            assert np.abs(logits - expected).max() <= tolerance * np.abs(expected).max()


def test_a_saved_model_sees_no_padding(scored_model, row, tmp_path):
    import tensorflow as tf

    model, scale = scored_model()
    scale(1000)
    export_saved_model(model, tmp_path / "saved", LENGTH)
    serve = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"]
    ids, mask = (tf.constant(part)[None] for part in row)
    inputs = {"input_ids": ids, "attention_mask": mask, "masked_positions": [[POSITION]]}
    if model.config.type_vocab_size:
        inputs["token_type_ids"] = tf.zeros_like(ids)
    logits = serve(**{name: tf.constant(value) for name, value in inputs.items()})["logits"]
    expected = of_model(model, row[0][:TOKENS])
    assert np.abs(logits.numpy().reshape(-1) - expected).max() <= 3e-3 * np.abs(expected).max()
