"""SavedModels that take texts give what they give for the ids of `tokenizers`."""

import numpy as np
import pytest

from tfdistill.deployment.saved_model import export_saved_model
from tfdistill.deployment.string_signatures import PAIRS, STRINGS, graph_tokenizer, warnings
from tfdistill.models.heads.classification import ClassificationHead
from tfdistill.models.heads.embedding import EmbeddingHead
from tfdistill.models.heads.spans import SpanHead
from tfdistill.models.model import Model

pytest.importorskip("tensorflow_text")
LENGTH = 16
TEXTS = "The whale [MASK] a ship.", "the old SEA", "[MASK] of [MASK] and " + "men " * 20 + "[MASK]"


@pytest.fixture
def served(tokenizer, tmp_path):
    """A function of a model to the signatures of its SavedModel."""

    def export(model):
        import tensorflow as tf

        assert not warnings(tokenizer, model.head)
        export_saved_model(model, tmp_path / "saved", LENGTH, tokenizer)
        loaded = tf.saved_model.load(str(tmp_path / "saved"))

        def run(name, **texts):
            tensors = {key: tf.constant(each) for key, each in texts.items()}
            return {k: v.numpy() for k, v in loaded.signatures[name](**tensors).items()}

        run.loaded = loaded  # signatures die with it
        return run

    return export


def test_masked_words(bert, tokenizer, served):
    found = served(bert)(STRINGS, text=TEXTS)
    assert found.keys() == {"logits", "masked_positions"}
    assert found["masked_positions"].tolist() == [[3, 0], [0, 0], [1, 3]]
    encoded = [tokenizer.encode(text, LENGTH) for text in TEXTS]
    ids, mask = (np.stack(part) for part in zip(*encoded, strict=True))
    inputs = {"input_ids": ids, "attention_mask": mask}
    inputs["masked_positions"] = found["masked_positions"]
    np.testing.assert_allclose(found["logits"], bert(inputs)["logits"], atol=1e-4)


@pytest.mark.slow
def test_classes_of_pairs(distilbert, tokenizer, served):
    head = ClassificationHead(distilbert.config, ("bad", "good"), "mean")
    model = Model(distilbert.encoder, head, seed=None)
    head.dense.kernel.assign(np.random.default_rng(0).normal(size=head.dense.kernel.shape))
    run = served(model)
    pipeline = tokenizer.text_pipeline()
    pipeline.enable_truncation(LENGTH)
    for name, others in ((STRINGS, None), (PAIRS, ("a boat", "", "the storm sank " * 4))):
        texts = {"text": TEXTS} | ({"text_pair": others} if others else {})
        found = run(name, **texts)
        for place, text in enumerate(TEXTS):
            row = pipeline.encode(text, *(each[place] for each in [others] if each))
            logits = model({"input_ids": [row.ids]})["logits"][0]
            np.testing.assert_allclose(found["logits"][place], logits, atol=1e-4)
        np.testing.assert_allclose(found["probabilities"].sum(axis=1), 1, atol=1e-5)


def test_which_heads_and_tokenizers_take_strings(bert, tokenizer, monkeypatch):
    assert graph_tokenizer(tokenizer, EmbeddingHead(bert.config))
    spans = SpanHead(bert.config)
    assert not graph_tokenizer(tokenizer, spans) and not warnings(tokenizer, spans)
    monkeypatch.setattr("tfdistill.data.graph_tokenizer.compared", lambda versions: False)
    assert not graph_tokenizer(tokenizer, bert.head)
    (line,) = warnings(tokenizer, bert.head)
    assert line.startswith("saved_model has no signature for strings: the ids of tensorflow-text 2")
