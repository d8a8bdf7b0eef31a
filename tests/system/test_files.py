"""Atomic writes: a failed write leaves the old file or folder."""

import errno
import os

import pytest
import tensorflow as tf

from tfdistill.data.text_files import check_file
from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.deployment.lite_model import LiteModel
from tfdistill.system.errors import UserError
from tfdistill.system.files import folder_aside, tensorflow_os_errors, write_atomically
from tfdistill.system.paths import cure_of


def test_write_atomically(tmp_path):
    path = tmp_path / "new" / "file"
    write_atomically(path, "ä")
    assert path.read_bytes() == "ä".encode()
    write_atomically(path, b"\x00")
    assert path.read_bytes() == b"\x00"
    assert list(path.parent.iterdir()) == [path]


def test_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_folder_aside_replaces(tmp_path):
    for content in ("first", "second"):
        with folder_aside(tmp_path / "folder") as aside:
            (aside / content).write_text(content)
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "second"]


def test_folder_stopped_between_its_renames(tmp_path):
    old = tmp_path / ".folder.tfdistill-old"
    old.mkdir()
    (old / "old").write_text("old")
    with pytest.raises(RuntimeError):
        with folder_aside(tmp_path / "folder"):
            raise RuntimeError
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "old"]


def test_folders_of_users_are_left_alone(tmp_path):
    copies = [tmp_path / f"folder{end}" for end in (".old", ".tmp", "-old")]
    for copy in copies:
        copy.mkdir()
        (copy / "file").touch()
    for _ in range(2):
        with folder_aside(tmp_path / "folder"):
            pass
    assert all((copy / "file").is_file() for copy in copies)


def test_failed_folder_keeps_the_old_one(tmp_path):
    with folder_aside(tmp_path / "folder") as aside:
        (aside / "old").write_text("old")
    with pytest.raises(RuntimeError):
        with folder_aside(tmp_path / "folder") as aside:
            (aside / "half").write_text("half")
            raise RuntimeError
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "old"]


@pytest.mark.parametrize("read", ["vocab.txt", "tokenizer.json", "text.txt", "model.tflite"])
def test_every_reader_refuses_git_lfs_pointers(tmp_path, read):
    path = tmp_path / read
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0a1b\nsize 231508\n")
    readers = {"text.txt": check_file, "model.tflite": LiteModel}
    with pytest.raises(UserError, match=f"{read} is a Git LFS pointer.*git lfs pull"):
        readers.get(read, lambda path: load_tokenizer(str(tmp_path)))(path)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_errors_of_tensorflow_name_file_and_cure(code):
    message = f"/disk/a; b/events; {os.strerror(code)}"
    with pytest.raises(OSError, match=os.strerror(code)) as error, tensorflow_os_errors():
        raise tf.errors.ResourceExhaustedError(None, None, message)
    assert (error.value.errno, error.value.filename) == (code, "/disk/a; b/events")
    assert cure_of(error.value) != "fix the path and repeat"
    with pytest.raises(OSError, match="something else"), tensorflow_os_errors():
        raise tf.errors.UnknownError(None, None, "something else")


def test_a_write_follows_no_link(tmp_path):
    """Neither at the file's own place, nor where it is written first."""
    outside = tmp_path / "outside"
    outside.write_text("mine")
    for link in ("file", "file.tmp"):
        (tmp_path / link).symlink_to(outside)
    write_atomically(tmp_path / "file", "new")
    assert outside.read_text() == "mine"
    assert (tmp_path / "file").read_text() == "new" and not (tmp_path / "file").is_symlink()
