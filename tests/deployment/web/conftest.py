"""A web server, and a browser at phone size."""

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
CLASSES, TAGS = ("bad", "good", "ödd"), ("O", "B-SHIP", "I-SHIP", "B-SEA", "I-SEA", "NOUN")
LENGTHS = 8, 16, 24


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


@pytest.fixture
def packages(tmp_path):
    """A folder with files in the place of npm's packages, of the versions that are needed."""
    from tfdistill.deployment.web_runtime import FILES, LOCK, SOURCE

    folder = tmp_path / "packages"
    for place, package in json.loads((SOURCE / LOCK).read_text())["packages"].items():
        (folder / place).mkdir(parents=True, exist_ok=True)
        (folder / place / "package.json").write_text(
            json.dumps({"version": package.get("version")})
        )
    for name, place in FILES.items():
        (folder / "node_modules" / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / "node_modules" / place).write_text(name)
    return folder


@pytest.fixture
def runtime(packages):
    """The runtime's files out of `packages`."""
    from tfdistill.deployment.web_runtime import runtime_files

    with runtime_files(str(packages)) as files:
        yield files


@pytest.fixture(scope="session")
def models(bert, add_noise, tokenizer, tmp_path_factory):
    """dict of names to folders of a model's files."""
    from tfdistill.deployment.tflite import DYNAMIC_INT8, export_tflite_files
    from tfdistill.models.encoder import Encoder
    from tfdistill.models.heads.classification import ClassificationHead
    from tfdistill.models.heads.tokens import TokenHead
    from tfdistill.models.model import Model

    config, made = bert.config, {"masked": bert}
    heads = {
        "classes": ClassificationHead(config, CLASSES),
        "number": ClassificationHead(config, ()),
        "tags": TokenHead(config, TAGS),
    }
    for name, head in heads.items():
        model = made[name] = Model(Encoder(config), head, seed=None)
        add_noise(model, 0.3, np.random.default_rng(1))
    files, folders = {"student.tflite": None, "student_int8.tflite": DYNAMIC_INT8}, {}
    for name, model in made.items():
        folder = folders[name] = tmp_path_factory.mktemp(name)
        export_tflite_files(model, {folder / n: kind for n, kind in files.items()}, LENGTHS)
        tokenizer.save(folder, "bert", LENGTHS[-1])
    return folders


@pytest.fixture(scope="session")
def npm_runtime():
    """The runtime's files, as npm installs them."""
    from tfdistill.deployment.web_runtime import runtime_files

    with runtime_files() as files:
        yield files
