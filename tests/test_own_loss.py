"""A loss in a user's recipe file: one class, from training to the report."""

import json

import numpy as np
import pytest
import tensorflow as tf

from tfdistill.distillation.losses import LOSSES, Loss, register

RECIPE_FILE = """
import tensorflow as tf

from tfdistill.distillation.losses import Loss, register
from tfdistill.distillation.losses.means import mean_over
from tfdistill.distillation.phases import Phase, Recipe, Term
from tfdistill.distillation.signals import CachedStates


@register
class AbsoluteDistance(Loss):
    name = "absolute"
    description = "absolute distance of the last hidden states"
    not_cached = ""

    def signals(self):
        return ("last_hidden_state",)

    def compute(self, comparison):
        student = comparison.student["last_hidden_state"]
        teacher = comparison.teacher["last_hidden_state"]
        distance = tf.reduce_mean(tf.abs(student - teacher), axis=-1)
        return mean_over(distance, comparison.batch["attention_mask"], comparison.normalizer)

    def cached_signals(self, pairs):
        return [CachedStates("last_hidden_state")]


def absolute(alpha_mlm=2.0):
    terms = Term("absolute", 3.0), Term("mlm", alpha_mlm)
    return Recipe("absolute", (Phase("distil", terms),), source="my own")
"""


@pytest.fixture
def recipe_file(tmp_path):
    path = tmp_path / "my_recipes.py"
    path.write_text(RECIPE_FILE)
    yield path
    LOSSES.pop("absolute", None)  # registered when the file was run


def event_descriptions(folder):
    """Descriptions of the curves in the event files of a folder."""
    found = {}
    for file in folder.glob("events.out.tfevents.*"):
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            for value in event.summary.value:
                found[value.tag] = value.metadata.summary_description or found.get(value.tag, "")
    return found


@pytest.mark.slow
def test_a_loss_of_a_recipe_file(recipe_file, tmp_path, run_command, tiny_flags):
    """With a teacher cache, whose arrays the loss names itself."""
    path, cache = tmp_path / "run", tmp_path / "cache"
    flags = tiny_flags(recipe=f"{recipe_file}:absolute", output_dir=path, teacher_cache=cache)
    assert run_command("train", *flags) == 0
    (arrays,) = cache.glob("*/mask-0")
    assert [file.name for file in arrays.glob("*.npy")] == ["last_hidden_state.npy"]
    rows = [json.loads(row) for row in (path / "checkpoints/student/curve.jsonl").open()]
    rows = [row for row in rows if "loss" in row]
    for row in rows:
        expected = 3.0 * row["loss_absolute"] + 2.0 * row["loss_mlm"]
        np.testing.assert_allclose(row["loss"], expected, rtol=1e-5)
    assert rows[0]["loss_absolute"] > 0
    assert json.loads((path / "metrics.json").read_text())["models"]["student"]["loss"] > 0
    assert (path / "export" / "student.tflite").is_file()
    description = "absolute distance of the last hidden states"
    assert f"absolute: {description}." in (path / "report.html").read_text()
    assert event_descriptions(path / "tensorboard" / "student")["loss_absolute"] == description


TEXT_LOSS = """
from tfdistill.distillation.losses.labels import MaskedLanguageModelling
from tfdistill.distillation.losses import register
from tfdistill.distillation.phases import Phase, Recipe, Term


@register
class HalfCrossEntropy(MaskedLanguageModelling):
    name = "absolute"
    description = "half the cross-entropy of the masked tokens"

    def compute(self, comparison):
        return 0.5 * super().compute(comparison)


half = Recipe("half", (Phase("text", (Term("absolute", 1.0),)),), source="my own")
"""


def test_a_loss_without_a_teacher(recipe_file, tmp_path, train, tiny_flags):
    """The run makes no teacher."""
    recipe_file.write_text(TEXT_LOSS)
    path = tmp_path / "run"
    train(tiny_flags(recipe=f"{recipe_file}:half", output_dir=path), stop_after="start")
    assert not (path / "teacher").exists()


def test_a_name_belongs_to_one_loss():
    with pytest.raises(ValueError, match="already a loss named 'cos'"):

        @register
        class OtherCosine(Loss):
            name = "cos"

    with pytest.raises(ValueError, match="Nameless needs a name"):

        @register
        class Nameless(Loss):
            pass


def test_every_loss_has_a_description():
    assert all(loss.description for loss in LOSSES.values())
