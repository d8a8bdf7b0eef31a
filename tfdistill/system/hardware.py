"""What this machine is: system, chip, memory, installed packages. It asks without TensorFlow."""

import contextlib
import dataclasses
import importlib.metadata
import os
import platform
import re
import resource
import subprocess
import sys
from pathlib import Path

PACKAGES = ("tensorflow", "tensorflow-metal", "tensorboard", "keras")


@dataclasses.dataclass(frozen=True)
class Platform:
    """What can be known without importing TensorFlow.

    Args:
        system: "Darwin", "Linux", …
        machine: "arm64", "x86_64", …
        translated: an x86 Python that runs on Apple silicon (Rosetta).
        packages: versions of the installed ones out of `PACKAGES`.
    """

    system: str
    machine: str
    translated: bool
    packages: dict


def this_platform():
    """The `Platform` of this process."""
    return Platform(platform.system(), platform.machine(), _is_translated(), _installed(PACKAGES))


def chip():
    """The processor's name, such as "Apple M1"; "" where nobody tells."""
    if platform.system() == "Darwin":
        return _sysctl("machdep.cpu.brand_string")
    with contextlib.suppress(OSError):
        if found := re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text()):
            return found[1].strip()
    return platform.processor()


def memory_bytes():
    """The machine's memory, in bytes; on Apple silicon it is the GPU's too."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def cuda_memory_bytes():
    """The memory of the smallest NVIDIA card, in bytes; 0 where nobody tells."""
    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    with contextlib.suppress(OSError, ValueError):
        found = subprocess.run(command, capture_output=True, text=True).stdout
        return min(map(int, found.splitlines())) * 2**20
    return 0


def has_bfloat16_units():
    """Whether the processor of a Linux machine multiplies bfloat16 by itself; of others, False."""
    with contextlib.suppress(OSError):
        words = set(Path("/proc/cpuinfo").read_text().split())
        return not words.isdisjoint(("avx512_bf16", "amx_bf16", "bf16"))
    return False


def has_nvidia_driver():
    """Without one TensorFlow's complaint that CUDA does not start is no error."""
    return any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/dxg"))


def peak_memory_bytes():
    """The largest resident memory this process has had so far, in bytes."""
    # What getrusage says of a new process on Linux begins with what its parent held.
    with contextlib.suppress(OSError):
        if found := re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text()):
            return int(found[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def versions():
    """Versions of what a result may depend on: a dict of strings."""
    packages = "tfdistill tensorflow tensorflow-text keras tokenizers ai-edge-litert".split()
    system = {"python": platform.python_version(), "platform": platform.platform()}
    return system | _installed(packages)


def _is_translated():
    if platform.system() != "Darwin" or platform.machine() == "arm64":
        return False
    return _sysctl("sysctl.proc_translated") == "1"


def _sysctl(name):
    """One of macOS's facts, "" where it has none of that name."""
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
