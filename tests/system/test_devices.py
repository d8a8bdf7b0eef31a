"""Device, precision and environment for machines described by a `Platform`."""

import dataclasses
import itertools
import subprocess
import sys

import keras
import pytest

from tfdistill.system import devices, hardware
from tfdistill.system.devices import Choice, again, check_installation, choose, environment
from tfdistill.system.errors import NoGpuError, UserError
from tfdistill.system.hardware import Platform

METAL = {
    "tensorflow": "2.18.1",
    "tensorflow-metal": "1.2.0",
    "tensorboard": "2.18.0",
}
MAC = Platform("Darwin", "arm64", False, METAL)
MAC_CPU = Platform("Darwin", "arm64", False, {"tensorflow": "2.21.0"})
LINUX = Platform("Linux", "x86_64", False, {"tensorflow": "2.21.0"}, memory_bytes=8 * 2**30)
LINUX_BFLOAT16 = dataclasses.replace(LINUX, bfloat16_units=True)
M1, AMPERE, VOLTA = None, (8, 0), (7, 0)  # compute capabilities of GPUs


def with_packages(**changes):
    packages = {**METAL, **{name.replace("_", "-"): v for name, v in changes.items()}}
    return dataclasses.replace(MAC, packages={n: v for n, v in packages.items() if v})


@pytest.mark.parametrize(
    "found, gpus, device, expected",
    [
        (MAC, [M1], "auto", ("gpu", "float32", False, True, 1)),
        (MAC, [M1], "gpu", ("gpu", "float32", False, True, 1)),
        (MAC, [M1, M1], "auto", ("gpu", "float32", False, True, 1)),
        (MAC, [M1], "cpu", ("cpu", "float32", False, False, 1)),
        (MAC, [], "auto", ("cpu", "float32", False, False, 1)),
        (MAC_CPU, [], "auto", ("cpu", "float32", False, False, 1)),
        (LINUX, [], "auto", ("cpu", "float32", True, False, 1)),
        (LINUX, [VOLTA], "auto", ("gpu", "float32", True, False, 1)),
        (LINUX, [AMPERE], "auto", ("gpu", "bfloat16", True, False, 1)),
        (LINUX, [AMPERE, AMPERE], "auto", ("gpu", "bfloat16", True, False, 2)),
        (LINUX, [AMPERE, VOLTA], "auto", ("gpu", "float32", True, False, 2)),
        (LINUX, [AMPERE, AMPERE], "cpu", ("cpu", "float32", True, False, 1)),
    ],
)
def test_choice(found, gpus, device, expected):
    choice = choose(found, gpus, device)
    assert dataclasses.astuple(choice)[:-1] == expected
    assert choice.reason


@pytest.mark.parametrize(
    "found, gpus, precision, jit_compile",
    [
        (LINUX, [], "float32", True),
        (LINUX, [], "bfloat16", False),
        (LINUX, [], "float16", True),
        (LINUX, [AMPERE], "float32", True),
        (LINUX, [VOLTA], "bfloat16", True),
        (MAC, [M1], "bfloat16", False),
        (MAC, [M1], "float16", False),
    ],
)
def test_a_requested_precision(found, gpus, precision, jit_compile):
    choice = choose(found, gpus, "auto", precision)
    assert (choice.precision, choice.jit_compile) == (precision, jit_compile)


def test_the_reason_of_a_choice():
    assert choose(LINUX, [VOLTA] * 2).reason == "CUDA, 2 GPUs"
    assert choose(LINUX, [AMPERE]).reason == "CUDA, 1 GPU"
    assert choose(MAC, [M1]).reason == "Metal"
    assert choose(LINUX, []).reason == "TensorFlow sees no GPU"
    assert choose(LINUX, [], "cpu").reason == choose(MAC, [M1], "cpu").reason == "requested"


