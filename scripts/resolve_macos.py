"""Checks on any machine that the macOS sets of constraints/ resolve; installs nothing.

resolve_macos.sh runs it. It needs only pip: its resolver, and the `packaging` that pip contains.
"""

import configparser
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.tags import compatible_tags, cpython_tags, mac_platforms
from pip._vendor.packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).resolve().parents[1]
PLATFORM = "macosx_12_0_arm64"
# Constraints, extras, versions of Python, and what the choice must hold whatever the file says.
SETS = (
    (
        "macos-arm64-metal",
        ("metal", "test"),
        ("3.11", "3.12"),
        ("tensorflow==2.18.*", "tensorflow-metal==1.2.0"),
    ),
    ("macos-arm64-cpu", ("test",), ("3.11", "3.12", "3.13"), ()),
)
# What the tests run on in place of the Metal set: the same pins but for one package.
STAND_IN = ("linux-cpu-tf2.18", "macos-arm64-metal", "tensorflow-metal")

# --platform and --python-version choose among the files, but pip reads environment markers
# ("tzdata; sys_platform == 'win32'") as on the machine and the Python it runs on: here as on a Mac.
PIP_WITH_MARKERS_OF = """
import json, runpy, sys
from pip._vendor.packaging import markers
environment = json.loads(sys.argv.pop(1))
markers.default_environment = environment.copy
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""


def mac_environment(python):
    """The values of environment markers: the first release of `python` on the first macOS 12."""
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{python}.0",
        "os_name": "posix",
        "platform_machine": "arm64",
        "platform_python_implementation": "CPython",
        "platform_release": "21.0.1",
        "platform_system": "Darwin",
        "platform_version": "Darwin Kernel Version 21.0.1",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "darwin",
    }


def read_requirements(extras):
    """What setup.cfg asks for: pip cannot resolve a project's folder for another platform."""
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    lists = [setup["options"]["install_requires"]]
    lists += [setup["options.extras_require"][extra] for extra in extras]
    return "\n".join(lists).split("\n")


def constraints_file(name):
    return ROOT / "constraints" / f"{name}.txt"


def read_pins(name):
    lines = constraints_file(name).read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(pin.name): pin for pin in pins}


def resolve(name, extras, python, environment):
    """pip's report, or its words when it finds no solution."""
    with tempfile.TemporaryDirectory() as folder:
        wanted, report = Path(folder, "requirements.txt"), Path(folder, "report.json")
        wanted.write_text("\n".join(read_requirements(extras)), encoding="utf-8")
        command = [sys.executable, "-c", PIP_WITH_MARKERS_OF, json.dumps(environment), "install"]
        command += ["--dry-run", "--ignore-installed", "--only-binary=:all:"]
        command += ["--platform", PLATFORM, "--python-version", python, "--implementation", "cp"]
        command += ["--target", folder, "--report", report, "--disable-pip-version-check"]
        command += ["-c", constraints_file(name), "-r", wanted]
        run = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if run.returncode:
            conflict = "".join(run.stdout.partition("The conflict is caused by:")[1:])
            errors = [line for line in run.stderr.splitlines() if not line.startswith("WARNING")]
            return None, [f"pip ended with {run.returncode}", *errors, *conflict.splitlines()]
        return json.loads(report.read_text(encoding="utf-8")), []


def supported_tags(python):
    version = tuple(int(part) for part in python.split("."))
    interpreter = f"cp{version[0]}{version[1]}"
    platforms = list(mac_platforms((12, 0), "arm64"))
    return {
        *cpython_tags(version, [interpreter], platforms),
        *compatible_tags(version, interpreter, platforms),
    }


def check_set(name, extras, python, musts):
    """How many packages pip chose, and every way in which the choice is not what it should be."""
    environment = mac_environment(python)
    report, found = resolve(name, extras, python, environment)
    if report is None:
        return 0, found
    if report["environment"] != environment:
        found.append("pip did not take its environment markers from the Mac's")

    tags = supported_tags(python)
    chosen = {}
    for item in report["install"]:
        package = canonicalize_name(item["metadata"]["name"])
        chosen[package] = item["metadata"]["version"]
        file = unquote(urlsplit(item["download_info"]["url"]).path).rsplit("/", 1)[-1]
        if not file.endswith(".whl"):
            found.append(f"{file} is not a wheel")
        elif tags.isdisjoint(parse_wheel_filename(file)[3]):
            found.append(f"{file} does not fit Python {python} on {PLATFORM}")

    pinned = {
        package: str(pin.specifier).removeprefix("==")
        for package, pin in read_pins(name).items()
        if pin.marker is None or pin.marker.evaluate(environment)
    }
    found += compare(name, pinned, "pip", chosen)
    for must in map(Requirement, musts):
        if not must.specifier.contains(chosen.get(must.name, "0")):
            found.append(f"{must} is not met")
    return len(chosen), found


def compare(left, of_left, right, of_right):
    return [
        f"{package}: {left} has {of_left.get(package)}, {right} has {of_right.get(package)}"
        for package in sorted({*of_left, *of_right})
        if of_left.get(package) != of_right.get(package)
    ]


def check_stand_in(name, original, without):
    """As check_set, for a file that must hold the lines of another but for one package's."""
    expected = {package: str(pin) for package, pin in read_pins(original).items()}
    expected.pop(without, None)
    found = compare(name, {k: str(v) for k, v in read_pins(name).items()}, original, expected)
    return len(expected), found


def tell(title, found, good):
    print(f"{title}: {good if not found else 'WRONG'}", *found, sep="\n  ", flush=True)
    return bool(found)


def main():
    count, found = check_stand_in(*STAND_IN)
    wrong = tell(STAND_IN[0], found, f"{count} packages, pinned as in {STAND_IN[1]}")
    for name, extras, pythons, musts in SETS:
        for python in pythons:
            count, found = check_set(name, extras, python, musts)
            wrong |= tell(
                f"{name}, Python {python}", found, f"{count} wheels, all binary, as pinned"
            )
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
