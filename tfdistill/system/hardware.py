"""Facts of this machine, found without TensorFlow: system, chip, memory, installed packages."""

import contextlib
import ctypes
import dataclasses
import importlib.metadata
import os
import platform
import re
import resource
import subprocess
import sys
from pathlib import Path

SYSTEM, MACHINE = platform.system(), platform.machine()
INSTRUCTION_SETS = {  # those that set the speed of TFLite files, with their flags in /proc/cpuinfo
    "avx2": ("avx2",),
    "avx512": ("avx512f",),
    "vnni": ("avx_vnni", "avx512_vnni"),
    "bf16": ("avx512_bf16", "amx_bf16", "bf16"),
    "dotprod": ("asimddp",),
    "i8mm": ("i8mm",),
    "amx": ("amx_int8",),
}
PACKAGES = ("tensorflow", "tensorflow-metal", "tensorboard", "keras")


@dataclasses.dataclass(frozen=True)
class Platform:
    """Facts that decide how TensorFlow is used.

    Args:
        system: "Darwin", "Linux", …
        machine: "arm64", "x86_64", …
        translated: whether an x86 Python runs on Apple silicon (Rosetta).
        packages: dict of the installed packages out of `PACKAGES` to their versions.
        nvidia_driver: whether an NVIDIA driver is loaded, so that CUDA can start.
        bfloat16_units: whether the processor has bfloat16 instructions.
        memory_bytes: the machine's memory; on Apple silicon the GPU shares it.
    """

    system: str
    machine: str
    translated: bool
    packages: dict
    nvidia_driver: bool = False
    bfloat16_units: bool = False
    memory_bytes: int = 0


def this_platform(system=SYSTEM, machine=MACHINE):
    """Returns the `Platform` of this process.

    Args:
        system, machine: those of this machine.
    """
    translated = (system, machine) == ("Darwin", "x86_64") and (
        _sysctl("sysctl.proc_translated") == "1"
    )
    facts = has_nvidia_driver(), has_bfloat16_units(), memory_bytes()
    return Platform(system, machine, translated, _installed(PACKAGES), *facts)


def chip(system=SYSTEM):
    """Returns the processor's name, such as "Apple M1"; "" if it is unknown.

    Args:
        system: the system of this machine.
    """
    if system == "Darwin":
        return _sysctl("machdep.cpu.brand_string")
    with contextlib.suppress(OSError):
        if found := re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text()):
            return found[1].strip()
    return platform.processor()


def memory_bytes():
    """Returns the machine's memory in bytes; on Apple silicon the GPU shares it."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def cuda_memory_bytes():
    """Returns the memory of the smallest NVIDIA card in bytes; 0 if it is unknown."""
    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    with contextlib.suppress(OSError, ValueError):
        found = subprocess.run(command, capture_output=True, text=True).stdout
        return min(map(int, found.splitlines())) * 2**20
    return 0


def has_bfloat16_units(cpuinfo="/proc/cpuinfo"):
    """Returns whether the processor has bfloat16 instructions; False on systems but Linux.

    Args:
        cpuinfo: the file in which Linux lists the processor's features.
    """
    return "bf16" in instruction_sets(cpuinfo)


def instruction_sets(cpuinfo="/proc/cpuinfo"):
    """Returns which of `INSTRUCTION_SETS` the processor has, a tuple; () if not on Linux.

    Args:
        cpuinfo: as for `has_bfloat16_units`.
    """
    with contextlib.suppress(OSError):
        words = set(Path(cpuinfo).read_text().split())
        return tuple(n for n, found in INSTRUCTION_SETS.items() if not words.isdisjoint(found))
    return ()


def cpu_flags(cpuinfo="/proc/cpuinfo"):
    """Returns all features of the processor as Linux lists them, a str; "" on other systems.

    Args:
        cpuinfo: as for `has_bfloat16_units`.
    """
    with contextlib.suppress(OSError):
        if found := re.search(r"^(?:flags|Features)\s*:\s*(.+)$", Path(cpuinfo).read_text(), re.M):
            return found[1]
    return ""


def has_nvidia_driver():
    """Returns whether an NVIDIA driver is loaded, so that CUDA can start."""
    return any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/dxg"))


def peak_memory_bytes():
    """Returns the largest resident memory of this process so far, in bytes."""
    # On Linux, getrusage of a new process includes the memory of its parent.
    with contextlib.suppress(OSError):
        if found := re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text()):
            return int(found[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def resident_bytes():
    """Returns the resident memory of this process, with and without mapped files.

    Returns:
        (bytes, bytes); the second is None on other systems than Linux.
    """
    with contextlib.suppress(OSError):
        text = Path("/proc/self/status").read_text()
        sizes = [re.search(rf"{name}:\s*(\d+) kB", text) for name in ("VmRSS", "RssAnon")]
        if all(sizes):
            return tuple(int(size[1]) * 1024 for size in sizes)
    command = ["ps", "-o", "rss=", "-p", str(os.getpid())]
    return int(subprocess.run(command, capture_output=True, text=True).stdout) * 1024, None


def give_back_memory():
    """Gives memory that this process has freed back to the system, where glibc does it."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def cores():
    """Returns how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def versions():
    """Returns the versions of software that results may depend on: a dict of strings."""
    packages = "tfdistill tensorflow tensorflow-text keras tokenizers ai-edge-litert".split()
    system = {"python": platform.python_version(), "platform": platform.platform()}
    return system | _installed(packages)


def _sysctl(name):
    """Returns a system variable of macOS; "" if it does not exist."""
    with contextlib.suppress(OSError):
        command = ["sysctl", "-n", name]
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()
    return ""


def _installed(names):
    found = {}
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
