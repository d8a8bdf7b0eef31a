"""Messages of native libraries are hidden, errors are not."""

import os
import subprocess
import sys

import pytest

from tfdistill.models.hugging_face.checkpoint import save_model
from tfdistill.system.quiet import OF_CUDA, quiet_native_output

CHATTER = b"I0000 00:00:1 a.cc:1] hello\nW0000 00:00:1 a.cc:1] careful\nINFO: created\n"


def test_messages_are_dropped_and_errors_pass(capfd):
    with quiet_native_output():
        os.write(2, CHATTER + b"E0000 00:00:1 b.cc:2] broken\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "E0000 00:00:1 b.cc:2] broken\nafter\n"


def test_an_exception_has_all_messages_as_a_note(capfd):
    with pytest.raises(ValueError, match="no") as raised:
        with quiet_native_output():
            os.write(2, CHATTER)
            raise ValueError("no")
    assert "careful" in "".join(raised.value.__notes__)
    assert capfd.readouterr().err == ""


def test_harmless_errors_are_dropped(capfd):
    """A CUDA library that is linked twice, and CUDA without a driver."""
    twice = b"E0000 00:00:1 cuda_dnn.cc:9] Unable to register cuDNN factory: one is registered\n"
    no_driver = b"E0000 00:00:1 cuda_platform.cc:52] failed call to cuInit: UNKNOWN ERROR (303)\n"
    with quiet_native_output():
        os.write(2, twice + no_driver)
    assert capfd.readouterr().err.encode() == no_driver
    with quiet_native_output(OF_CUDA):
        os.write(2, twice + no_driver + b"E0000 00:00:1 b.cc:2] broken\n")
    assert capfd.readouterr().err == "E0000 00:00:1 b.cc:2] broken\n"


API = """
import sys, tfdistill
model = tfdistill.load_model(sys.argv[1])
import numpy as np
from tfdistill.tasks.masked_lm import MaskedLM
arrays = {"input_ids": [[1, 2, 3]], "attention_mask": [[1, 1, 1]], "masked_positions": [[1]],
          "masked_labels": [[2]]}
batch = {name: np.array(array, np.int32) for name, array in arrays.items()}
model(batch)
for _ in range(8):  # one model after the other, one batch each
    MaskedLM().scorer(model)(batch)
"""


@pytest.mark.slow
def test_the_python_api_is_quiet(tiny_model, tmp_path):
    """Import, first operation and first calls of several models, in another process."""
    save_model(tiny_model(), tmp_path)
    environment = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-c", API, tmp_path], capture_output=True, text=True, env=environment
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_no_standard_error(tmp_path):
    """A process that was started without standard error."""
    code = (
        "from tfdistill.system.quiet import quiet_native_output\n"
        "with quiet_native_output(): print(1)"
    )
    words = ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, code]
    assert subprocess.run(words, stdout=subprocess.PIPE, text=True).stdout == "1\n"


@pytest.mark.slow
def test_traces_for_several_shapes_are_no_warning():
    """TensorFlow warns of a function that has five or more shapes, as a step with buckets has."""
    program = """
import logging, tensorflow as tf
from tfdistill.system.quiet import hide_retracing
def trace():
    function = tf.function(lambda x: x + 1)
    for length in range(1, 9):
        function(tf.zeros(length))
trace()
tf.get_logger().error("marked")
hide_retracing()
trace()
tf.get_logger().warning("another")
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    before, after = found.stderr.split("marked")
    assert "tf.function retracing" in before
    assert "tf.function retracing" not in after and "another" in after
