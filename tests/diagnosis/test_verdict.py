"""The doctor's verdict, and its counts of memory and kernels."""

import dataclasses
import json
import math
import sys

import pytest

from tfdistill.diagnosis import batch_memory, metal_audit, registered_kernels, verdict
from tfdistill.diagnosis.training_check import Comparison, Course
from tfdistill.system import hardware
from tfdistill.system.devices import Choice

ON_CPU = Choice("cpu", "float32", True, False, 1, "no GPU")
ON_METAL = Choice("gpu", "float32", False, True, 1, "Metal")
SLOW = Course((10.0, 8.0), (1.0, 1.0), 1000.0)
FAST = Course((10.0, 8.0), (1.0, 1.0), 2000.0)
RIGHT = Comparison(1e-6, 1e-5, "")
FITS = {"mini": (4000, 1e9, 4e6), "BERT-base to 6 layers": (240, 3e9, 6e7)}


def say(choice=ON_CPU, reference=SLOW, chosen=FAST, comparison=RIGHT, largest=FITS):
    courses = {"cpu, plain": reference, "chosen": chosen}
    return verdict.verdict(choice, courses, comparison, largest)


def test_a_machine_that_trains_correctly():
    right, text = say()
    assert right and "mini at 2,000 tokens/s" in text and "batches of 8 rows of 128" in text
    assert "slower" not in text


def test_a_single_training():
    right, text = verdict.verdict(ON_CPU, {"cpu, plain": SLOW}, None, FITS)
    assert right and "1,000 tokens/s" in text


def test_a_device_that_trains_wrongly():
    wrong = Comparison(0.5, 0.5, "its loss differs by 50.00%, more than 0.1%")
    right, text = say(ON_METAL, comparison=wrong)
    assert not right and "differs by 50.00%" in text and "`device`=cpu" in text
    rounded = dataclasses.replace(ON_CPU, precision="bfloat16", jit_compile=False)
    assert "`precision`=float32" in say(rounded, comparison=wrong)[1]
    assert "XLA is at fault" in say(ON_CPU, comparison=wrong)[1]


@pytest.mark.parametrize("losses", [(10.0, 10.0), (10.0, 11.0), (10.0, math.nan)])
def test_a_loss_that_does_not_fall(losses):
    right, text = say(chosen=Course(losses, (1.0, 1.0), 1.0))
    assert not right and "does not fall" in text


def test_a_gpu_that_is_slower():
    right, text = say(ON_METAL, reference=FAST, chosen=SLOW)
    assert right and "slower" in text and "`device`=auto chooses the CPU" in text
    on_cuda = Choice("gpu", "float32", True, False, 1, "CUDA")
    assert "`device`=cpu" in say(on_cuda, reference=FAST, chosen=SLOW)[1]


def test_too_little_memory():
    largest = {"mini": (40, 1e9, 4e6), "BERT-base to 6 layers": (3, 3e9, 6e7)}
    right, text = say(largest=largest)
    assert right and "batches of 3 rows of 128" in text and "batches of 32 rows of 64" in text
    assert "`gradient_accumulation_steps`" in text
    assert "does not fit" in say(largest={"BERT-base to 6 layers": (0, 3e9, 6e7)})[1]


def test_the_table():
    lines = verdict.format_courses({"cpu, plain": SLOW, "gpu": FAST}, RIGHT).splitlines()
    assert len({len(line) for line in lines[:3]}) == 1
    assert "10.000 → 8.000" in lines[1] and lines[-1].endswith("agrees")
    assert "4,000 rows of 64" in verdict.format_batch("mini", *FITS["mini"])


# -- memory


def test_the_batch_that_fits():
    rows, fixed, per_row = batch_memory.fit((10, 3e9), (20, 4e9), 16e9)
    assert (rows, fixed, per_row) == (100, 2e9, 1e8)
    assert batch_memory.fit((10, 3e9), (20, 4e9), 2e9)[0] == 0


@pytest.mark.slow
def test_the_memory_of_a_process():
    """A real process, with the smaller batch of mini."""
    few, _ = batch_memory.ROWS["mini"]
    plain = Choice("cpu", "float32", False, False, 1, "a test")
    peak = batch_memory.measure("mini", few, plain)
    logits = 4 * 30522 * 512
    assert logits < peak < 5e9


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import sys; sys.exit('one\\nno such thing')", "^no such thing$"),
        ("import sys; sys.exit(3)", "^exit code 3$"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "the memory was full"),
    ],
)
def test_a_process_that_fails_is_explained(code, message):
    with pytest.raises(RuntimeError, match=message):
        batch_memory.run_to_end([sys.executable, "-c", code])


def test_batches_must_fit_the_memory_of_the_device():
    """On Metal the CPU measures, with the same memory. A card's memory may be unknown."""
    assert batch_memory.device_memory(ON_CPU) == (ON_CPU, hardware.memory_bytes())
    choice, memory_bytes = batch_memory.device_memory(ON_METAL)
    assert (choice.device, memory_bytes) == ("cpu", hardware.memory_bytes())
    on_cuda = Choice("gpu", "float32", True, False, 1, "CUDA")
    card = hardware.cuda_memory_bytes()
    if card:
        assert batch_memory.device_memory(on_cuda) == (on_cuda, card)
    else:
        with pytest.raises(RuntimeError, match="nvidia-smi"):
            batch_memory.device_memory(on_cuda)


# -- kernels


def test_missing_kernels_are_listed():
    expected = {"MatMul": [{"types": {"T": "float32"}}, {"types": {"T": ["float16", "int8"]}}]}
    found = {"MatMul": [{"types": {"T": ["float32", "float16"]}}], "While": [{"types": {}}]}
    assert registered_kernels.missing(expected, found) == ["MatMul T=int8"]
    assert registered_kernels.missing(found, expected) == ["While"]
    assert registered_kernels.missing(found, found) == []


@pytest.mark.tf218
def test_the_inventory_has_the_kernels_of_its_tensorflow():
    """Its DEFAULT kernels are those of TensorFlow 2.18, which the macOS Metal set has."""
    bundled = json.loads(metal_audit.INVENTORY.read_text())
    found = registered_kernels.registered()
    assert found["DEFAULT"]["Reshape"]
    assert registered_kernels.missing(bundled["DEFAULT"], found["DEFAULT"]) == []
