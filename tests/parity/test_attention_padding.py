"""Models whose heads do not divide the hidden size, in Hugging Face's classes."""

import numpy as np
import pytest

from tfdistill.models.heads.classification import ClassificationHead
from tfdistill.models.hugging_face.checkpoint import save_model
from tfdistill.models.model import Model
from tfdistill.models.part_grid import DEPTHS, PartGrid
from tfdistill.models.part_shapes import PartShape
from tfdistill.models.subnet import extract_subnet, run_subnet

pytestmark = pytest.mark.parity

PARTS = {
    "smaller heads": PartShape(2, 27, 33, 3, 7),
    "fewer heads": PartShape(3, 30, 41, 1, 8),
    "heads and width": PartShape(1, 35, 8, 2, 5),
}
OF_GRID = ("full", "w75", "w50d75", "w25d50")  # DynaBERT's


@pytest.mark.parametrize("model_type", ["bert", "distilbert"])
@pytest.mark.parametrize("name", PARTS)
def test_transformers_computes_a_part(
    name, model_type, tiny_model, tiny_batch, tmp_path, torch, transformers
):
    whole = tiny_model(
        model_type=model_type,
        hidden_size=36,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=50,
    )
    part = extract_subnet(whole, PARTS[name])
    save_model(part, tmp_path)
    theirs = transformers.AutoModelForMaskedLM.from_pretrained(tmp_path).eval()
    batch = tiny_batch([10, 4, 1])
    inputs = {name: torch.tensor(batch[name]).long() for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        expected = theirs(**inputs).logits.numpy()
    del batch["masked_positions"]  # logits of all tokens
    found = part(batch)["logits"]
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("model_type", ["bert", "distilbert"])
@pytest.mark.parametrize("name", OF_GRID)
def test_transformers_computes_a_classifier_of_a_grid(
    name, model_type, tiny_model, tiny_batch, tmp_path, torch, transformers
):
    """The part inside its model, and as a model of its own."""
    encoder = tiny_model(
        model_type=model_type,
        with_head=False,
        hidden_size=36,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=50,
    ).encoder
    whole = Model(encoder, ClassificationHead(encoder.config, ("no", "so", "yes")), seed=None)
    generator = np.random.default_rng(5)
    for variable in whole.head.variables:
        variable.assign(generator.normal(0, 0.3, variable.shape))
    shape = PartGrid(depths=DEPTHS).space(whole.config).shapes()[name]
    part = extract_subnet(whole, shape)
    save_model(part, tmp_path)
    loaded = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    batch = {key: tiny_batch([10, 4, 1])[key] for key in ("input_ids", "attention_mask")}
    with torch.no_grad():
        expected = loaded(**{key: torch.tensor(each).long() for key, each in batch.items()})
    for found in (part(batch), run_subnet(whole, shape, batch)):
        np.testing.assert_allclose(
            found["logits"], expected.logits.numpy(), atol=1e-5, rtol=1e-5, err_msg=name
        )
    assert loaded.config.id2label == {0: "no", 1: "so", 2: "yes"}
