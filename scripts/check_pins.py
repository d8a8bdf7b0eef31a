"""Searches the pinned versions of constraints/ in a database of known vulnerabilities, offline.

    python scripts/check_pins.py                             # pip fetches the database, a wheel
    python scripts/check_pins.py safety_db-2021.7.17-*.whl   # a copy of it; needs no network

The database is the one that a package brings: safety-db (CC BY-NC-SA 4.0). Its last release is of
July 2021, so a clean result says nothing of advisories since. With a network,
`pip-audit --require-hashes -r constraints/NAME.hashes.txt` asks for those.

Exit code 1 if a pinned version is in the database.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from pip._vendor.packaging.specifiers import InvalidSpecifier, SpecifierSet
from pip._vendor.packaging.utils import canonicalize_name
from resolve_macos import read_pins

DATABASE = "safety-db==2021.7.17"
SHA256 = "33d4f657060345e5a417e05d2fd59fcc42bbcdf2c246e4e7bdb2238f8566c429"
CONTENT = "safety_db/insecure_full.json"
ROOT = Path(__file__).resolve().parents[1]


def fetch(folder):
    """The wheel of the database, fetched by pip."""
    requirement = Path(folder, "database.txt")
    requirement.write_text(f"{DATABASE} --hash=sha256:{SHA256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--require-hashes", "-d", folder, "-r", requirement]
    subprocess.run(command, check=True)
    return next(Path(folder).glob("safety_db-*.whl"))


def read(wheel):
    """The advisories of a wheel: dict of names of packages to lists."""
    if hashlib.sha256(Path(wheel).read_bytes()).hexdigest() != SHA256:
        raise SystemExit(f"{wheel} is not the wheel of {DATABASE}")
    with zipfile.ZipFile(wheel) as file:
        found = json.loads(file.read(CONTENT))
    return {canonicalize_name(name): each for name, each in found.items() if name != "$meta"}


def found_in(advisories, pins):
    """Lines about the pins that an advisory is about.

    Args:
        advisories: as `read` returns them.
        pins: dict of names to `Requirement`s of one version each.
    """
    lines = []
    for name, pin in sorted(pins.items()):
        version = str(pin.specifier).removeprefix("==")
        for advisory in advisories.get(name, ()):
            if any(_covers(text, version) for text in advisory["specs"]):
                title = advisory["advisory"].split(". ")[0]
                lines.append(f"{name} {version}: {advisory.get('cve') or advisory['id']}: {title}")
    return lines


def _covers(text, version):
    try:
        return SpecifierSet(text).contains(version, prereleases=True)
    except InvalidSpecifier:  # of old advisories, about versions that PEP 440 does not know
        return False


def main(words):
    with tempfile.TemporaryDirectory() as folder:
        advisories = read(words[0] if words else fetch(folder))
    wrong = False
    for file in sorted(Path(ROOT, "constraints").glob("*.txt")):
        if file.name.endswith(".hashes.txt"):  # the same pins
            continue
        pins = read_pins(file.stem)
        lines = found_in(advisories, pins)
        known = sum(name in advisories for name in pins)
        told = "WRONG" if lines else "none is known to be vulnerable"
        print(f"{file.stem}: {len(pins)} pins, {known} of packages with advisories: {told}")
        print("".join(f"  {line}\n" for line in lines), end="")
        wrong |= bool(lines)
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
