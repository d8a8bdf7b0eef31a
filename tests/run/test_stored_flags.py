"""Settings of a run, used by commands in another folder."""

import os

import pytest

from tfdistill.command_line.run_config import RunConfig
from tfdistill.run.stored_flags import as_meant_in
from tfdistill.settings.settings import options_of


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_settings_that_were_given_in_another_folder(tmp_path):
    there = tmp_path / "there"
    (there / "texts").mkdir(parents=True)
    (there / "sample").mkdir()
    (there / "texts" / "a.txt").write_text("text")
    meant = {
        ("shards_dir", "shards"): f"{there}/shards",
        ("shards_dir", "/abs/shards"): "/abs/shards",
        ("corpus", "texts/a.txt,texts/*.txt,gone"): f"{there}/texts/a.txt,{there}/texts/*.txt,gone",
        ("corpus", "hf:./texts"): f"hf:{there}/./texts",
        ("corpus", "hf:owner/name:plain"): "hf:owner/name:plain",
        ("corpus", "sample"): "sample",
        ("data_dir", ""): "",
        ("length", "16"): "16",
    }
    for (name, text), value in meant.items():
        option = options_of(RunConfig)[name]
        assert as_meant_in(name, text, str(there), option) == value
        assert as_meant_in(name, text, os.getcwd(), option) == text
        assert as_meant_in(name, text, "", option) == text
