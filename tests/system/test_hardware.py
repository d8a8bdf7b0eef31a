"""What is asked of the machine, and how it answers on others."""

import os
import platform
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from tfdistill.system import hardware


def sysctl(answers):
    def run(command, **_):
        assert command[:2] == ["sysctl", "-n"]
        return types.SimpleNamespace(stdout=answers.get(command[2], "") + "\n")

    return run


def test_a_mac_names_its_chip(monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(subprocess, "run", sysctl({"machdep.cpu.brand_string": "Apple M1"}))
    assert hardware.chip() == "Apple M1"


def test_rosetta_is_seen(monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(subprocess, "run", sysctl({"sysctl.proc_translated": "1"}))
    assert hardware.this_platform().translated
    monkeypatch.setattr(subprocess, "run", sysctl({}))  # an Intel Mac has no such name
    assert not hardware.this_platform().translated


def test_the_memory_of_a_card(monkeypatch):
    answer = types.SimpleNamespace(stdout="24564\n8192\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: answer)
    assert hardware.cuda_memory_bytes() == 8192 * 2**20
    answer.stdout = "NVIDIA-SMI has failed\n"
    assert hardware.cuda_memory_bytes() == 0


def test_memory():
    taken = np.ones(50_000_000)
    peak = hardware.peak_memory_bytes()
    assert taken.nbytes < peak < hardware.memory_bytes()
    if os.path.exists("/proc/meminfo"):
        with open("/proc/meminfo") as file:
            kilobytes = int(file.readline().split()[1])
        assert abs(hardware.memory_bytes() / 1024 - kilobytes) < 0.05 * kilobytes


def test_the_peak_of_a_process_is_its_own():
    """Not what its parent held when it was started."""
    held = np.ones(100_000_000)
    code = "from tfdistill.system import hardware; print(hardware.peak_memory_bytes())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 5e6 < int(found.stdout) < held.nbytes / 2


def test_versions_are_those_that_are_installed():
    import keras

    assert hardware.versions()["keras"] == keras.__version__
    assert hardware.this_platform().packages["keras"] == keras.__version__


@pytest.mark.parametrize(
    "words, has",
    [
        ("flags : fpu avx512_vnni avx512_bf16 amx_int8", True),
        ("Features : fp asimd bf16 i8mm", True),
        ("flags : fpu avx512f avx512_vnni", False),
        (None, False),
    ],
)
def test_units_for_bfloat16(monkeypatch, words, has):
    def read_text(path):
        if words is None:
            raise OSError("there is no /proc on this system")
        return f"model name : one\n{words}\n"

    monkeypatch.setattr(Path, "read_text", read_text)
    assert hardware.has_bfloat16_units() == has
