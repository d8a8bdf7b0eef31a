"""Scripts of the docs tell wrong input in one line, as the commands do."""

import runpy
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
MISSING = {
    "cut_parts": ["--model={}", "--output_dir={}", "full"],
    "gather_sentences": ["--data={}", "--output={}.txt"],
    "sentence_embeddings": ["--pairs={}", "--teacher={}"],
    "static_encoders": ["compare", "--pairs={}", "--peer={}"],
    "task_results": ["sst2", "--data_dir={}", "--teacher={}", "--data_only"],
}


@pytest.mark.parametrize("name", MISSING)
def test_missing_files_are_one_line(name, tmp_path, monkeypatch, capfd):
    path = tmp_path / "missing"
    words = [word.format(path) for word in MISSING[name]]
    monkeypatch.setattr(sys, "argv", [name, *words])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name="__main__")
    errors = capfd.readouterr().err.splitlines()
    assert end.value.code == 1 and "Traceback" not in "\n".join(errors)
    assert errors[-1].startswith("error: ") and str(path) in errors[-1]
