"""What follows from what a machine reports, without such a machine."""

import dataclasses
import json

import pytest

from tfdistill import devices
from tfdistill.devices import Platform, check_installation, choose, environment
from tfdistill.errors import UserError
from tfdistill.training.run_state import stored_device

METAL = {
    "tensorflow": "2.18.1",
    "tensorflow-metal": "1.2.0",
    "tensorboard": "2.18.0",
}
MAC = Platform("Darwin", "arm64", False, METAL)
MAC_CPU = Platform("Darwin", "arm64", False, {"tensorflow": "2.21.0"})
LINUX = Platform("Linux", "x86_64", False, {"tensorflow": "2.21.0"})


def with_packages(**changes):
    packages = {**METAL, **{name.replace("_", "-"): v for name, v in changes.items()}}
    return dataclasses.replace(MAC, packages={n: v for n, v in packages.items() if v})


@pytest.mark.parametrize(
    "found, gpus, device, expected",
    [
        (MAC, 1, "auto", ("gpu", False, True, 1)),
        (MAC, 1, "gpu", ("gpu", False, True, 1)),
        (MAC, 2, "auto", ("gpu", False, True, 1)),
        (MAC, 1, "cpu", ("cpu", False, False, 1)),
        (MAC, 0, "auto", ("cpu", False, False, 1)),
        (MAC_CPU, 0, "auto", ("cpu", False, False, 1)),
        (LINUX, 0, "auto", ("cpu", True, False, 1)),
        (LINUX, 1, "auto", ("gpu", True, False, 1)),
        (LINUX, 2, "auto", ("gpu", True, False, 2)),
        (LINUX, 2, "cpu", ("cpu", True, False, 1)),
    ],
)
def test_choice(found, gpus, device, expected):
    choice = choose(found, gpus, device)
    assert (choice.device, choice.jit_compile, choice.on_metal, choice.replicas) == expected
    assert choice.reason


def test_the_reason_says_what_was_found():
    assert choose(LINUX, 2).reason == "CUDA, 2 GPUs"
    assert choose(MAC, 1).reason == "Metal, 1 GPU"
    assert choose(LINUX, 0).reason == "TensorFlow sees no GPU"


@pytest.mark.parametrize("found, cure", [(MAC_CPU, "tensorflow-metal"), (LINUX, "CUDA")])
def test_no_gpu_where_one_is_asked_for(found, cure):
    with pytest.raises(UserError, match=f"--device=gpu: .*{cure}"):
        choose(found, 0, "gpu")


@pytest.mark.parametrize("found", [MAC, MAC_CPU, LINUX, with_packages(tensorflow="2.19.1")])
def test_pairs_that_work(found):
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
def test_pairs_that_break_are_named_with_their_cure(found, cure):
    with pytest.raises(UserError, match=cure) as error:
        check_installation(found)
    assert "\n" not in str(error.value)


def test_a_broken_pair_is_found_before_tensorflow_is_imported(monkeypatch):
    broken = with_packages(tensorflow="2.21.0")
    monkeypatch.setattr(devices, "this_platform", lambda: broken)
    monkeypatch.setitem(__import__("sys").modules, "tensorflow", None)  # importing it would fail
    with pytest.raises(UserError, match="tensorflow-metal"):
        devices.prepare()


def test_the_faulty_fusion_is_switched_off_on_metal_alone():
    assert environment(MAC) == {"TURN_OFF_REMAPPER": "1"}
    assert environment(MAC_CPU) == environment(LINUX) == {}


def test_this_machine():
    found = devices.this_platform()
    assert found.packages["tensorflow"] and not found.translated
    check_installation(found)


def test_a_run_keeps_its_device(tmp_path):
    assert stored_device(tmp_path) is None
    (tmp_path / "checkpoints").mkdir()
    state = tmp_path / "checkpoints" / "state.json"
    state.write_text(json.dumps({"done": {}}))
    assert stored_device(tmp_path) is None
    state.write_text(json.dumps({"done": {"prepare": {"machine": {"device": "cpu"}}}}))
    assert stored_device(tmp_path) == "cpu"
