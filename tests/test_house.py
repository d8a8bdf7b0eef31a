"""The structure of the package: rooms, and the direction of the imports between them."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest

from tfdistill.command_line.run_config import RunConfig
from tfdistill.settings.settings import options_of

ROOT = Path(__file__).resolve().parent.parent
ROOMS_WITHOUT_DASHES = frozenset(
    "settings recipes system diagnosis distillation starts training models data deployment "
    "reports run tasks".split()
)


@pytest.fixture(scope="module")
def house():
    spec = importlib.util.spec_from_file_location("house", ROOT / "scripts" / "house.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.House


def test_imports_run_one_way(house):
    assert house(ROOT / "tfdistill").against_the_rule() == {}


def test_only_commands_stand_at_the_top(house):
    assert house(ROOT / "tfdistill").not_commands() == []


def test_commands_are_short(house):
    assert house(ROOT / "tfdistill").long_commands() == []


def test_messages_name_settings_without_dashes(house):
    """Below the command line; Python users set `length`, not --length."""
    names = "|".join(options_of(RunConfig))
    flag = re.compile(rf"--(?:no)?(?:{names})\b")
    package, found = ROOT / "tfdistill", []
    for path, (_, tree) in house(package).trees.items():
        if path.relative_to(package).parts[0] in ROOMS_WITHOUT_DASHES:
            texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant)]
            texts = [node for node in texts if isinstance(node.value, str)]
            found += [f"{path}:{node.lineno}" for node in texts if flag.search(node.value)]
    assert found == []


def test_number_of_rooms_and_arrows(house):
    found = house(ROOT / "tfdistill")
    assert len(found.rooms) <= 28
    assert len(found.imports) <= 130


def test_an_import_against_the_rule_is_found(house, tmp_path):
    """Also one inside a function, and one on a circle of rooms of the same floor."""
    package = tmp_path / "tfdistill"
    modules = {
        "data/rows.py": "def late():\n    from tfdistill.run.job import Job\n    return Job\n",
        "run/job.py": "from tfdistill.data.rows import late\n",
        "starts/cut.py": "from tfdistill.training.loop import Loop\n",
        "training/loop.py": "from tfdistill.starts import cut\n",
    }
    for name, text in modules.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    wrong = house(package).against_the_rule()
    assert wrong["data", "run"] == ["tfdistill/data/rows.py:2"]
    assert {("starts", "training"), ("training", "starts")} <= set(wrong)