@pytest.mark.parametrize(
    "found, cure", [(MAC_CPU, "macos-arm64-metal.txt.*metal"), (LINUX, "linux-cuda.txt.*cuda")]
)
def test_a_requested_gpu_is_missing(found, cure):
    with pytest.raises(NoGpuError, match=f"device=gpu: .*{cure}"):
        choose(found, [], "gpu")


@pytest.mark.parametrize("found", [MAC, MAC_CPU, LINUX, with_packages(tensorflow="2.19.1")])
def test_working_pairs_of_packages(found):
    check_installation(found)


@pytest.mark.parametrize(
    "found, cure",
    [
        (with_packages(tensorflow="2.21.0"), r"2\.21\.0.*pip install .*'tensorflow==2\.18\.1'"),
        (with_packages(tensorflow="2.20.0"), r"tensorflow==2\.18\.1"),
        (with_packages(tensorflow="2.17.1"), r"tensorflow==2\.18\.1"),
        (with_packages(tensorflow=None), r"\(none\)"),
        (with_packages(tensorflow_metal="1.1.0"), r"'tensorflow-metal==1\.2\.0'"),
        (Platform("Darwin", "x86_64", True, {"tensorflow": "2.16.2"}), "Rosetta.*arm64"),
    ],
)
def test_broken_pairs_of_packages(found, cure):
    with pytest.raises(UserError, match=cure) as error:
        check_installation(found)
    assert "\n" not in str(error.value)


def test_the_library_checks_the_installation_before_it_imports(monkeypatch):
    import tfdistill

    broken = with_packages(tensorflow="2.21.0")
    monkeypatch.setattr(hardware, "this_platform", lambda: broken)
    assert tfdistill.__version__  # needs no TensorFlow
    with pytest.raises(UserError, match="tensorflow-metal"):
        _ = tfdistill.load_model


def test_the_faulty_fusion_is_switched_off_only_on_metal():
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "2"}
    assert environment(MAC) == {"TURN_OFF_REMAPPER": "1"} | quiet
    assert environment(MAC_CPU) == quiet
    assert "TURN_OFF_REMAPPER" not in environment(LINUX)


def test_memory_is_kept_only_on_linux_without_a_card():
    assert environment(LINUX)["TF_CPU_ALLOCATOR_USE_BFC"] == "1"
    assert environment(LINUX)["TF_CPU_BFC_MEM_LIMIT_IN_MB"] == "8192"  # not TensorFlow's 64 GB
    for found in (dataclasses.replace(LINUX, nvidia_driver=True), MAC, MAC_CPU):
        assert not any(name.startswith("TF_CPU") for name in environment(found))


class FakeTensorFlow:
    """TensorFlow's device functions on another machine; records the calls."""

    def __init__(self, gpus):
        self.gpus, self.done = gpus, []
        self.config = self.experimental = self

    def list_physical_devices(self, kind):
        assert kind == "GPU"
        return list(range(len(self.gpus)))

    def get_device_details(self, gpu):
        return {"device_name": "a card", "compute_capability": self.gpus[gpu]}

    def set_visible_devices(self, visible, kind):
        self.done.append((kind, "visible", visible))

    def set_memory_growth(self, gpu, grows):
        self.done.append((gpu, "grows", grows))

    def enable_tensor_float_32_execution(self, enabled):
        self.done.append(("TF32", enabled))


@pytest.fixture
def prepare_on(monkeypatch):
    """A function of a platform, its GPUs and arguments of `prepare` to (choice, calls)."""

    def prepare(found, gpus, *args, **options):
        tensorflow = FakeTensorFlow(gpus)
        monkeypatch.setitem(__import__("sys").modules, "tensorflow", tensorflow)
        monkeypatch.setenv("TURN_OFF_REMAPPER", "")
        monkeypatch.delenv("TURN_OFF_REMAPPER")
        return devices.prepare(*args, found=found, **options), tensorflow.done

    return prepare


