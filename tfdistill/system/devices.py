"""What follows for a run from what the machine is: device, precision, compiler, replicas."""

import contextlib
import dataclasses
import importlib
import os
import sys

from tfdistill.system import hardware, process_memory
from tfdistill.system.errors import NoGpuError, UserError
from tfdistill.system.quiet import OF_CUDA, quiet_native_output

METAL = "1.2.0"  # earlier releases load with no TensorFlow from 2.18 on
METAL_TENSORFLOWS = ((2, 18), (2, 19))  # and these are the ones it loads with
BFLOAT16_CUDA = (8, 0)  # compute capability from which on cards have units for it
KERAS_POLICIES = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}


@dataclasses.dataclass(frozen=True)
class Choice:
    """How a run uses the machine.

    Args:
        device: "cpu" or "gpu".
        precision: "float32", "bfloat16" or "float16": of the products of models in training.
            Weights, norms and losses, and models that are measured or exported, are float32.
        jit_compile: whether steps are compiled with XLA.
        on_metal: whether graphs must keep to the operators of Apple's plugin.
        replicas: GPUs that share each batch; 1 on the CPU.
        reason: why, for people.
    """

    device: str
    precision: str
    jit_compile: bool
    on_metal: bool
    replicas: int
    reason: str


def prepare(device="auto", precision="auto", stored=None, problem=None):
    """Readies TensorFlow for a run.

    Args:
        device: "auto", "cpu" or "gpu".
        precision: "auto", "float32", "bfloat16" or "float16".
        stored: the `Choice` a run began with, to be used again on a device of the same kind.
        problem: called with a `Choice` before "auto" takes Metal, or bfloat16 on a CPU that has
            units for it; returns why it should not, in words, or "". Without, Metal is taken and
            bfloat16 is not.

    Returns:
        A `Choice`.

    Raises:
        UserError: this TensorFlow cannot be imported.
        NoGpuError: there is no GPU where one is asked for.
    """
    found = prepare_import()
    with _quiet_start():
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        capabilities = [None] * len(gpus)
        if not _has_metal(found):
            details = map(tf.config.experimental.get_device_details, gpus)
            capabilities = [detail.get("compute_capability") for detail in details]
    asked = stored.device if stored and device == "auto" else device
    choice = choose(found, capabilities, asked, precision)
    if stored and (stored.device, stored.on_metal) == (choice.device, choice.on_metal):
        choice = again(found, choice, stored)
    elif problem:
        if choice.on_metal and device == "auto" and (why := problem(choice)):
            choice = choose(found, capabilities, "cpu", precision)
            choice = dataclasses.replace(choice, reason=f"not on Metal: {why}")
        if choice.device == "cpu" and precision == "auto" and hardware.has_bfloat16_units():
            other = choose(found, capabilities, "cpu", "bfloat16")
            why = problem(other)
            taken, fact = (choice, why) if why else (other, "faster than float32")
            choice = dataclasses.replace(taken, reason=f"{choice.reason}; bfloat16: {fact}")
    if choice.device == "cpu":
        tf.config.set_visible_devices([], "GPU")
    elif not choice.on_metal:
        # Parity and the vocabulary loss count on all bits of float32 products.
        tf.config.experimental.enable_tensor_float_32_execution(False)
        for gpu in gpus:
            # Otherwise the first process takes all of a CUDA card's memory.
            tf.config.experimental.set_memory_growth(gpu, True)
    return choice


def prepare_import():
    """What must be done before TensorFlow is imported for the first time.

    Returns:
        The `hardware.Platform`.

    Raises:
        UserError: this TensorFlow cannot be imported.
    """
    found = hardware.this_platform()
    check_installation(found)
    for name, value in environment(found).items():
        os.environ.setdefault(name, value)
    return found


def import_quietly(name):
    """Imports a module of this package, perhaps the first that needs TensorFlow.

    TensorFlow tells at its import what the processor could do, and at the first operation that it
    looks for GPUs: none of that is for who asked for a model.

    Args:
        name: full name of the module.

    Returns:
        The module.

    Raises:
        UserError: this TensorFlow cannot be imported.
    """
    before = "tensorflow" in sys.modules
    prepare_import()
    with _quiet_start():
        module = importlib.import_module(name)
        if not before and "tensorflow" in sys.modules:
            sys.modules["tensorflow"].config.list_physical_devices("GPU")
    return module


def _quiet_start():
    """What TensorFlow is imported in, and looks for GPUs in."""
    return quiet_native_output(None if hardware.has_nvidia_driver() else OF_CUDA)


