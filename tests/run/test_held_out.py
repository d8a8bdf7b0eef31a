"""Settings of models that are there already: the length of their rows, and their files."""

import json
import types

import pytest

from tfdistill.command_line.run_config import RunConfig
from tfdistill.run.exported_model import bundle_options
from tfdistill.run.held_out import length_of
from tfdistill.system.errors import UserError


def test_the_length_of_a_model_is_the_least_that_its_files_say(tmp_path):
    assert length_of(tmp_path) is None
    for file, key, longest in (
        ("config.json", "max_position_embeddings", 512),
        ("tokenizer_config.json", "model_max_length", 384),
        ("sentence_bert_config.json", "max_seq_length", 256),
        ("sentence_bert_config.json", "max_seq_length", None),
    ):
        (tmp_path / file).write_text(json.dumps({key: longest}))
        assert length_of(tmp_path) == (longest or 384)


def test_full_int8_has_the_ranges_of_training_examples():
    task = types.SimpleNamespace(evaluation_batches=lambda source: ("batches of", source))
    config = RunConfig(tflite_variants="int8,full_int8", tflite_lengths="16", length=32)
    options = bundle_options(config, task, "train")
    assert options.calibration == ("batches of", "train")
    assert set(options.variants) == {"float32", "int8", "full_int8"}
    with pytest.raises(UserError, match="set train_data"):
        bundle_options(config, task, None)
    without = RunConfig(tflite_lengths="16", length=32)
    assert bundle_options(without, task, None).calibration is None
