"""SavedModels take any batch and any number of masked positions by name."""

import numpy as np
import pytest
import tensorflow as tf

from tfdistill.deployment.saved_model import export_saved_model


@pytest.mark.parametrize("model_type", ["bert", "distilbert"])
def test_logits_of_any_batch(request, model_type, batches, tmp_path):
    model = request.getfixturevalue(model_type)
    export_saved_model(model, tmp_path / "saved", length=16)
    serve = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"]
    _, inputs = serve.structured_input_signature
    shapes = {"input_ids": [None, 16], "attention_mask": [None, 16], "masked_positions": [None] * 2}
    if model_type == "bert":
        shapes["token_type_ids"] = [None, 16]
    assert {name: spec.shape.as_list() for name, spec in inputs.items()} == shapes
    assert {spec.dtype for spec in inputs.values()} == {tf.int32}
    names = ["input_ids", "attention_mask", "masked_positions"]
    for rows, masked in ((4, 3), (1, 1)):
        batch = {name: batches[0][name][:rows] for name in names}
        batch["masked_positions"] = batch["masked_positions"][:, :masked]
        inputs = {name: tf.constant(array) for name, array in batch.items()}
        if model_type == "bert":
            inputs["token_type_ids"] = tf.zeros((rows, 16), tf.int32)
        logits = serve(**inputs)["logits"].numpy()
        assert logits.shape == (rows, masked, model.config.vocab_size)
        np.testing.assert_allclose(logits, model(batch)["logits"], atol=1e-4)


def test_a_failure_leaves_the_folder_of_before(bert, tmp_path, monkeypatch):
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "old").write_text("old")

    def fail(*_, **__):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(OSError, match="No space left"):
        export_saved_model(bert, tmp_path / "saved", length=16)
    assert [path.name for path in tmp_path.rglob("*")] == ["saved", "old"]
