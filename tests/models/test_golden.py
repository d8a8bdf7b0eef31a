"""Compares the encoder with stored outputs of PyTorch models (scripts/make_golden.py)."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from tfdistill.models.hugging_face.checkpoint import load_model

DIRECTORY = Path(__file__).parents[1] / "golden"
NAMES = ("bert_gelu", "bert_gelu_new", "distilbert_gelu", "distilbert_relu")


def part(tensors, kind):
    prefix = f"{kind}/"
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


@pytest.fixture(params=NAMES)
def golden(request, tmp_path):
    """(model loaded from the file's weights, inputs, PyTorch's outputs)."""
    path = DIRECTORY / f"{request.param}.safetensors"
    tensors = load_file(path)
    with safe_open(path, "np") as file:
        (tmp_path / "config.json").write_text(file.metadata()["config"])
    save_file(part(tensors, "weights"), tmp_path / "model.safetensors")
    return load_model(tmp_path), part(tensors, "inputs"), part(tensors, "outputs")


def test_every_layer_and_the_logits_equal_pytorch(golden):
    model, inputs, expected = golden
    out = model(inputs, taps={"hidden_states", "attention_probs"})
    compared = {"logits": out["logits"]}
    for tap in ("hidden_states", "attention_probs"):
        compared |= {f"{tap}/{index}": value for index, value in enumerate(out[tap])}
    assert set(compared) == set(expected)
    for name, value in compared.items():
        np.testing.assert_allclose(value, expected[name], atol=1e-5, rtol=1e-5, err_msg=name)


def test_golden_files_are_small_and_all_tested():
    files = {path.stem: path.stat().st_size for path in DIRECTORY.iterdir()}
    assert set(files) == set(NAMES)
    assert max(files.values()) < 300_000


def test_golden_cases_cover_the_options():
    configs = []
    for name in NAMES:
        with safe_open(DIRECTORY / f"{name}.safetensors", "np") as file:
            configs.append(json.loads(file.metadata()["config"]))
    assert {config["model_type"] for config in configs} == {"bert", "distilbert"}
    assert {config.get("hidden_act", config.get("activation")) for config in configs} == {
        "gelu",
        "gelu_new",
        "relu",
    }
