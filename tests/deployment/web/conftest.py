"""A web server, and a browser at phone size."""

import importlib.util
import shutil
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def _chromium():
    spec = importlib.util.spec_from_file_location("chromium", HERE / "chromium.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def serve():
    """A function that serves a folder as `python -m http.server` does: a context, its address."""
    return _chromium().served


@pytest.fixture(scope="module")
def browser():
    """A `Browser`."""
    if not shutil.which("node") or not (HERE / "node_modules").is_dir():
        pytest.skip("needs Node.js and puppeteer-core: scripts/test.sh --web")
    with _chromium().chromium() as found:
        yield found
