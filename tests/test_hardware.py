"""What is asked of the machine, and how it answers on others."""

import os
import platform
import subprocess
import types

import numpy as np

from tfdistill import hardware


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


def test_versions_are_those_that_are_installed():
    import keras

    assert hardware.versions()["keras"] == keras.__version__
    assert hardware.this_platform().packages["keras"] == keras.__version__
