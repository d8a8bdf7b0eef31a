"""Facts of this machine, and of others through their programs and files."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tfdistill.system import hardware


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A function that puts a program on the PATH: its name and its shell code."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    def make(name, code):
        (tmp_path / name).write_text(f"#!/bin/sh\n{code}\n")
        (tmp_path / name).chmod(0o755)

    return make


def test_the_chip_of_a_mac(program):
    program("sysctl", '[ "$1 $2" = "-n machdep.cpu.brand_string" ] && echo Apple M1')
    assert hardware.chip("Darwin") == "Apple M1"


def test_rosetta(program):
    program("sysctl", '[ "$2" = sysctl.proc_translated ] && echo 1')
    assert hardware.this_platform("Darwin", "x86_64").translated
    assert not hardware.this_platform("Darwin", "arm64").translated
    program("sysctl", "exit 1")  # an Intel Mac has no such variable
    assert not hardware.this_platform("Darwin", "x86_64").translated


def test_the_memory_of_a_card(program):
    program("nvidia-smi", "echo 24564; echo 8192")
    assert hardware.cuda_memory_bytes() == 8192 * 2**20
    program("nvidia-smi", "echo NVIDIA-SMI has failed")
    assert hardware.cuda_memory_bytes() == 0


def test_memory():
    taken = np.ones(50_000_000)
    peak = hardware.peak_memory_bytes()
    assert taken.nbytes < peak < hardware.memory_bytes()
    assert hardware.this_platform().memory_bytes == hardware.memory_bytes()
    if os.path.exists("/proc/meminfo"):
        with open("/proc/meminfo") as file:
            kilobytes = int(file.readline().split()[1])
        assert abs(hardware.memory_bytes() / 1024 - kilobytes) < 0.05 * kilobytes


def test_the_peak_of_a_process_excludes_its_parent():
    held = np.ones(100_000_000)
    code = "from tfdistill.system import hardware; print(hardware.peak_memory_bytes())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 5e6 < int(found.stdout) < held.nbytes / 2


def test_versions_of_installed_packages():
    import keras

    assert hardware.versions()["keras"] == keras.__version__
    assert hardware.this_platform().packages["keras"] == keras.__version__


@pytest.mark.parametrize(
    "words, has",
    [
        ("flags : fpu avx512_vnni avx512_bf16 amx_int8", True),
        ("Features : fp asimd bf16 i8mm", True),
        ("flags : fpu avx512f avx512_vnni", False),
        (None, False),  # no such file
    ],
)
def test_units_for_bfloat16(tmp_path, words, has):
    file = tmp_path / "cpuinfo"
    if words is not None:
        file.write_text(f"model name : one\n{words}\n")
    assert hardware.has_bfloat16_units(file) == has


def test_instruction_sets(tmp_path):
    file = tmp_path / "cpuinfo"
    file.write_text("flags : fpu sse avx avx2 avx512f avx512_vnni amx_bf16\n")
    assert hardware.instruction_sets(file) == ("avx2", "avx512", "vnni", "bf16")
    file.write_text("Features : fp asimd asimddp i8mm\n")
    assert hardware.instruction_sets(file) == ("dotprod", "i8mm")
    assert hardware.instruction_sets(tmp_path / "missing") == ()
