"""What the machine has, and what follows from it for a run."""

import importlib.metadata
import platform
import resource
import sys
from pathlib import Path

from tfdistill.quiet import quiet_native_output


def prepare():
    """Readies TensorFlow for a run.

    Returns:
        A dict: `device`, the kind of device that TensorFlow will use, and `jit_compile`, whether
        steps are compiled with XLA.
    """
    with quiet_native_output(errors=_has_nvidia_driver()):
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        if sys.platform != "darwin":
            # Otherwise the first process takes all of a CUDA card's memory.
            tf.config.experimental.set_memory_growth(gpu, True)
    # Metal has no XLA compiler, and macOS on the CPU gains nothing that has been measured.
    return {"device": "gpu" if gpus else "cpu", "jit_compile": sys.platform != "darwin"}


def _has_nvidia_driver():
    """Without one TensorFlow's complaint that CUDA does not start is no error."""
    return any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/dxg"))


def peak_memory_bytes():
    """The largest resident memory this process has had so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def versions():
    """Versions of what a result may depend on: a dict of strings."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in ("tfdistill", "tensorflow", "keras", "tokenizers", "ai-edge-litert"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
