import dataclasses
import json
import subprocess
import sys

import pytest

from tfdistill.models.configs.config_files import named_config, read_config
from tfdistill.models.configs.encoder_config import EncoderConfig
from tfdistill.system.errors import UserError


def test_named_sizes():
    config = named_config("mini")
    assert (config.num_hidden_layers, config.hidden_size) == (4, 256)
    assert (config.num_attention_heads, config.intermediate_size) == (4, 1024)
    assert named_config("base") == EncoderConfig()
    assert named_config("L-4_H-256_A-4") == config


def test_a_shape_with_an_intermediate_size():
    config = named_config("L-3_H-48_A-6_I-100", model_type="distilbert", vocab_size=99)
    assert (config.num_hidden_layers, config.num_attention_heads) == (3, 6)
    assert (config.intermediate_size, config.vocab_size, config.type_vocab_size) == (100, 99, 0)


@pytest.mark.parametrize("name", ["huge", "L-4_H-128", "L-4_H-128_A-3", "L-0_H-128_A-2"])
def test_impossible_names_are_refused(name):
    with pytest.raises(UserError):
        named_config(name)


def test_distilbert_is_read_and_written_with_its_own_keys():
    values = {"model_type": "distilbert", "dim": 64, "n_heads": 4, "activation": "relu"}
    config = EncoderConfig.from_hugging_face(values)
    assert (config.hidden_size, config.num_attention_heads, config.hidden_act) == (64, 4, "relu")
    assert config.num_hidden_layers == 6  # Hugging Face's default for DistilBERT.
    written = config.to_hugging_face()
    assert written["architectures"] == ["DistilBertForMaskedLM"]
    assert (written["dim"], written["hidden_dim"]) == (64, 3072)
    assert "hidden_size" not in written and "type_vocab_size" not in written
    assert EncoderConfig.from_hugging_face(written) == config


def test_distilbert_keys_that_hugging_face_ignores_are_ignored():
    """Checked with transformers 5.23: three of BERT's keys are read and win, others are ignored."""
    own = {"dim": 64, "n_heads": 4, "n_layers": 2, "hidden_dim": 100, "activation": "relu"}
    stray = {"type_vocab_size": 2, "layer_norm_eps": 1e-5, "position_embedding_type": "relative"}
    stray |= {"intermediate_size": 77, "hidden_act": "gelu", "hidden_dropout_prob": 0.5}
    for extra in (stray, {**stray, "pooler": 3}):
        values = {"model_type": "distilbert", **own}
        config = EncoderConfig.from_hugging_face({**values, **extra})
        assert config == EncoderConfig.from_hugging_face(values)
        assert (config.type_vocab_size, config.layer_norm_eps) == (0, 1e-12)
    mapped = {"hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 3}
    config = EncoderConfig.from_hugging_face({"model_type": "distilbert", **own, **mapped})
    assert (config.hidden_size, config.num_attention_heads) == (32, 2)
    assert (config.num_hidden_layers, config.intermediate_size) == (3, 100)


def test_ignored_keys_of_a_student_are_refused(tmp_path):
    path = tmp_path / "student.json"
    path.write_text(json.dumps({"dim": 24, "n_heads": 2, "hidden_act": "gelu"}))
    assert read_config(path, "distilbert").hidden_act == "gelu"
    path.write_text(json.dumps({"dim": 24, "n_heads": 2, "intermediate_size": 100}))
    with pytest.raises(UserError, match="intermediate_size.*write hidden_dim"):
        read_config(path, "distilbert")


def test_bert_survives_a_round_trip():
    config = EncoderConfig(type_vocab_size=3, layer_norm_eps=1e-5, hidden_act="gelu_new")
    written = json.loads(json.dumps(config.to_hugging_face()))
    assert written["architectures"] == ["BertForMaskedLM"]
    assert EncoderConfig.from_hugging_face(written) == config


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"model_type": "roformer"}, "roformer"),
        ({"position_embedding_type": "relative_key"}, "position"),
        ({"is_decoder": True}, "is_decoder"),
        ({"hidden_size": 100, "num_attention_heads": 12}, "multiple"),
        ({"hidden_size": "768"}, "hidden_size"),
        ({"hidden_act": "squid"}, "squid"),
        ({"hidden_dropout_prob": 1.0}, "hidden_dropout_prob"),
        ({"type_vocab_size": 0}, "type_vocab_size"),
        ({"pad_token_id": 30522}, "pad_token_id"),
        ({"architectures": [5]}, "architectures=.5. is no list of names"),
        ({"architectures": "BertModel"}, "architectures='BertModel' is no list of names"),
    ],
)
def test_unsupported_values_are_refused_by_name(values, named):
    with pytest.raises(UserError, match=named):
        EncoderConfig.from_hugging_face(values)


def test_read_config_takes_names_files_and_directories(tmp_path):
    config = named_config("L-2_H-24_A-2", vocab_size=50)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config.to_hugging_face()))
    assert read_config("tiny", "bert") == named_config("tiny")
    assert read_config(path, "bert") == config
    assert read_config(str(tmp_path), "bert") == config


def test_read_config_takes_the_given_type_if_the_file_has_none(tmp_path):
    path = tmp_path / "student.json"
    path.write_text(json.dumps({"dim": 24, "n_heads": 2, "n_layers": 2}))
    assert read_config(path, "distilbert").hidden_size == 24
    with pytest.raises(UserError, match="dim"):  # not silently a BERT of width 768
        read_config(path, "bert")


@pytest.mark.parametrize("text", ["{", "[1, 2]", '{"model_type": "distilbert"}'])
def test_read_config_names_the_file_it_cannot_use(tmp_path, text):
    path = tmp_path / "student.json"
    path.write_text(text)
    with pytest.raises(UserError, match="student.json"):
        read_config(path, "bert")


def test_read_config_refuses_a_missing_file():
    with pytest.raises(UserError, match="no-such"):
        read_config("no-such.json", "bert")


def test_config_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        EncoderConfig().hidden_size = 1


def test_the_package_and_its_configs_import_neither_tensorflow_nor_keras():
    code = (
        "import sys, tfdistill, tfdistill.system.errors, tfdistill.models.configs.encoder_config;"
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras', 'numpy')))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
