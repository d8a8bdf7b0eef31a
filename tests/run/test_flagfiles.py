"""Bundled flagfiles of recipes for tasks, with tiny data: each ends in checked TFLite files.

The run of DynaBERT, which takes longer, is in test_dynabert.py.
"""

import json
from pathlib import Path

import numpy as np
import pytest

CONFIGS = Path(__file__).parents[2] / "configs"
CASES = {  # a flagfile, and a student and settings that make its run one of seconds
    "bilstm": dict(
        student_config="H-8_F-12",
        vocabulary_size=100,
        augmentation_variants=2,
        augmentation_tag_probability=0,  # needs no tagger
    ),
    "pkd_task": dict(student_config="L-2_H-32_A-2"),
    "sentence_embedding": dict(student_config="L-2_H-32_A-2"),
    "static": dict(student_config="H-16"),
    "textbrewer": dict(student_config="L-2_H-32_A-2"),
    "tinybert_task": dict(student_config="L-2_H-16_A-2", augmentation_variants=2),
}
OF_SENTENCES = "sentence_embedding", "static"


@pytest.fixture(scope="module")
def teacher(save_encoder, tmp_path_factory):
    """The directory of a masked LM of 4 layers, which stands for the flagfiles' teachers."""
    return save_encoder(tmp_path_factory.mktemp("teacher"), layers=4, with_head=True)


@pytest.fixture(scope="module")
def data(words, write_data, tmp_path_factory):
    """Files of texts with classes, and of sentences."""
    folder, draws = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    lines = [" ".join(draws.choice(words, size=draws.integers(3, 9))) for _ in range(200)]
    (folder / "sentences.txt").write_text("\n".join(lines), "utf-8")
    texts = write_data["text_classification"](folder / "texts.csv", words)
    return {"texts": texts, "sentences": folder / "sentences.txt"}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_flagfile_ends_in_checked_files(name, teacher, data, train, tmp_path):
    changes = dict(
        teacher=teacher,
        train_data=data["sentences" if name in OF_SENTENCES else "texts"],
        output_dir=tmp_path / "run",
        shards_dir=tmp_path / "shards",
        length=24,
        tflite_lengths=24,
        batch_size=8,
        learning_rate=3e-3,
        n_epoch=2,
        precision="float32",
    )
    if name not in OF_SENTENCES:
        changes |= dict(task_data="", teacher_learning_rate=3e-3, teacher_epochs=4)
        changes |= dict(baseline="none")
    given = (f"--{flag}={value}" for flag, value in (changes | CASES[name]).items())
    train([f"--flagfile={CONFIGS / name}.flags", *given])
    facts = json.loads((tmp_path / "run" / "metrics.json").read_text())["export"]
    for file, least in {"student.tflite": 0.999, "student_int8.tflite": 0.9}.items():
        assert (tmp_path / "run" / "export" / file).is_file()
        assert "lost" not in facts[file] and facts[file]["agreement"] > least
    whole = facts["student.tflite"]
    assert whole["max_abs_difference"] <= 1e-4 * whole["largest_logit"]
