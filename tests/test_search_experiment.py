"""The script that compares searched shapes with named ones."""

import json
import sys

import pytest
import search_experiment as script

pytestmark = pytest.mark.slow
LARGEST = dict(layers=2, width=64, intermediate=256, heads=2, head_size=32, vocabulary=1000)
TABLE = {
    **{"format": 1, "kind": "cpu", "machine": {}, "times": []},
    "smallest": dict.fromkeys(LARGEST, 1),
    "largest": LARGEST,
    "fits": [{"variant": "int8", "length": 12, "threads": 1, "milliseconds": {"layer": 0.001}}],
}


@pytest.fixture
def grid(tiny_flags, tmp_path):
    """A grid of tiny models, and the folder of their teacher."""
    words = tiny_flags(batch_size=4, teacher_config=None, teacher_steps=None, layerdrop=None)
    flags = dict(word.removeprefix("--").split("=", 1) for word in words)
    flags |= {
        **{"recipe": "autotinybert", "super_regime": "kd", "super_terms": "logits"},
        **{"teacher": "{teacher}", "baseline": "none", "tflite_lengths": "12"},
        **{"super_step": 4, "steps": 4, "allow_loss": True},
    }
    whole = {"student_config": "L-2_H-64_A-2", "student_init": "random", "stop_after": "evaluate"}
    named = {"student_config": "L-1_H-64_A-2", "student_init": "random", "train_parts": False}
    content = {"flags": flags, "axes": {"model": {"super": whole, "1x64": named}, "seed": [0]}}
    path = tmp_path / "grid.json"
    path.write_text(json.dumps(content))
    return path


def test_the_table(grid, tiny_flags, train, tmp_path, monkeypatch, capsys):
    """A row for the named shape, with a part of as many layers."""
    train(tiny_flags(output_dir=tmp_path / "teacher"), stop_after="teacher")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "latency.json").write_text(json.dumps(TABLE))
    words = [
        *("search_experiment", f"--grid={grid}", "--data_dir=.", "--tokens=12", "--steps=4"),
        *(f"--teacher={tmp_path / 'teacher' / 'teacher'}", f"--output_dir={tmp_path / 'out'}"),
        *("--rounds=5", "--search_flags=--population=4", "--search_flags=--generations=1"),
    ]
    monkeypatch.setattr(sys, "argv", words)
    script.main()
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| 1x64")]
    assert len(rows) == 1
    cells = [cell.strip() for cell in rows[0].strip("|").split("|")]
    assert len(cells) == len(script.COLUMNS) and "neurons" in cells[2]
    assert cells[7] == "0.001; 0.001"  # a layer each
    assert all(float(each) > 0 for each in cells[8].split("; "))
