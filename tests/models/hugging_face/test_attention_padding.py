"""Models whose heads do not divide the hidden size, in Hugging Face's directories."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tfdistill.models.configs.stored_heads import padded_heads
from tfdistill.models.hugging_face.checkpoint import load_model, save_model
from tfdistill.system.errors import UserError

QUERY = "bert.encoder.layer.0.attention.self.query"
OUTPUT = "bert.encoder.layer.0.attention.output.dense.weight"


@pytest.fixture
def saved(tiny_model, tmp_path):
    """A model of width 9 with two heads of 3, for which the file has three, and its folder."""
    model = tiny_model(attention_head_size=3, num_attention_heads=2, hidden_size=9)
    save_model(model, tmp_path / "saved")
    return model, tmp_path / "saved"


def edit_config(folder, **values):
    path = folder / "config.json"
    kept = {**json.loads(path.read_text()), **values}
    path.write_text(json.dumps({key: each for key, each in kept.items() if each is not None}))


def test_padded_heads_are_the_fewest_that_hold_them():
    assert padded_heads(12, 3, 2) == 3  # 3 heads of 4
    assert padded_heads(564, 8, 47) == 12  # 10 does not divide 564
    assert padded_heads(9, 2, 3) == 3
    assert padded_heads(9, 2, 4) is None


def test_a_head_size_that_is_the_default_is_left_out(tiny_model):
    assert tiny_model(attention_head_size=6).config == tiny_model().config


def test_heads_come_back_without_their_padding(saved, tiny_batch):
    model, folder = saved
    loaded = load_model(folder)
    assert loaded.config == model.config
    for ours, theirs in zip(loaded.weights, model.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    batch = tiny_batch([10, 4])
    np.testing.assert_allclose(loaded(batch)["logits"], model(batch)["logits"], atol=1e-6)


def test_the_file_holds_scaled_queries_and_zeros(tiny_model, tmp_path):
    model = tiny_model(attention_head_size=3, num_attention_heads=2)  # 2 heads of 6 in the file
    save_model(model, tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    query, output = model.encoder.blocks[0].attention.query, tensors[OUTPUT]
    weights, bias = tensors[f"{QUERY}.weight"], tensors[f"{QUERY}.bias"]
    assert weights.shape == output.shape == (12, 12)
    kernel = query.kernel.numpy().T
    np.testing.assert_allclose(weights[:3], np.sqrt(2) * kernel[:3], rtol=1e-6)
    np.testing.assert_allclose(weights[6:9], np.sqrt(2) * kernel[3:], rtol=1e-6)
    np.testing.assert_allclose(bias[6:9], np.sqrt(2) * query.bias.numpy()[3:], rtol=1e-6)
    values = model.encoder.blocks[0].attention.output_dense.kernel.numpy().T
    np.testing.assert_array_equal(output[:, 6:9], values[:, 3:])
    for zeros in (weights[3:6], weights[9:], bias[3:6], output[:, 3:6], output[:, 9:]):
        assert not zeros.any()


def test_without_its_key_a_folder_is_the_padded_model(saved, tiny_batch):
    """What Hugging Face's classes compute."""
    model, folder = saved
    edit_config(folder, tfdistill_attention=None)
    padded, batch = load_model(folder), tiny_batch([10, 4, 1])
    assert (padded.config.num_attention_heads, padded.config.head_size) == (3, 3)
    np.testing.assert_allclose(padded(batch)["logits"], model(batch)["logits"], atol=1e-5)


def test_padding_that_was_trained_is_not_dropped(saved):
    _, folder = saved
    tensors = load_file(folder / "model.safetensors")
    tensors[OUTPUT][0, -1] = 1
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(UserError, match="output.dense.weight holds numbers .* delete that key"):
        load_model(folder)


@pytest.mark.parametrize(
    "stored, message",
    [
        ({"heads": 2, "head_size": 5}, "2 attention heads of 5 do not fit in a hidden_size of 9"),
        ({"heads": 2, "head_size": 0}, "attention_head_size must be"),
        ({"heads": 2}, "tfdistill_attention must be like"),
        ([2, 3], "tfdistill_attention must be like"),
    ],
)
def test_wrong_descriptions_are_refused(saved, stored, message):
    _, folder = saved
    edit_config(folder, tfdistill_attention=stored)
    with pytest.raises(UserError, match=message):
        load_model(folder)
