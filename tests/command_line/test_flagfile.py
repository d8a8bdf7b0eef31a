"""Flagfiles by path and by name, and the wheel that contains them."""

import configparser
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tfdistill.command_line import flagfile
from tfdistill.system.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = {path.stem: path for path in (ROOT / "configs").glob("*.flags")}


def test_bundled_flagfiles_by_name():
    assert CONFIGS and flagfile.bundled().keys() == CONFIGS.keys()
    for name, path in CONFIGS.items():
        lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
        assert lines == flagfile.expand([f"--flagfile={name}"])
        assert lines == flagfile.expand(["--flagfile", f"{name}.flags"])
        assert lines == flagfile.expand([f"-flagfile={path}"])


def test_flags_replace_the_word_that_names_the_file(tmp_path, monkeypatch):
    (tmp_path / "inner.flags").write_text("--seed=2\n")
    (tmp_path / "outer.flags").write_text("// mine\n# too\n\n--seed=1\n  --flagfile=inner.flags\n")
    monkeypatch.chdir(tmp_path)
    words = ["--steps=1", "--flagfile=outer.flags", "word", "--steps=2", "--", "--flagfile=none"]
    assert flagfile.expand(words) == [
        *["--steps=1", "--seed=1", "--seed=2"],
        *["word", "--steps=2", "--", "--flagfile=none"],
    ]


def test_a_users_file_overrides_a_bundled_name(tmp_path, monkeypatch):
    (tmp_path / "mini").write_text("--seed=7\n")
    monkeypatch.chdir(tmp_path)
    assert flagfile.expand(["--flagfile=mini"]) == ["--seed=7"]
    (tmp_path / "mini").unlink()
    (tmp_path / "mini").mkdir()
    assert "--output_dir=runs/mini" in flagfile.expand(["--flagfile=mini"])
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.flags").write_text("--seed=8\n")
    assert flagfile.expand(["--flagfile=~/mine.flags"]) == ["--seed=8"]


@pytest.mark.parametrize(
    "words, named",
    [
        (["--flagfile"], "--flagfile is empty"),
        (["--flagfile="], "mini"),
        (["--flagfile=gone.flags"], "--flagfile=gone.flags: there is no such file"),
        (["--flagfile=folder"], "--flagfile=folder: is a folder"),
        (["--flagfile=loop.flags"], "loop.flags names itself"),
        (["--flagfile=binary.flags"], "binary.flags cannot be read"),
    ],
)
def test_wrong_flagfiles(words, named, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop.flags").write_text("--flagfile=loop.flags\n")
    (tmp_path / "binary.flags").write_bytes(bytes(range(128, 256)))
    with pytest.raises(UserError) as error:
        flagfile.expand(words)
    assert named in str(error.value) and "\n" not in str(error.value)


def test_a_wheel_contains_flagfiles_and_commands(tmp_path):
    pytest.importorskip("setuptools")
    # In a copy, because setuptools leaves a build/ folder.
    source = tmp_path / "source"
    source.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "NOTICE", "configs"):
        (source / name).symlink_to(ROOT / name)
    (source / "tfdistill").mkdir()
    for path in (ROOT / "tfdistill").iterdir():
        if path.name not in ("assets", "__pycache__"):
            (source / "tfdistill" / path.name).symlink_to(path)
    build = "from setuptools import build_meta; print(build_meta.build_wheel('..'))"
    done = subprocess.run(
        [sys.executable, "-c", build], cwd=source, capture_output=True, text=True, check=True
    )
    with zipfile.ZipFile(tmp_path / done.stdout.split()[-1]) as wheel:
        for name, path in CONFIGS.items():
            assert wheel.read(f"tfdistill/configs/{name}.flags") == path.read_bytes()
        (entries,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
        found = configparser.ConfigParser()
        found.read_string(wheel.read(entries).decode())
        modules = {target.split(":")[0] for target in found["console_scripts"].values()}
        for module in modules:
            assert wheel.getinfo(module.replace(".", "/") + ".py").file_size
    from tfdistill.__main__ import COMMANDS

    assert modules == {"tfdistill.__main__"} | {f"tfdistill.{name}" for name in COMMANDS}