def check_installation(found):
    """Refuses pairs of packages that cannot work, before TensorFlow fails with a page of text.

    Args:
        found: a `hardware.Platform`.

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
        found: a `hardware.Platform`.

    Returns:
        A dict of strings.
    """
    # What is for TensorFlow's own developers; its warnings and errors are not.
    variables = {"TF_CPP_MIN_LOG_LEVEL": "1", **process_memory.environment(found)}
    if _has_metal(found):
        # The plugin's own pass fuses MatMul, BiasAdd and Relu into something wrong.
        variables["TURN_OFF_REMAPPER"] = "1"
    return variables


def choose(found, gpus, device="auto", precision="auto"):
    """Picks the device, CUDA, then Metal, then the CPU, and the precision.

    Args:
        found: a `hardware.Platform`.
        gpus: the CUDA compute capability of every GPU that TensorFlow sees, such as (8, 0); None
            for one that has none.
        device: "auto", "cpu" or "gpu".
        precision: "auto", "float32", "bfloat16" or "float16".

    Returns:
        A `Choice`.

    Raises:
        NoGpuError: there is no GPU where one is asked for.
    """
    if device == "gpu" and not gpus:
        extra = "metal" if found.system == "Darwin" else "cuda"
        constraints = "macos-arm64-metal" if found.system == "Darwin" else "linux-cuda"
        raise NoGpuError(
            f"`device`=gpu: TensorFlow sees no GPU: pip install -c constraints/{constraints}.txt "
            f"-e '.[{extra}]' makes it see one (bash scripts/mini.sh does)"
        )
    if device == "cpu" or not gpus:
        reason = "asked for" if device == "cpu" else "TensorFlow sees no GPU"
        device, on_metal, replicas = "cpu", False, 1
    else:
        device, on_metal = "gpu", _has_metal(found)
        replicas = 1 if on_metal else len(gpus)
        reason = "Metal" if on_metal else f"CUDA, {replicas} GPU{'s' if replicas > 1 else ''}"
    if precision == "auto":
        # float32 is right everywhere, but cards with bfloat16 units multiply it at a tenth of
        # their pace.
        fast = device == "gpu" and not on_metal and all(c and c >= BFLOAT16_CUDA for c in gpus)
        precision = "bfloat16" if fast else "float32"
    jit_compile = _jit_compile(found, device, precision)
    return Choice(device, precision, jit_compile, on_metal, replicas, reason)


def _jit_compile(found, device, precision):
    """Whether XLA helps.

    Metal has no XLA compiler, and macOS on the CPU gains nothing that has been measured; Keras's
    "auto" would compile there when the processor's name cannot be read. On CPUs XLA computes
    bfloat16 products as float32.
    """
    return found.system != "Darwin" and (device, precision) != ("cpu", "bfloat16")


def again(found, choice, stored):
    """What a run that goes on uses.

    Args:
        found: a `hardware.Platform`.
        choice: what would be chosen now, on a device of the same kind.
        stored: the `Choice` the run began with.

    Returns:
        The stored `Choice`; on fewer GPUs where there are fewer now, and without XLA where this
        machine has none.
    """
    jit_compile = stored.jit_compile and found.system != "Darwin"
    replicas = min(choice.replicas, stored.replicas)
    reason = "as the run began"
    if replicas < stored.replicas:
        reason += f", on {replicas} of its {stored.replicas} GPUs"
    return dataclasses.replace(stored, jit_compile=jit_compile, replicas=replicas, reason=reason)


@contextlib.contextmanager
def numerics(choice):
    """Makes Keras compute in a choice's precision: models made inside keep it.

    Args:
        choice: a `Choice`.
    """
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(KERAS_POLICIES[choice.precision])
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def strategy(choice):
    """The `tf.distribute` strategy in whose scope models and optimizers are made.

    Args:
        choice: a `Choice`.

    Returns:
        A `tf.distribute.Strategy`; TensorFlow's default, which changes nothing, for one device.
    """
    import tensorflow as tf

    if choice.replicas > 1:
        names = [f"{choice.device.upper()}:{index}" for index in range(choice.replicas)]
        return tf.distribute.MirroredStrategy(names)
    return tf.distribute.get_strategy()


def _has_metal(found):
    return found.system == "Darwin" and "tensorflow-metal" in found.packages


def _minor(version):
    """(2, 18) of "2.18.1"; () of ""."""
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
