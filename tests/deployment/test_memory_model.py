"""The memory of a file is counted from its shape."""

import sys

import pytest

from tfdistill.deployment.load_cost import load_cost
from tfdistill.deployment.memory_model import memory_bytes
from tfdistill.deployment.operators import VOCABULARY
from tfdistill.models.configs.encoder_config import EncoderConfig

CONFIG = EncoderConfig(
    hidden_size=128, num_hidden_layers=2, num_attention_heads=2, intermediate_size=512
)


@pytest.mark.skipif(sys.platform != "linux", reason="own memory is known on Linux only")
@pytest.mark.parametrize(
    "name, variant", [("student.tflite", "float32"), ("student_int8.tflite", "int8")]
)
def test_memory_is_what_a_process_takes(whole_vocabulary, name, variant):
    found = load_cost(whole_vocabulary / name)["own_bytes"]
    assert memory_bytes(CONFIG, 16, VOCABULARY, variant) == pytest.approx(found, rel=0.05)


@pytest.mark.skipif(sys.platform != "linux", reason="own memory is known on Linux only")
def test_modules_without_bytecode_are_no_memory_of_the_file(
    whole_vocabulary, tmp_path, monkeypatch
):
    """They are compiled first, and the file would take the memory that this has freed."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path))
    found = load_cost(whole_vocabulary / "student_int8.tflite")["own_bytes"]
    assert memory_bytes(CONFIG, 16, VOCABULARY, "int8") == pytest.approx(found, rel=0.2)
