"""Writes constraints/NAME.hashes.txt: the pins of NAME.txt, with the SHA-256 of their wheels.

    python scripts/hash_requirements.py              # every set; a quarter of an hour
    python scripts/hash_requirements.py linux-cpu    # one of them

A file is used as

    pip install --require-hashes --only-binary=:all: -r constraints/NAME.hashes.txt
    pip install --no-deps --no-build-isolation .

and has one hash for each wheel that some version of Python of the set takes. It names no index.
The choice of wheels is pip's, on any machine, as for resolve_macos.sh. It needs only pip.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from resolve_macos import PIP_WITH_MARKERS_OF, mac_environment, read_pins

ROOT = Path(__file__).resolve().parents[1]
MAC = ["macosx_12_0_arm64"]
# What manylinux wheels fit glibc 2.28, of 2018, and later.
LINUX = [f"manylinux_2_{minor}_x86_64" for minor in range(28, 4, -1)]
LINUX += ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64", "linux_x86_64"]
ALL, NOT_NEWEST = ("3.11", "3.12", "3.13"), ("3.11", "3.12")  # TensorFlow 2.18 has none for 3.13
SETS = {
    "linux-cpu": (LINUX, ALL),
    "linux-cpu-tf2.18": (LINUX, NOT_NEWEST),
    "macos-arm64-cpu": (MAC, ALL),
    "macos-arm64-metal": (MAC, NOT_NEWEST),
}


def environment_of(platforms, python):
    """The values of environment markers."""
    found = mac_environment(python)
    if platforms is LINUX:
        found |= {
            "platform_machine": "x86_64",
            "platform_release": "4.18.0",
            "platform_version": "#1",
        }
        found |= {"platform_system": "Linux", "sys_platform": "linux"}
    return found


def wheels(pins, platforms, python):
    """The SHA-256 of the wheel that pip takes for each pin: dict of names to str."""
    environment = environment_of(platforms, python)
    wanted = [
        pin for pin in pins.values() if pin.marker is None or pin.marker.evaluate(environment)
    ]
    with tempfile.TemporaryDirectory() as folder:
        lines, report = Path(folder, "pins.txt"), Path(folder, "report.json")
        lines.write_text(
            "".join(f"{pin.name}{pin.specifier}\n" for pin in wanted), encoding="utf-8"
        )
        command = [sys.executable, "-c", PIP_WITH_MARKERS_OF, json.dumps(environment), "install"]
        command += [
            "--dry-run",
            "--ignore-installed",
            "--only-binary=:all:",
            "--no-deps",
            "--quiet",
        ]
        command += [f"--platform={platform}" for platform in platforms]
        command += ["--python-version", python, "--implementation", "cp", "--target", folder]
        command += ["--report", report, "--disable-pip-version-check", "-r", lines]
        subprocess.run(command, check=True)
        found = json.loads(report.read_text(encoding="utf-8"))["install"]
    sums = {}
    for item in found:
        if urlsplit(item["download_info"]["url"]).scheme == "file":
            raise SystemExit(f"{item['metadata']['name']}: from a local file, not from the index")
        sums[item["metadata"]["name"]] = item["download_info"]["archive_info"]["hashes"]["sha256"]
    return sums


def write(name):
    """Writes the file of a set; returns the number of its pins and hashes."""
    platforms, pythons = SETS[name]
    pins, hashes = read_pins(name), {}
    for python in pythons:
        for package, digest in wheels(pins, platforms, python).items():
            hashes.setdefault(package.lower().replace("_", "-").replace(".", "-"), set()).add(
                digest
            )
    if hashes.keys() != pins.keys():
        raise SystemExit(f"{name}: no wheel of {sorted(pins.keys() ^ hashes.keys())}")
    text = f"# The pins of {name}.txt for Python {', '.join(pythons)}, "
    text += "with the SHA-256 of their wheels.\n# scripts/hash_requirements.py wrote it.\n"
    for package, pin in sorted(pins.items()):
        each = "".join(f" \\\n    --hash=sha256:{digest}" for digest in sorted(hashes[package]))
        text += f"{pin}{each}\n"
    (ROOT / "constraints" / f"{name}.hashes.txt").write_text(text, encoding="utf-8")
    return len(pins), sum(map(len, hashes.values()))


def main(names):
    for name in names or SETS:
        if name not in SETS:
            raise SystemExit(f"{name}: no such set; the sets are {', '.join(SETS)}")
        pins, hashes = write(name)
        print(f"constraints/{name}.hashes.txt: {pins} pins, {hashes} hashes", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
