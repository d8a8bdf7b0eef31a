"""Models whose heads do not divide the hidden size, in Hugging Face's classes."""

import numpy as np
import pytest

from tfdistill.models.hugging_face.checkpoint import save_model
from tfdistill.models.part_shapes import PartShape
from tfdistill.models.subnet import extract_subnet

pytestmark = pytest.mark.parity

PARTS = {
    "smaller heads": PartShape(2, 27, 33, 3, 7),
    "fewer heads": PartShape(3, 30, 41, 1, 8),
    "heads and width": PartShape(1, 35, 8, 2, 5),
}


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