def test_two_cuda_cards(prepare_on):
    choice, done = prepare_on(LINUX, [AMPERE, AMPERE])
    assert (choice.device, choice.replicas, choice.precision) == ("gpu", 2, "bfloat16")
    assert done == [("TF32", False), (0, "grows", True), (1, "grows", True)]


def test_the_cpu_hides_the_gpus(prepare_on):
    choice, done = prepare_on(LINUX, [AMPERE], "cpu")
    assert choice.device == "cpu" and done == [("GPU", "visible", [])]


def test_metal_without_a_problem(prepare_on):
    choice, done = prepare_on(MAC, [M1], problem=lambda candidate: "")
    assert choice.on_metal and not done
    assert __import__("os").environ["TURN_OFF_REMAPPER"] == "1"


def test_metal_with_a_problem(prepare_on):
    choice, done = prepare_on(MAC, [M1], problem=lambda candidate: "its loss differs")
    assert (choice.device, choice.on_metal, choice.jit_compile) == ("cpu", False, False)
    assert choice.reason == "not on Metal: its loss differs"
    assert done == [("GPU", "visible", [])]


def never(candidate):
    raise AssertionError("called without need")


def test_metal_is_not_checked_without_need(prepare_on):
    assert prepare_on(MAC, [M1], "gpu", problem=never)[0].on_metal
    assert prepare_on(MAC, [M1], "cpu", problem=never)[0].device == "cpu"
    assert prepare_on(MAC_CPU, [], problem=never)[0].device == "cpu"
    assert prepare_on(LINUX, [VOLTA], problem=never)[0].device == "gpu"


@pytest.mark.parametrize("why, precision", [("", "bfloat16"), ("float32 is faster", "float32")])
def test_bfloat16_on_a_cpu_with_units_for_it(prepare_on, why, precision):
    """XLA is used with float32 only: it computes bfloat16 products as float32."""
    asked = []

    def problem(candidate):
        asked.append(candidate)
        return why

    choice, _ = prepare_on(LINUX_BFLOAT16, [], problem=problem)
    assert (choice.precision, choice.jit_compile) == (precision, precision == "float32")
    assert choice.reason == f"TensorFlow sees no GPU; bfloat16: {why or 'faster than float32'}"
    (candidate,) = asked
    assert (candidate.device, candidate.precision, candidate.jit_compile) == (
        "cpu",
        "bfloat16",
        False,
    )


def test_bfloat16_is_not_measured_without_need(prepare_on):
    assert prepare_on(LINUX, [], problem=never)[0].precision == "float32"
    machine = LINUX_BFLOAT16
    assert prepare_on(machine, [], "cpu", "float32", problem=never)[0].precision == "float32"
    assert prepare_on(machine, [], "cpu", "bfloat16", problem=never)[0].precision == "bfloat16"
    assert prepare_on(machine, [AMPERE], problem=never)[0].device == "gpu"
    assert prepare_on(machine, [])[0].precision == "float32"  # nothing measures it
    stored = Choice("cpu", "bfloat16", False, False, 1, "bfloat16: faster than float32")
    assert prepare_on(machine, [], stored=stored, problem=never)[0].precision == "bfloat16"


def test_a_continued_run_keeps_its_choice(prepare_on):
    on_metal = Choice("gpu", "float32", False, True, 1, "Metal")
    choice, _ = prepare_on(MAC, [M1], stored=on_metal, problem=never)
    assert choice == dataclasses.replace(on_metal, reason="as the run began")
    beside_metal = Choice("cpu", "float32", False, False, 1, "not on Metal: slow")
    assert prepare_on(MAC, [M1], stored=beside_metal, problem=never)[0].device == "cpu"
    # A new run would get another choice.
    stored = Choice("gpu", "float32", False, False, 1, "CUDA, 1 GPU")
    choice, _ = prepare_on(LINUX, [AMPERE, AMPERE], stored=stored)
    assert dataclasses.astuple(choice)[:-1] == ("gpu", "float32", False, False, 1)


