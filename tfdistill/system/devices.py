"""Choice of device, precision, compiler and replicas for this machine."""

import contextlib
import dataclasses
import functools
import importlib
import os
import sys

from tfdistill.system import hardware, process_memory
from tfdistill.system.errors import NoGpuError, UserError
from tfdistill.system.quiet import OF_CUDA, quiet_native_output

METAL = "1.2.0"  # earlier releases do not load with TensorFlow 2.18 or later
METAL_TENSORFLOWS = ((2, 18), (2, 19))  # TensorFlow versions that this release loads with
BFLOAT16_CUDA = (8, 0)  # lowest compute capability of cards with units for bfloat16
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
        precision: precision of matrix products in training: "float32", "bfloat16" or "float16".
            Weights, norms and losses, and models that are measured or exported, are float32.
        jit_compile: whether steps are compiled with XLA.
        on_metal: whether graphs must keep to the operators of Apple's plugin.
        replicas: number of GPUs that share each batch; 1 on the CPU.
        reason: why it was chosen, as text for users.
    """

    device: str
    precision: str
    jit_compile: bool
    on_metal: bool
    replicas: int
    reason: str


def prepare(device="auto", precision="auto", stored=None, problem=None, found=None):
    """Prepares TensorFlow for a run.

    Args:
        device: "auto", "cpu" or "gpu".
        precision: "auto", "float32", "bfloat16" or "float16".
        stored: the `Choice` that a run began with; used again on a device of the same kind.
        problem: called with a `Choice` before "auto" takes Metal, or bfloat16 on a CPU with units
            for it; returns the reason against it, or "". Without this function Metal is taken and
            bfloat16 is not.
        found: the `hardware.Platform`; None: that of this process.

    Returns:
        A `Choice`.

    Raises:
        UserError: this TensorFlow cannot be imported.
        NoGpuError: a GPU was requested, but there is none.
    """
    found = prepare_import(found)
    with _quiet_start(found):
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        capabilities = [None] * len(gpus)
        if not _has_metal(found):
            details = map(tf.config.experimental.get_device_details, gpus)
            capabilities = [detail.get("compute_capability") for detail in details]
    requested = stored.device if stored and device == "auto" else device
    choice = choose(found, capabilities, requested, precision)
    if stored and (stored.device, stored.on_metal) == (choice.device, choice.on_metal):
        choice = again(found, choice, stored)
    elif problem:
        if choice.on_metal and device == "auto" and (why := problem(choice)):
            choice = choose(found, capabilities, "cpu", precision)
            choice = dataclasses.replace(choice, reason=f"not on Metal: {why}")
        if choice.device == "cpu" and precision == "auto" and found.bfloat16_units:
            other = choose(found, capabilities, "cpu", "bfloat16")
            why = problem(other)
            taken, fact = (choice, why) if why else (other, "faster than float32")
            choice = dataclasses.replace(taken, reason=f"{choice.reason}; bfloat16: {fact}")
    if choice.device == "cpu":
        tf.config.set_visible_devices([], "GPU")
    elif not choice.on_metal:
        # Parity and the vocabulary loss need full float32 products.
        tf.config.experimental.enable_tensor_float_32_execution(False)
        for gpu in gpus:
            # Else the first process takes the whole memory of a CUDA card.
            tf.config.experimental.set_memory_growth(gpu, True)
    return choice


def prepare_import(found=None):
    """Checks the installation and sets the environment before TensorFlow is first imported.

    Args:
        found: the `hardware.Platform`; None: that of this process.

    Returns:
        The `hardware.Platform`.

    Raises:
        UserError: this TensorFlow cannot be imported.
    """
    found = found or hardware.this_platform()
    check_installation(found)
    for name, value in environment(found).items():
        os.environ.setdefault(name, value)
    return found


def import_quietly(name):
    """Imports a module of this package without the start-up messages of TensorFlow.

    Args:
        name: full name of the module.

    Returns:
        The module.

    Raises:
        UserError: this TensorFlow cannot be imported.
    """
    before = "tensorflow" in sys.modules
    found = prepare_import()
    with _quiet_start(found):
        module = importlib.import_module(name)
        if not before and "tensorflow" in sys.modules:
            sys.modules["tensorflow"].config.list_physical_devices("GPU")
    return module


def _quiet_start(found):
    """Captures messages while TensorFlow is imported and searches for GPUs."""
    return quiet_native_output(None if found.nvidia_driver else OF_CUDA)


def check_installation(found):
    """Refuses installations in which TensorFlow cannot be imported.

    Args:
        found: a `hardware.Platform`.

    Raises:
        UserError: what to install instead.
    """
    if found.translated:
        raise UserError(
            "this Python runs under Rosetta, where TensorFlow cannot start: install an arm64 "
            "Python (platform.machine() is arm64) and create the environment again with it"
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
    # Hides TensorFlow's information and its warnings, which are about its own passes; errors stay.
    variables = {"TF_CPP_MIN_LOG_LEVEL": "2", **process_memory.environment(found)}
    if _has_metal(found):
        # The plugin's remapper fuses MatMul, BiasAdd and Relu into a wrong operator.
        variables["TURN_OFF_REMAPPER"] = "1"
    return variables


def choose(found, gpus, device="auto", precision="auto"):
    """Chooses the device (CUDA, then Metal, then the CPU) and the precision.

    Args:
        found: a `hardware.Platform`.
        gpus: the CUDA compute capability of each GPU that TensorFlow finds, such as (8, 0); None
            for other GPUs.
        device: "auto", "cpu" or "gpu".
        precision: "auto", "float32", "bfloat16" or "float16".

    Returns:
        A `Choice`.

    Raises:
        NoGpuError: a GPU was requested, but there is none.
    """
    if device == "gpu" and not gpus:
        extra = "metal" if found.system == "Darwin" else "cuda"
        constraints = "macos-arm64-metal" if found.system == "Darwin" else "linux-cuda"
        raise NoGpuError(
            f"`device`=gpu: TensorFlow sees no GPU: pip install -c constraints/{constraints}.txt "
            f"-e '.[{extra}]' makes it see one (bash scripts/mini.sh does)"
        )
    if device == "cpu" or not gpus:
        reason = "requested" if device == "cpu" else "TensorFlow sees no GPU"
        device, on_metal, replicas = "cpu", False, 1
    else:
        device, on_metal = "gpu", _has_metal(found)
        replicas = 1 if on_metal else len(gpus)
        reason = "Metal" if on_metal else f"CUDA, {replicas} GPU{'s' if replicas > 1 else ''}"
    if precision == "auto":
        # float32 works everywhere, but cards with bfloat16 units are ten times as fast with those.
        fast = device == "gpu" and not on_metal and all(c and c >= BFLOAT16_CUDA for c in gpus)
        precision = "bfloat16" if fast else "float32"
    jit_compile = _jit_compile(found, device, precision)
    return Choice(device, precision, jit_compile, on_metal, replicas, reason)


def _jit_compile(found, device, precision):
    """Returns whether steps should be compiled with XLA.

    Metal has no XLA compiler, and on macOS's CPUs no gain was measured; Keras's "auto" would
    compile there if it cannot read the processor's name. On CPUs XLA computes bfloat16 products as
    float32.
    """
    return found.system != "Darwin" and (device, precision) != ("cpu", "bfloat16")


def again(found, choice, stored):
    """Returns the choice for a run that is continued.

    Args:
        found: a `hardware.Platform`.
        choice: the `Choice` for a new run, on a device of the same kind.
        stored: the `Choice` that the run began with.

    Returns:
        The stored `Choice`, with fewer GPUs if there are fewer now, and without XLA if this machine
        has none.
    """
    jit_compile = stored.jit_compile and found.system != "Darwin"
    replicas = min(choice.replicas, stored.replicas)
    reason = "as the run began"
    if replicas < stored.replicas:
        reason += f", on {replicas} of its {stored.replicas} GPUs"
    return dataclasses.replace(stored, jit_compile=jit_compile, replicas=replicas, reason=reason)


@contextlib.contextmanager
def numerics(choice):
    """Sets the precision of models that are made inside, and keeps the order of sums.

    To save memory, TensorFlow's graph optimizer (Grappler) turns sums of three or more large
    gradients into additions in the order of their arrival, which differs from run to run. XLA does
    not. Inside, the optimizer is off on CPUs without XLA; on GPUs it is left on.

    Args:
        choice: a `Choice`.
    """
    import keras
    import tensorflow as tf

    before, name = keras.config.dtype_policy(), "disable_meta_optimizer"
    left_out = tf.config.optimizer.get_experimental_options().get(name, False)
    keras.config.set_dtype_policy(KERAS_POLICIES[choice.precision])
    if choice.device == "cpu" and not choice.jit_compile:
        tf.config.optimizer.set_experimental_options({name: True})
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
        tf.config.optimizer.set_experimental_options({name: left_out})


def strategy(choice):
    """Returns the strategy in whose scope models and optimizers are made.

    Args:
        choice: a `Choice`.

    Returns:
        A `tf.distribute.Strategy`, the same object for the same devices: scopes of one strategy can
        be nested. For one device TensorFlow's default strategy.
    """
    import tensorflow as tf

    if choice.replicas > 1:
        return _mirrored_strategy(choice.device, choice.replicas)
    return tf.distribute.get_strategy()


@functools.cache
def _mirrored_strategy(device, replicas):
    import tensorflow as tf

    return tf.distribute.MirroredStrategy([f"{device.upper()}:{n}" for n in range(replicas)])


def _has_metal(found):
    return found.system == "Darwin" and "tensorflow-metal" in found.packages


def _minor(version):
    """Returns the version without its last part: (2, 18) for "2.18.1"; () for ""."""
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
