"""LiteRT for browsers: packages of npm in the versions that `web/package-lock.json` names."""

import contextlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from tfdistill.system.errors import UserError

SOURCE = Path(__file__).parent / "web"  # of the page
MANIFEST, LOCK, MODULES = "package.json", "package-lock.json", "node_modules"
# Names in a page, and where npm puts the files. A browser without relaxed SIMD takes "compat".
FILES = {
    "core.js": "@litertjs/core/dist/index.js",
    "wasm-utils.js": "@litertjs/wasm-utils/dist/bundle.js",
    **{
        f"wasm/{name}": f"@litertjs/core/wasm/{name}"
        for kind in ("", "compat_")
        for name in (f"litert_wasm_{kind}internal.js", f"litert_wasm_{kind}internal.wasm")
    },
}
# No scripts of packages run, and nothing but the packages is asked for.
INSTALL = "npm ci --ignore-scripts --prefer-offline --no-audit --no-fund".split()


@contextlib.contextmanager
def runtime_files(folder=""):
    """Finds the runtime's files, or fetches them with npm.

    Args:
        folder: a folder in which npm installed the packages; "" for the page's source, if that was
            done there, else a temporary folder in which it is done.

    Yields:
        dict of names in a page to `Path`s.

    Raises:
        UserError: there is no npm, it failed, or the packages are incomplete or of other versions.
    """
    with contextlib.ExitStack() as stack:
        if folder:
            modules = Path(folder)
            modules = modules if modules.name == MODULES else modules / MODULES
        elif (SOURCE / MODULES).is_dir():
            modules = SOURCE / MODULES
        else:
            modules = _installed(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        yield _checked(modules)


def _installed(folder):
    """Installs the packages in a folder: their `Path`."""
    if not shutil.which(INSTALL[0]):
        raise UserError(
            "`web` needs the npm of Node.js once, for LiteRT's files: install it, or run `npm ci` "
            f"with the {MANIFEST} and {LOCK} of {SOURCE} elsewhere and set `web_runtime` to that "
            "folder"
        )
    for name in (MANIFEST, LOCK):
        shutil.copy(SOURCE / name, folder)
    done = subprocess.run(INSTALL, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("npm error")]
        reason = " ".join(line.removeprefix("npm error").strip() for line in lines[:2])
        raise UserError(f"`web`: npm could not install LiteRT ({reason}): see `npm ci` in {SOURCE}")
    return folder / MODULES


def _checked(modules):
    """The files in a folder of packages: dict of names in a page to `Path`s."""
    wanted = json.loads((SOURCE / LOCK).read_text("utf-8"))["packages"]
    for place, package in wanted.items():
        if not place:
            continue
        name = place.removeprefix(f"{MODULES}/")
        try:
            found = json.loads((modules / name / MANIFEST).read_text("utf-8"))["version"]
        except (OSError, ValueError, KeyError):
            found = "none"
        if found != package["version"]:
            raise UserError(
                f"`web_runtime`: {name} {package['version']} is needed, {modules} has {found}: run "
                f"`npm ci` with the {MANIFEST} and {LOCK} of {SOURCE}"
            )
    files = {name: modules / place for name, place in FILES.items()}
    if missing := [str(path) for path in files.values() if not path.is_file()]:
        raise UserError(f"`web_runtime`: {missing[0]} is missing: run `npm ci` there again")
    return files
