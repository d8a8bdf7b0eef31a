"""Packed weights are kept in a file, made again where they are stale, and shared by processes."""

import json
import os
import pwd
import resource
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from tfdistill.deployment import weight_cache
from tfdistill.deployment.lite_model import LiteModel
from tfdistill.deployment.weight_cache import WEIGHTS
from tfdistill.system.errors import UserError
from tfdistill.system.kept import MANIFEST

pytestmark = pytest.mark.tf218


@pytest.fixture
def file(several):
    return several("student_int8.tflite")


def row(tokens):
    ids, mask = np.random.default_rng(tokens).integers(5, 120, 16), np.arange(16) < tokens
    return {"input_ids": ids * mask, "attention_mask": mask * 1, "masked_positions": [1]}


def kept(folder):
    return sorted(folder.glob(f"*/{WEIGHTS}"))


def check(file, folder):
    """A model with kept weights predicts the same as one without; returns their files."""
    plain, cached = LiteModel(file), LiteModel(file, weights=folder)
    for tokens in (3, 6, 7, 16, 5):
        np.testing.assert_array_equal(cached.logits(row(tokens)), plain.logits(row(tokens)))
    return kept(folder)


def test_weights_are_kept_and_used_again(file, tmp_path, monkeypatch):
    (weights,) = check(file, tmp_path)
    identity = json.loads((weights.parent / MANIFEST).read_text())["identity"]
    assert set(identity) == {"model", "litert", "processor"}
    before = weights.stat()
    check(file, tmp_path)
    assert (weights.stat().st_ino, weights.stat().st_mtime_ns) == (
        before.st_ino,
        before.st_mtime_ns,
    )
    monkeypatch.setattr(weight_cache.importlib.metadata, "version", lambda name: "9.9")
    assert len(check(file, tmp_path)) == 2


@pytest.mark.parametrize("damage", ["changed", "short", "gone", "manifest"])
def test_damaged_weights_are_made_again(file, tmp_path, damage):
    (weights,) = check(file, tmp_path)
    good = weights.read_bytes()
    if damage == "changed":
        weights.write_bytes(good[:-100] + bytes(100))
    elif damage == "short":
        weights.write_bytes(good[: len(good) // 2])
    elif damage == "gone":
        weights.unlink()
    else:
        (weights.parent / MANIFEST).write_text("{")
    assert check(file, tmp_path) == [weights]
    assert weights.read_bytes() == good


def test_a_folder_that_cannot_be_written_is_done_without(file, tmp_path):
    (tmp_path / "a_file").write_text("")
    assert check(file, tmp_path / "a_file") == []
    assert check(file, tmp_path / "a_file" / "below") == []


def test_a_full_disk_is_done_without(file, tmp_path):
    _, most = limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, most))
    try:
        assert weight_cache.open_compiled(file, 1, tmp_path / "kept") is None
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert weight_cache.open_compiled(file, 1, tmp_path / "kept")


def test_a_user_without_a_home_does_without(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert weight_cache.usual_folder() == Path("/elsewhere/tfdistill/litert_weights")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)  # raises KeyError, as for unknown users
    assert weight_cache.usual_folder() is None


def test_a_file_of_one_length_needs_none(exports, tmp_path):
    assert check(exports["bert"][1] / "student_int8.tflite", tmp_path) == []


def test_two_at_once_make_one(file, tmp_path):
    ready, found = threading.Barrier(2), []

    def run():
        ready.wait()
        found.append(LiteModel(file, weights=tmp_path).logits(row(5)))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(*found)
    assert len(kept(tmp_path)) == 1


def test_weights_unused_for_longest_are_dropped(file, tmp_path, monkeypatch):
    (weights,) = check(file, tmp_path)
    size = weights.stat().st_size
    for number in range(3):
        other = tmp_path / f"other{number}"
        shutil.copytree(weights.parent, other)
        os.utime(other / MANIFEST, (1000 + number, 1000 + number))
    weights.unlink()
    monkeypatch.setattr(weight_cache, "MOST_BYTES", 2 * size + 10)
    assert check(file, tmp_path) == sorted([weights, tmp_path / "other2" / WEIGHTS])


def test_an_unknown_token_is_named_and_nothing_is_printed(file, tmp_path, capfd):
    lite = LiteModel(file, weights=tmp_path)
    lite.logits(row(5))
    wrong = row(5) | {"input_ids": np.full(16, 4000)}
    for _ in range(2):
        with pytest.raises(UserError, match="its vocabulary lacks a token"):
            lite.logits(wrong)
    with pytest.raises(UserError, match="does not run in LiteRT"):
        lite.logits({name: value for name, value in row(5).items() if name != "masked_positions"})
    np.testing.assert_array_equal(lite.logits(row(5)), LiteModel(file).logits(row(5)))
    assert capfd.readouterr().err == ""


def test_a_process_prints_nothing(file, tmp_path):
    code = (
        "import sys, numpy as np; from tfdistill.deployment.lite_model import LiteModel; "
        "lite = LiteModel(sys.argv[1], weights=sys.argv[2]); "
        "lite.logits({'input_ids': np.arange(5, 21), 'attention_mask':"
        " np.ones(16, int), 'masked_positions': [1]})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, file, tmp_path], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(kept(tmp_path)) == 1
