"""Checkpoints from strangers: sizes that nothing bears out, and names of files elsewhere."""

import json
import time

import pytest

from tfdistill.models.configs.config_files import named_config, read_config
from tfdistill.models.configs.model_types import MODEL_TYPES
from tfdistill.models.encoder import Encoder
from tfdistill.models.hugging_face import checkpoint
from tfdistill.models.hugging_face.checkpoint import describe_model, load_model, save_model
from tfdistill.models.hugging_face.sentence_encoders import transformer_folder
from tfdistill.models.hugging_face.tensors import CheckpointTensors
from tfdistill.models.model import MaskedLanguageModel, Model
from tfdistill.system.errors import UserError

SHAPES = {
    **dict.fromkeys(("bert", "distilbert", "roberta", "xlm-roberta", "electra"), "L-2_H-8_A-2"),
    **{"deberta-v2": "L-2_H-8_A-2", "mobilebert": "L-2_H-8_B-12_A-2_F-2_I-10_E-6"},
    **{"tfdistill_bilstm": "H-6_F-5", "tfdistill_static": "H-8"},
}


@pytest.fixture
def folder(tmp_path, tiny_model):
    save_model(tiny_model(), tmp_path / "model")
    return tmp_path / "model"


def change(file, **values):
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


@pytest.mark.parametrize(
    "size",
    ["vocab_size", "hidden_size", "num_hidden_layers", "intermediate_size"]
    + ["max_position_embeddings", "type_vocab_size"],
)
def test_a_config_larger_than_the_weights_makes_no_model(folder, size, monkeypatch):
    change(folder / "config.json", **{size: 120_000, "num_attention_heads": 2})
    monkeypatch.setattr(checkpoint, "MaskedLanguageModel", None)  # nothing may be allocated
    with pytest.raises(UserError, match="a model of at least .* numbers, and the files hold"):
        load_model(folder)


def test_sizes_have_an_end(folder):
    change(folder / "config.json", hidden_size=10**12)
    with pytest.raises(UserError, match="hidden_size is 1000000000000, over 16,777,216"):
        describe_model(folder)
    change(folder / "config.json", hidden_size=1 << 24, num_attention_heads=1 << 23)
    change(folder / "config.json", tfdistill_attention={"heads": 1 << 23, "head_size": 1})
    begin = time.monotonic()
    with pytest.raises(UserError):
        load_model(folder)
    assert time.monotonic() - begin < 3


@pytest.mark.parametrize("name", SHAPES)
def test_the_lower_bound_is_one(name):
    """A model has at least as many numbers, and not many times as many."""
    config = named_config(SHAPES[name], name, vocab_size=50)
    kind = MODEL_TYPES[name]
    make = (
        MaskedLanguageModel
        if kind.learns_text
        else lambda config, seed: Model(Encoder(config), None)
    )
    numbers = sum(int(weight.shape.num_elements()) for weight in make(config, seed=0).weights)
    assert numbers / 20 < config.fewest_numbers <= numbers


@pytest.mark.parametrize("name", ["../model.safetensors", "/etc/x.safetensors", "..", 5, ["x"]])
def test_shards_lie_in_the_folder(folder, name):
    (folder / "model.safetensors").rename(folder.parent / "model.safetensors")
    index = {"weight_map": {"bert.embeddings.word_embeddings.weight": name}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match="which is no safetensors file beside it"):
        CheckpointTensors(folder, "bert")


@pytest.mark.parametrize("path", ["../other", "/etc", "..", "a/../../b", 3])
def test_modules_lie_in_the_folder(folder, path):
    modules = [{"type": "sentence_transformers.models.Transformer", "path": path}]
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(UserError, match="modules.json is no list of modules"):
        transformer_folder(folder)


@pytest.mark.parametrize(
    ("model_type", "values", "error"),
    [
        ("bert", {"model_type": ["bert"]}, "no name of a model type|describes a"),
        (
            "deberta-v2",
            {"model_type": "deberta-v2", "relative_attention": True, "pos_att_type": 5},
            "no list|not supp",
        ),
        ("bert", {"layer_norm_eps": 1e999}, "layer_norm_eps must be a number above 0"),
        ("bert", {"layer_norm_eps": 10**400}, "layer_norm_eps must be a number above 0"),
    ],
)
def test_values_of_other_kinds(tmp_path, model_type, values, error):
    (tmp_path / "config.json").write_text(json.dumps(values))
    with pytest.raises(UserError, match=error):
        read_config(tmp_path, model_type)
