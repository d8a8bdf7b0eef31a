"""The pinned versions: hashed requirements agree with the constraints, and name no index."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SETS = ("linux-cpu", "linux-cpu-tf2.18", "macos-arm64-cpu", "macos-arm64-metal")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def pins(name):
    lines = (ROOT / "constraints" / f"{name}.txt").read_text().splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def hashed(name):
    """dict of pins to their hashes."""
    text = (ROOT / "constraints" / f"{name}.hashes.txt").read_text()
    found = {}
    for line in text.replace(" \\\n", " ").splitlines():
        if line and not line.startswith("#"):
            pin, *hashes = re.split(r" +(?=--hash)", line)
            assert hashes and all(HASH.fullmatch(each) for each in hashes), line
            assert pin not in found and len(set(hashes)) == len(hashes)
            found[pin.strip()] = hashes
    return found


def normal(pin):
    """A pin with marker and spaces written in one way."""
    return re.sub(r"\s+", "", pin.replace("'", '"')).lower().replace("_", "-")


@pytest.mark.parametrize("name", SETS)
def test_hashed_requirements_are_the_pins(name):
    found = hashed(name)
    assert {normal(pin) for pin in found} == {normal(pin) for pin in pins(name)}
    # At most a wheel for each of three versions of Python.
    assert all(1 <= len(hashes) <= 3 for hashes in found.values())


@pytest.mark.parametrize("name", SETS)
def test_they_name_no_index(name):
    text = (ROOT / "constraints" / f"{name}.hashes.txt").read_text()
    assert "://" not in text and "index" not in text and "find-links" not in text


def test_the_same_wheel_has_the_same_hash_everywhere():
    """Wheels of pure Python serve every platform: sets that pin one version share its hash."""
    pure = ("absl-py", "certifi", "idna", "packaging", "click")
    for name in pure:
        found = {
            (pin, *hashes)
            for each in SETS
            for pin, hashes in hashed(each).items()
            if pin.startswith(f"{name}==")
        }
        assert len({pin for pin, *_ in found}) == len(found) >= 1


@pytest.fixture(scope="module")
def check_pins():
    pytest.importorskip("pip")
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        spec = importlib.util.spec_from_file_location(
            "check_pins", ROOT / "scripts" / "check_pins.py"
        )
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(ROOT / "scripts"))
    return module


def test_a_vulnerable_pin_is_found(check_pins):
    from pip._vendor.packaging.requirements import Requirement

    advisory = {"specs": [">=2.0,<2.1.4", "<1.2"], "advisory": "It runs code. More.", "id": "x-1"}
    old = {"specs": ["<not a version"], "advisory": "Old.", "id": "x-2"}
    advisories = {
        "numpy": [{**advisory, "cve": "CVE-1"}, old],
        "keras": [{**advisory, "cve": None}],
    }
    wanted = {"numpy": "2.1.3", "keras": "1.1", "scipy": "1.0"}
    found = check_pins.found_in(
        advisories, {name: Requirement(f"{name}=={v}") for name, v in wanted.items()}
    )
    assert found == ["keras 1.1: x-1: It runs code", "numpy 2.1.3: CVE-1: It runs code"]
    wanted = {"numpy": "2.1.4", "keras": "1.2"}
    pins = {name: Requirement(f"{name}=={v}") for name, v in wanted.items()}
    assert check_pins.found_in(advisories, pins) == []


def test_another_database_is_refused(check_pins, tmp_path):
    (tmp_path / "other.whl").write_bytes(b"x")
    with pytest.raises(SystemExit, match="is not the wheel"):
        check_pins.read(tmp_path / "other.whl")
