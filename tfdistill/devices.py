"""What the machine has, and what follows from it for a run."""

import contextlib
import dataclasses
import importlib.metadata
import os
import platform
import resource
import subprocess
import sys
from pathlib import Path

from tfdistill.errors import UserError
from tfdistill.quiet import quiet_native_output

METAL = "1.2.0"  # earlier releases load with no TensorFlow from 2.18 on
METAL_TENSORFLOWS = ((2, 18), (2, 19))  # and these are the ones it loads with
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


@dataclasses.dataclass(frozen=True)
class Choice:
    """How a run uses the machine.

    Args:
        device: "cpu" or "gpu".
        jit_compile: whether steps are compiled with XLA.
        on_metal: whether graphs must keep to the operators of Apple's plugin.
        replicas: GPUs that share each batch; 1 on the CPU.
        reason: why, for people.
    """

    device: str
    jit_compile: bool
    on_metal: bool
    replicas: int
    reason: str


def prepare(device="auto"):
    """Readies TensorFlow for a run.

    Args:
        device: "auto", "cpu" or "gpu".

    Returns:
        A `Choice`.

    Raises:
        UserError: this TensorFlow cannot be imported, or there is no GPU where one is asked for.
    """
    found = this_platform()
    check_installation(found)
    for name, value in environment(found).items():
        os.environ.setdefault(name, value)
    with quiet_native_output(errors=_has_nvidia_driver()):
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
    choice = choose(found, len(gpus), device)
    if choice.device == "cpu":
        tf.config.set_visible_devices([], "GPU")
    elif not choice.on_metal:
        # Parity and the vocabulary loss count on all bits of float32 products.
        tf.config.experimental.enable_tensor_float_32_execution(False)
        for gpu in gpus:
            # Otherwise the first process takes all of a CUDA card's memory.
            tf.config.experimental.set_memory_growth(gpu, True)
    return choice


def check_installation(found):
    """Refuses pairs of packages that cannot work, before TensorFlow fails with a page of text.

    Args:
        found: a `Platform`.

    Raises:
        UserError: with the cure.
    """
    if found.translated:
        raise UserError(
            "this Python runs under Rosetta, where TensorFlow cannot start: install an arm64 "
            "Python (its platform.machine() is arm64) and make the environment anew with it"
        )
    if found.system != "Darwin" or "tensorflow-metal" not in found.packages:
        return
    tensorflow = found.packages.get("tensorflow", "")
    metal = found.packages["tensorflow-metal"]
    if metal != METAL or _minor(tensorflow) not in METAL_TENSORFLOWS:
        raise UserError(
            f"tensorflow-metal {metal} does not load with TensorFlow {tensorflow or '(none)'}, "
            f"which then cannot be imported: pip install 'tensorflow-metal=={METAL}' "
            "'tensorflow==2.18.1' 'tensorboard<2.19' 'setuptools<82', or use the CPU: "
            "pip uninstall tensorflow-metal"
        )


def environment(found):
    """Environment variables that must be set before TensorFlow starts.

    Args:
        found: a `Platform`.

    Returns:
        A dict of strings.
    """
    if not _has_metal(found):
        return {}
    # The plugin's own pass fuses MatMul, BiasAdd and Relu into something wrong.
    return {"TURN_OFF_REMAPPER": "1"}


def choose(found, gpus, device="auto"):
    """Picks the device: CUDA, then Metal, then the CPU.

    Args:
        found: a `Platform`.
        gpus: how many GPUs TensorFlow sees.
        device: "auto", "cpu" or "gpu".

    Returns:
        A `Choice`.

    Raises:
        UserError: there is no GPU where one is asked for.
    """
    # Metal has no XLA compiler, and macOS on the CPU gains nothing that has been measured. Keras's
    # "auto" would compile there when the processor's name cannot be read.
    jit_compile = found.system != "Darwin"
    if device == "gpu" and not gpus:
        cure = "install tensorflow-metal" if found.system == "Darwin" else "install the CUDA extra"
        raise UserError(f"--device=gpu: TensorFlow sees no GPU: {cure} (bash scripts/mini.sh does)")
    if device == "cpu" or not gpus:
        reason = "asked for" if device == "cpu" else "TensorFlow sees no GPU"
        return Choice("cpu", jit_compile, False, 1, reason)
    on_metal = _has_metal(found)
    name = "Metal" if on_metal else "CUDA"
    reason = f"{name}, {gpus} GPU{'s' if gpus > 1 else ''}"
    return Choice("gpu", jit_compile, on_metal, 1 if on_metal else gpus, reason)


def strategy(choice):
    """The `tf.distribute` strategy in whose scope models and optimizers are made.

    Args:
        choice: a `Choice`.

    Returns:
        A `tf.distribute.Strategy`; TensorFlow's default, which changes nothing, for one device.
    """
    import tensorflow as tf

    if choice.replicas > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def this_platform():
    """The `Platform` of this process."""
    return Platform(platform.system(), platform.machine(), _is_translated(), _installed(PACKAGES))


def _has_metal(found):
    return found.system == "Darwin" and "tensorflow-metal" in found.packages


def _is_translated():
    if platform.system() != "Darwin" or platform.machine() == "arm64":
        return False
    command = ["sysctl", "-n", "sysctl.proc_translated"]
    with contextlib.suppress(OSError):
        return subprocess.run(command, capture_output=True, text=True).stdout.strip() == "1"
    return False


def _installed(names):
    found = {}
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def _minor(version):
    """(2, 18) of "2.18.1"; () of ""."""
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _has_nvidia_driver():
    """Without one TensorFlow's complaint that CUDA does not start is no error."""
    return any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/dxg"))


def peak_memory_bytes():
    """The largest resident memory this process has had so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def versions():
    """Versions of what a result may depend on: a dict of strings."""
    packages = ("tfdistill", "tensorflow", "keras", "tokenizers", "ai-edge-litert")
    system = {"python": platform.python_version(), "platform": platform.platform()}
    return system | _installed(packages)
