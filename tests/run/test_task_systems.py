"""The bundled grid of systems for tasks, cut to seconds: all its systems run from its flags."""

import json
from pathlib import Path

import pytest

from tfdistill.command_line.console import Console
from tfdistill.command_line.run_config import RunConfig
from tfdistill.run.grid_job import DONE, GridJob
from tfdistill.run.grid_reader import read_grid
from tfdistill.run.grid_results import write_results
from tfdistill.train import COMMAND

FILE = Path(__file__).parents[2] / "configs" / "experiments" / "task_systems.json"
# Shapes of models for a teacher of 2 layers, width 32 and 2 heads.
SHAPES = {
    "L-3_H-384_A-12": "L-1_H-32_A-2",
    "L-4_H-312_A-12_I-1200": "L-1_H-24_A-2",
    "L-6_H-96_B-384_A-12_F-2_OPT": "L-1_H-16_B-32_A-2_F-2_OPT",
    "H-256": "H-16",
    "H-150_F-200": "H-6_F-8",
}
FAST = {
    "length": 16,
    "tflite_lengths": "8",
    "batch_size": 16,
    "teacher_learning_rate": 3e-3,
    "learning_rate": 3e-3,
    "teacher_epochs": 4,
    "validation_interval": 20,
}


def cut(content, folder, files):
    """The content of the file with tiny data and models; `files` by the names of data sets."""
    for shape, small in SHAPES.items():
        content = content.replace(shape, small)
    content = json.loads(content)
    content["flags"] |= FAST | {"corpus": str(folder / "text.txt"), "shards_dir": str(files["out"])}
    for name in list(content["axes"]["data"]):
        if name not in files:
            del content["axes"]["data"][name]
            continue
        flags = {"train_data": str(files[name]), "n_epoch": 2, "augmentation_rows": 300}
        content["axes"]["data"][name] = {"task": content["axes"]["data"][name]["task"]} | flags
    systems = content["axes"]["system"]
    for name in ("static", "bilstm", "bilstm_augmented"):
        systems[name]["n_epoch"] = 2
    systems["bilstm_augmented"]["augmentation_tag_probability"] = 0  # needs no tagger
    content["flags"]["vocabulary_size"] = 100
    systems["tinybert_task_augmented"]["head_steps"] = 20
    del systems["tinybert_task_augmented"]["word_vectors"]
    for name in ("pkd_skip", "pkd_last"):  # they need a teacher of more layers
        del systems[name], content["minutes"][name]
    for shared in content["shared"].values():
        shared["flags"] |= {"length": 16, "n_epoch": 0.5} if "length" in shared["flags"] else {}
    content["axes"]["seed"] = [0]
    content["leave_out"] = [rule for rule in content["leave_out"] if "seed" not in rule]
    return content


@pytest.mark.slow
def test_systems_of_the_bundled_grid(train, encoder, words, write_data, tiny_text, tmp_path):
    files = {"out": tmp_path / "shards", "restaurant": tmp_path / "tags.conll"}
    files["sst2"] = write_data["text_classification"](tmp_path / "texts.csv", words)
    write_data["token_classification"](files["restaurant"], words)
    path, out = tmp_path / "systems.json", tmp_path / "out"
    path.write_text(json.dumps(cut(FILE.read_text("utf-8"), tiny_text, files)))
    config = RunConfig(teacher=str(encoder), data_dir=str(tmp_path))
    grid = read_grid(path, out, config, COMMAND)
    quick = ("seed-0/sst2/", "seed-0/restaurant/kd")
    grid.runs[:] = [run for run in grid.runs if run.name.startswith(quick)]
    for run in grid.ordered():
        train(run.words())
    job = GridJob(grid, out, Console())
    assert {job.state(run) for run in grid.ordered()} == {DONE}
    text, result = write_results(grid, job, out, config)
    rows = {row["name"]: row for row in result["tables"]["sst2"]["rows"]}
    assert len(rows) == 8 + 2  # the teacher and the commonest class
    for system in ("no_teacher", "kd", "tinybert_task_augmented", "bilstm_augmented", "static"):
        row = rows[f"system={system}"]
        for key in ("accuracy", "agreement", "minutes", "parameters", "int8", "latency"):
            assert row[key]["mean"] is not None, (system, key)
    # The general student's training counts.
    seconds = json.loads((out / "runs/seed-0/sst2/tinybert_task/metrics.json").read_text())
    assert rows["system=tinybert_task"]["minutes"]["mean"] > seconds["seconds"]["student"] / 60
    markdown = (out / "results.md").read_text("utf-8")
    assert "| system | sst2: accuracy (%) | restaurant: " in markdown
    assert "(a) a static student has the same vector" in markdown and "| – (a) |" in markdown
    assert "system=static: – (a static student" in text
