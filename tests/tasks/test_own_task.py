"""A task in one file: trained, distilled, evaluated, exported and reported by a run."""

import json

import numpy as np
import pytest

from tfdistill import tasks
from tfdistill.deployment.predictor import Predictor
from tfdistill.models.heads.small import SmallHead
from tfdistill.system.errors import UserError

pytestmark = pytest.mark.slow
RECIPE = """
from tfdistill.distillation.phases import Phase, Recipe, Term

kl = Term("logits_kl", 0.5, {"temperature": 2.0})
kd = Recipe("kd", (Phase("kd", (Term("cross_entropy", 0.5), kl)),), source="a test")
"""


class Mentions(tasks.RowClassification):
    """Whether a row of text contains one of a few words."""

    name = "mentions"

    def __init__(self, ids):
        self._ids = ids

    def transform(self, source, use, settings=None):
        def label(rows, generator):
            found = np.isin(rows, self._ids).any(axis=1).astype(np.int32)
            return self.row_batch(rows, source.ids.pad, found)

        return label

    def head(self, config):
        return SmallHead(config, outputs=2)

    def label_name(self, label):
        return ("absent", "present")[label]


@pytest.fixture(scope="module")
def run(tiny_text, tiny_flags, run_command, tmp_path_factory):
    """(folder of the run, its metrics, the task)."""
    vocabulary = (tiny_text / "vocabulary" / "vocab.txt").read_text("utf-8").split()
    task = Mentions([vocabulary.index(word) for word in ("the",)])
    tasks.register(task)
    folder = tmp_path_factory.mktemp("own_task")
    (folder / "recipe.py").write_text(RECIPE)
    flags = tiny_flags(
        task="mentions",
        recipe=f"{folder / 'recipe.py'}:kd",
        output_dir=folder / "run",
        teacher_config="L-2_H-32_A-2",
        student_config="L-1_H-32_A-2",
        length=12,
        batch_size=32,
        teacher_steps=60,
        steps=60,
        learning_rate=3e-3,
        baseline="start",
    )
    assert run_command("train", *flags) == 0
    return folder / "run", json.loads((folder / "run" / "metrics.json").read_text()), task


def test_recipes_and_settings_for_other_tasks_are_refused_at_once(run, tiny_flags, train, tmp_path):
    flags = tiny_flags(task="mentions", recipe="distilbert", output_dir=tmp_path / "run")
    with pytest.raises(UserError, match="the loss 'ce' reads scores of all tokens"):
        train(flags)
    with pytest.raises(UserError, match="teacher_cache stores no signals for task=mentions"):
        train([*flags, "--recipe=mlm", f"--teacher_cache={tmp_path}"])
    assert not (tmp_path / "run").exists()


def test_the_student_learns(run):
    models = run[1]["models"]
    assert {"floor", "teacher", "student_start", "student", "baseline_start"} <= models.keys()
    assert models["student"]["accuracy"] > models["floor"]["accuracy"]
    assert models["student"]["loss"] < models["floor"]["loss"]
    assert models["student"]["agreement"] > 0.5
    assert run[1]["differences"]["student-floor"].keys() == {"accuracy", "loss"}
    assert run[1]["verdict"].keys() == {"quality", "speed", "size"}


def test_files_predict_as_the_model(run):
    folder, metrics, task = run
    facts = metrics["export"]["student.tflite"]
    assert facts["agreement"] == 1.0 and facts["accuracy_lite"] == facts["accuracy_keras"]
    text = "It was the whale."
    found = [
        Predictor.open(folder / name, task).predict(text)
        for name in ("student", "export/student.tflite")
    ]
    assert {label for label, _ in found[0]} == {"absent", "present"}
    for (label, share), (other, of_other) in zip(*found, strict=True):
        assert label == other and share == pytest.approx(of_other, abs=1e-4)


def test_reports_have_the_words_of_the_task(run):
    folder, _, _ = run
    page = (folder / "report.html").read_text()
    results = (folder / "results.md").read_text()
    card = (folder / "export" / "model_card.md").read_text()
    for text in (page, results, card):
        assert "accuracy" in text and "commonest class" in text
        for foreign in ("top-1", "[MASK]", "hidden words", "masked"):
            assert foreign not in text, foreign
    assert "present" in page  # of the examples