def test_a_requested_device_overrides_the_stored_one(prepare_on):
    stored = Choice("gpu", "bfloat16", True, False, 1, "CUDA, 1 GPU")
    choice, _ = prepare_on(LINUX, [AMPERE], "cpu", stored=stored)
    assert (choice.device, choice.precision, choice.reason) == ("cpu", "float32", "requested")


def test_fewer_gpus_than_the_run_began_with():
    stored = Choice("gpu", "float32", True, False, 4, "CUDA, 4 GPUs")
    choice = again(LINUX, choose(LINUX, [VOLTA] * 2), stored)
    assert choice.replicas == 2 and choice.reason == "as the run began, on 2 of its 4 GPUs"


def test_more_gpus_than_the_run_began_with(monkeypatch):
    import tensorflow as tf

    stored = Choice("gpu", "float32", True, False, 2, "CUDA, 2 GPUs")
    choice = again(LINUX, choose(LINUX, [VOLTA] * 4), stored)
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda devices: devices)
    assert devices.strategy(choice) == ["GPU:0", "GPU:1"]
    one = dataclasses.replace(choice, replicas=1)
    assert devices.strategy(one) is tf.distribute.get_strategy()


def test_a_run_continued_on_another_machine(prepare_on):
    cuda = Choice("gpu", "bfloat16", True, False, 2, "CUDA, 2 GPUs")
    metal = Choice("gpu", "float32", False, True, 1, "Metal")
    linux = Choice("cpu", "float32", True, False, 1, "no GPU")
    asked = []

    def problem(candidate):
        asked.append("")
        return ""

    on_mac, _ = prepare_on(MAC, [M1], stored=cuda, problem=problem)
    assert dataclasses.astuple(on_mac)[:-1] == dataclasses.astuple(metal)[:-1] and asked == [""]
    on_cuda, done = prepare_on(LINUX, [VOLTA], stored=metal)
    assert (on_cuda.on_metal, on_cuda.jit_compile) == (False, True) and ("TF32", False) in done
    on_mac, _ = prepare_on(MAC_CPU, [], stored=linux)
    assert not on_mac.jit_compile and on_mac.reason == "as the run began"


def test_a_run_continued_without_its_gpu(prepare_on):
    stored = Choice("gpu", "float32", True, False, 1, "CUDA, 1 GPU")
    with pytest.raises(NoGpuError, match="sees no GPU"):
        prepare_on(LINUX, [], stored=stored)


def test_precisions_are_keras_policies():
    outside = keras.config.dtype_policy().name
    for precision, jit_compile in itertools.product(devices.KERAS_POLICIES, (False, True)):
        with devices.numerics(Choice("cpu", precision, jit_compile, False, 1, "a test")):
            assert keras.config.dtype_policy().compute_dtype == precision
            assert keras.config.dtype_policy().variable_dtype == "float32"
    assert keras.config.dtype_policy().name == outside


def test_the_policy_is_restored_after_an_error():
    outside = keras.config.dtype_policy().name
    with (
        pytest.raises(UserError),
        devices.numerics(Choice("cpu", "bfloat16", False, False, 1, "a test")),
    ):
        raise UserError("some error")
    assert keras.config.dtype_policy().name == outside


def test_this_machine():
    found = hardware.this_platform()
    assert found.packages["tensorflow"] and not found.translated
    check_installation(found)


NESTED = """
import tensorflow as tf
from tfdistill.system.devices import Choice, strategy

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
choice = Choice("cpu", "float32", False, False, 2, "a test")
with strategy(choice).scope(), strategy(choice).scope():
    print(tf.distribute.get_strategy().num_replicas_in_sync)
"""


@pytest.mark.slow
def test_scopes_of_two_devices_can_be_nested():
    """In a process of its own: the number of logical devices is fixed when TensorFlow starts."""
    done = subprocess.run([sys.executable, "-c", NESTED], capture_output=True, text=True)
    assert done.stdout.strip() == "2", done.stderr[-2000:]
