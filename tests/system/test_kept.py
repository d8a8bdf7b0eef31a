"""Folders of computed files are made once, and again where they are damaged."""

import json
import threading

import pytest

from tfdistill.system.kept import MANIFEST, kept_folder

IDENTITY = {"teacher": "a", "lengths": (8, 16)}


@pytest.fixture
def kept(tmp_path):
    """A function of an identity to (the kept folder, how often one was made so far)."""
    made = []

    def make(folder):
        made.append(folder)
        (folder / "logits").write_bytes(b"numbers")
        (folder / "labels").write_text("words")

    return lambda identity=IDENTITY: (kept_folder(tmp_path / "kept", identity, make), len(made))


def test_a_folder_is_made_once_for_each_identity(kept):
    folder, _ = kept()
    assert kept() == (folder, 1)
    assert {file.name for file in folder.iterdir()} == {"logits", "labels", MANIFEST}
    other, made = kept(IDENTITY | {"teacher": "b"})
    assert other != folder and made == 2


def cut_file(folder):
    (folder / "logits").write_bytes(b"number")


def change_file(folder):
    (folder / "labels").write_text("wordz")


def lose_file(folder):
    (folder / "labels").unlink()


def lose_manifest(folder):
    (folder / MANIFEST).unlink()


def list_manifest(folder):
    (folder / MANIFEST).write_text("[]")


def cut_manifest(folder):
    (folder / MANIFEST).write_text("{")


def forget_digests(folder):
    (folder / MANIFEST).write_text(json.dumps({"identity": IDENTITY, "sha256": 1}))


def change_identity(folder):
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | {"identity": {"teacher": "b"}}))


@pytest.mark.parametrize(
    "damage",
    [
        *(cut_file, change_file, lose_file),
        *(lose_manifest, list_manifest, cut_manifest, forget_digests, change_identity),
    ],
)
def test_a_damaged_folder_is_made_again(kept, damage):
    folder, _ = kept()
    damage(folder)
    assert kept() == (folder, 2) == kept()
    assert (folder / "logits").read_bytes() == b"numbers"
    assert (folder / "labels").read_text() == "words"


def test_a_wait_for_another_process_is_told(tmp_path):
    begun, told = threading.Event(), threading.Event()

    def make(folder):
        begun.set()
        assert told.wait(10)
        (folder / "logits").write_bytes(b"numbers")

    first = threading.Thread(target=kept_folder, args=(tmp_path, IDENTITY, make, pytest.fail))
    first.start()
    assert begun.wait(10)
    folder = kept_folder(tmp_path, IDENTITY, pytest.fail, told.set)
    first.join()
    assert (folder / "logits").read_bytes() == b"numbers"


def test_nothing_is_kept_of_a_failure(tmp_path):
    def fail(folder):
        (folder / "logits").write_bytes(b"num")
        raise ValueError("no numbers")

    with pytest.raises(ValueError, match="no numbers"):
        kept_folder(tmp_path, IDENTITY, fail)
    assert [file.suffix for file in tmp_path.iterdir()] == [".lock"]
