"""The memory of a file is counted from its shape."""

import sys

import pytest

from tfdistill.deployment.load_cost import load_cost
from tfdistill.deployment.memory_model import memory_bytes
from tfdistill.deployment.operators import VOCABULARY
from tfdistill.models.configs.encoder_config import EncoderConfig


@pytest.mark.skipif(sys.platform != "linux", reason="own memory is known on Linux only")
@pytest.mark.parametrize(
    "name, variant", [("student.tflite", "float32"), ("student_int8.tflite", "int8")]
)
def test_memory_is_what_a_process_takes(whole_vocabulary, name, variant):
    config = EncoderConfig(
        hidden_size=128, num_hidden_layers=2, num_attention_heads=2, intermediate_size=512
    )
    found = load_cost(whole_vocabulary / name)["own_bytes"]
    assert memory_bytes(config, 16, VOCABULARY, variant) == pytest.approx(found, rel=0.05)
