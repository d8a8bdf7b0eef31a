"""Paths in settings: `~`, paths relative to other folders, and unwritable places."""

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tfdistill.system.errors import UserError
from tfdistill.system.paths import cache_folder, require_file, require_folder, require_shards

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/of")
    monkeypatch.chdir(tmp_path)
    return "/home/of"


def refused(require, *words, flag="flag"):
    """Checks for one line that names setting, value and cure, and that nothing was created."""

    def check(path):
        before = sorted(Path().rglob("*"))
        with pytest.raises(UserError) as error:
            require(flag, str(path))
        message = str(error.value)
        assert "\n" not in message and flag in message, message
        assert [word for word in words if word not in message] == [], message
        assert sorted(Path().rglob("*")) == before

    return check


def test_checking_a_writable_path_changes_nothing(tmp_path):
    before = sorted(tmp_path.rglob("*"))
    for text in ("new", "new/below/it", ".", str(tmp_path), str(tmp_path / "new")):
        require_folder("flag", text)
    for text in ("new.html", "new/below.html", str(tmp_path / "new.html")):
        require_file("flag", text)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_file_in_place_of_a_folder_and_the_reverse(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    refused(require_folder, "flag=file is a file", "name a folder")("file")
    refused(require_folder, "flag is empty", "name a folder")("")
    refused(require_file, "is a folder", "name a file")(tmp_path)
    refused(require_file, "flag is empty", "name a file")("")
    refused(require_file, "is a device", "name a file")("/dev/null")
    for require in (require_folder, require_file):
        refused(require, "file is a file, where a folder must be")("file/below/it")
        refused(require, "link is a link that leads nowhere")("link/below")
        refused(require, "shorten")(f"{'x' * 300}/below")


@pytest.mark.parametrize(
    "number, cure",
    [
        (errno.EROFS, "name a path on another disk"),
        (errno.ENOSPC, "free the disk"),
        (errno.EACCES, "change the permissions"),
        (errno.ENOENT, "fix the path"),
    ],
)
def test_cures_for_errors_of_the_system(number, cure, monkeypatch):
    def mkdir(path, *_, **__):
        raise OSError(number, os.strerror(number), path)

    monkeypatch.setattr(os, "mkdir", mkdir)
    for require in (require_folder, require_file):
        refused(require, os.strerror(number), cure)("new/below")


@pytest.fixture
def no_rights(monkeypatch):
    """A read-only folder, for users other than root."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o555)
    monkeypatch.chdir(path)
    root = os.geteuid() == 0
    try:
        if root:
            os.seteuid(65534)
        yield path
    finally:
        if root:
            os.seteuid(0)
        path.chmod(0o755)
        shutil.rmtree(path)


def test_no_permission(no_rights):
    for require in (require_folder, require_file):
        for path in (no_rights / "run", no_rights / "run" / "below"):
            refused(require, str(no_rights), "Permission denied", "change the permissions")(path)
    refused(require_folder, "Permission denied")(no_rights)


def test_a_folder_with_prepared_text_may_be_read_only(tmp_path, monkeypatch):
    (tmp_path / "shards" / "text-1").mkdir(parents=True)

    def mkdir(path, *_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    monkeypatch.setattr(os, "mkdir", mkdir)
    with pytest.raises(UserError, match="shards_dir=shards cannot be written"):
        require_shards("shards")
    (tmp_path / "shards" / "text-1" / "manifest.json").write_text("{}")
    require_shards("shards")
    with pytest.raises(UserError, match="shards_dir is empty"):
        require_shards("")


def _prepare(folder, corpus, encoding):
    words = [sys.executable, "-m", "tfdistill.prepare", b"--corpus=" + corpus]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding}
    return subprocess.run(words, capture_output=True, cwd=folder, env=environment)


@pytest.mark.parametrize(
    "name, encoding, shown",
    [
        (b"caf\xe9.txt", "utf-8:strict", b"train: 1 file in texts: caf\\udce9.txt"),
        ("東.txt".encode(), "ascii:strict", b"train: 1 file in texts: \\u6771.txt"),
    ],
)
def test_names_that_the_terminal_cannot_show(tmp_path, name, encoding, shown):
    (tmp_path / "texts").mkdir()
    try:
        with open(os.fsencode(tmp_path / "texts") + b"/" + name, "wb") as file:
            file.write(b"The whale swam. " * 200)
    except OSError:
        pytest.skip("the file system takes no such name")
    done = _prepare(tmp_path, b"texts", encoding)
    assert done.returncode == 0 and shown in done.stdout and b"Traceback" not in done.stderr
    done = _prepare(tmp_path, b"texts/" + name, "utf-8:strict")
    named = name.endswith(b"\xe9.txt")
    assert done.returncode == int(named)
    if named:
        assert b"--corpus='texts/caf\\udce9.txt' is not UTF-8: rename" in done.stderr
        assert done.stderr.count(b"\n") == 1


def test_the_cache_folder(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert cache_folder() == Path("/elsewhere/tfdistill")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache_folder() == Path("/home/of/.cache/tfdistill")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_folder() == Path("/home/of/Library/Caches/tfdistill")
