"""The script that compares searched shapes with named ones."""

import argparse
import json
import sys

import pytest
import search_experiment as script

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


def figures_of(difference, named_ms, searched_ms):
    found = {"difference": {"loss": difference, "standard_error": 0.01}}
    return found | {"named": {"measured_ms": named_ms}, "searched": {"measured_ms": searched_ms}}


@pytest.mark.parametrize(
    "second, better, no_slower",
    [
        ((-0.02, 0.5, 0.5), True, True),
        ((-0.01, 0.5, 0.4), False, True),  # by no more than its standard error
        ((+0.02, 0.5, 0.4), False, True),
        ((-0.02, 0.5, 0.501), True, False),
    ],
)
def test_a_bound_is_held_for_all_seeds(second, better, no_slower):
    verdict = script.verdict_on([figures_of(-0.05, 0.5, 0.4), figures_of(*second)])
    assert verdict == {"better": better, "no_slower": no_slower, "held": better and no_slower}


def test_a_finished_search_is_not_made_again(grid, tmp_path, monkeypatch):
    made, folder = [], tmp_path / "searches" / "1x64-0"
    whole = tmp_path / "runs" / "super" / "seed-0" / "student" / "model.safetensors"
    whole.parent.mkdir(parents=True)
    for file in (whole, tmp_path / "latency.json"):
        file.write_text("first")

    def run(command, *flags):
        made.append(flags)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "front.json").write_text(json.dumps({"best": {"latency_ms": len(made)}}))

    monkeypatch.setattr(script, "_run", run)
    options = argparse.Namespace(
        **{"output_dir": tmp_path, "grid": grid, "tokens": 12, "steps": 4, "search_flags": []}
    )

    def search():
        best = script.Experiment(options)._search("1x64-0", folder, 0, 0.5)
        return best["latency_ms"], json.loads((tmp_path / script.SPENT).read_text())

    first = search()
    assert search() == first and len(made) == 1
    options.steps = 8
    assert search()[0] == len(made) == 2 and "--steps=8" in made[1]
    for file in (whole, tmp_path / "latency.json"):
        file.write_text("another")
        assert search()[0] == len(made)
    assert len(made) == 4


@pytest.mark.slow
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
    printed = capsys.readouterr().out.splitlines()
    rows = [line for line in printed if line.startswith("| 1x64")]
    assert len(rows) == 1
    cells = [cell.strip() for cell in rows[0].strip("|").split("|")]
    assert len(cells) == len(script.COLUMNS) and "neurons" in cells[2]
    assert cells[7] == "0.001; 0.001"  # a layer each
    assert all(float(each) > 0 for each in cells[8].split("; "))
    figures = json.loads((tmp_path / "out" / script.FIGURES).read_text())
    (row,) = figures["rows"]
    assert script.cells_of(row) == cells and row["named"]["predicted_ms"] == pytest.approx(0.001)
    apart = row["searched"]["test_loss"] - row["named"]["test_loss"]
    assert row["difference"]["loss"] == pytest.approx(apart, abs=1e-4)
    verdict = script.verdict_on([row])
    assert figures["bounds"] == {"1x64": verdict}
    assert f"Better and no slower: {int(verdict['held'])} of 1 bounds." in printed
    made = {"super 0", "1x64 0", "search 1x64-0", "trained 1x64-0"}
    assert set(figures["minutes"]) == made and all(0 < each for each in figures["minutes"].values())
    assert figures["minutes"]["trained 1x64-0"] == row["searched"]["minutes"]
