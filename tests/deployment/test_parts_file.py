"""One TFLite file with a signature for each part of a model."""

import numpy as np
import pytest

from tfdistill.deployment.lite_model import LiteModel
from tfdistill.deployment.parts_file import merge_parts, part_of, parts_in
from tfdistill.deployment.signatures import signature_key, split_key
from tfdistill.deployment.tflite import export_tflite
from tfdistill.models.encoder import Encoder
from tfdistill.models.heads.classification import ClassificationHead
from tfdistill.models.model import Model
from tfdistill.models.part_grid import PartGrid
from tfdistill.models.subnet import extract_subnet
from tfdistill.system.errors import UserError

PARTS = "full", "w50", "w50d50"


@pytest.fixture(
    scope="module",
    params=[pytest.param(None, marks=pytest.mark.slow), "dynamic_int8"],
    ids=["float32", "int8"],
)
def exported(request, tmp_path_factory, tiny_model):
    """(folder, dict of parts to files, bytes of a weight)."""
    shape = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
    config = tiny_model(vocab_size=400, **shape).config
    whole = Model(Encoder(config), ClassificationHead(config, ("a", "b")), seed=1)
    folder, files = tmp_path_factory.mktemp("parts"), {}
    shapes = PartGrid(depths=(1.0, 0.5)).space(config).shapes()
    for part in PARTS:
        files[part] = folder / f"{part}.tflite"
        export_tflite(extract_subnet(whole, shapes[part]), files[part], request.param, (8, 16))
    return folder, files, 1 if request.param else 4


def test_each_part_computes_what_its_own_file_computes(exported):
    folder, files, size = exported
    contents = {part: path.read_bytes() for part, path in files.items()}
    merged = folder / "parts.tflite"
    merged.write_bytes(merge_parts(contents))
    assert parts_in(merged.read_bytes()) == list(PARTS) and parts_in(contents["w50"]) == []
    # Each has the table of 400 x 32; the layers of w50 hold all of w50d50's.
    table = 400 * 32 * size
    assert merged.stat().st_size < sum(map(len, contents.values())) - 2 * table
    one = len(merge_parts({part: contents[part] for part in ("full", "w50")}))
    graphs = 2 * 12_000  # of the two lengths
    assert merged.stat().st_size - one < graphs < len(contents["w50d50"])
    for tokens in (5, 12):
        row = {"input_ids": np.arange(2, 18), "attention_mask": (np.arange(16) < tokens) * 1}
        logits = []
        for part in PARTS:
            lite, alone = LiteModel(merged, part=part), LiteModel(files[part])
            assert lite.lengths == (8, 16) and lite.metadata["labels"] == ["a", "b"]
            logits.append(alone.logits(row))
            np.testing.assert_array_equal(lite.logits(row), logits[-1])
        assert len({each.tobytes() for each in logits}) == 3
        np.testing.assert_array_equal(LiteModel(merged).logits(row), logits[0])  # the whole
    out = folder / "again.tflite"
    out.write_bytes(part_of(merged.read_bytes(), "w50d50"))
    np.testing.assert_array_equal(LiteModel(out).logits(row), logits[2])
    assert out.stat().st_size < 1.05 * len(contents["w50d50"])
    with pytest.raises(UserError, match="part=w75: .* has the parts full, w50, w50d50: name one"):
        LiteModel(merged, part="w75")
    with pytest.raises(UserError, match="part=w75: the file has no such part"):
        part_of(merged.read_bytes(), "w75")
    with pytest.raises(UserError, match="part=w50: .* has no parts: leave it out"):
        LiteModel(files["w50"], part="w50")


@pytest.mark.parametrize(
    "part, length, key",
    [
        ("", None, "serving_default"),
        ("", 16, "tokens_16"),
        ("w50", None, "w50"),
        ("w25d75", 128, "w25d75_tokens_128"),
    ],
)
def test_keys_name_parts_and_lengths(part, length, key):
    assert signature_key(part, length) == key and split_key(key) == (part, length)
