"""Every recipe through the main job; phases that are stopped between and inside."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.distillation.terms import LOSSES
from tfdistill.main_job import MainJob
from tfdistill.models.checkpoint import load_model, save_model
from tfdistill.training import loop

NARROW, SAME_HEADS, DEEP = "L-2_H-8_A-1", "L-2_H-8_A-2", "L-3_H-16_A-2"
RUNS = {  # recipe: (student, flags, stages)
    "tinybert": (SAME_HEADS, ["--projection=per_layer"], ["student-general", "student-head"]),
    "minilm": (NARROW, ["--whole_word_masking"], ["student-relations", "student-head"]),
    "minilm_v1": (SAME_HEADS, ["--head_share=0"], ["student"]),
    "pkd": (DEEP, ["--student_init=first", "--restrict_ce_to_mask"], ["student"]),
    "hybrid": (
        NARROW,
        ["--then=minilm", "--student_init=first:slice"],
        ["student-mlm", "student-relations", "student-head"],
    ),
}


@pytest.fixture(scope="module")
def teachers(tmp_path_factory, tiny_text, tiny_model):
    """Folders of a teacher of four layers, with and without its head."""
    tokenizer = load_tokenizer(str(tiny_text / "vocabulary"))
    folders = {}
    for name, with_head in {"whole": True, "headless": False}.items():
        folders[name] = tmp_path_factory.mktemp(name)
        shape = dict(hidden_size=16, num_hidden_layers=4, intermediate_size=64)
        vocabulary = dict(vocab_size=tokenizer.vocab_size)
        save_model(tiny_model(with_head=with_head, **shape, **vocabulary), folders[name])
        tokenizer.save(folders[name])
    return folders


def flags_of(recipe, tiny_flags, **changes):
    student, more, _ = RUNS[recipe]
    changes = dict(recipe=recipe, student_config=student, tokenizer=None, steps=10) | changes
    return [*tiny_flags(**changes), *more]


def facts(path):
    return json.loads((path / "checkpoints" / "state.json").read_text())["done"]


@pytest.mark.parametrize(
    "recipe",
    [
        "tinybert",
        *(pytest.param(name, marks=pytest.mark.slow) for name in RUNS if name != "tinybert"),
    ],
)
def test_recipes_end_in_a_checked_file(recipe, teachers, tmp_path, run_command, tiny_flags, capfd):
    path = tmp_path / "run"
    flags = flags_of(recipe, tiny_flags, teacher=teachers["whole"], output_dir=path)
    assert run_command("train", *flags) == 0
    assert "student starts at validation loss" in capfd.readouterr().out
    metrics = json.loads((path / "metrics.json").read_text())
    assert metrics["export"]["student.tflite"]["agreement"] > 0.99
    assert facts(path)["student"]["stages"] == RUNS[recipe][2]
    assert facts(path)["start"]["random_validation_loss"] > 0
    for stage in RUNS[recipe][2]:
        assert (path / "tensorboard" / stage).is_dir()
        assert not list((path / "checkpoints" / stage).glob("*.safetensors"))
    start, student = (
        load_file(folder / "model.safetensors")
        for folder in (path / "checkpoints" / "student_start", path / "student")
    )
    changed = {name for name in start if not np.array_equal(start[name], student[name])}
    assert len(changed) > len(start) / 2
    assert any("predictions" in name for name in changed) == (recipe != "minilm_v1")


@pytest.mark.slow
def test_a_teacher_without_a_head(teachers, tmp_path, run_command, tiny_flags):
    """Its student gets one of its own, which learns in a phase of its own."""
    path = tmp_path / "run"
    flags = flags_of("minilm", tiny_flags, teacher=teachers["headless"], output_dir=path)
    assert run_command("train", *flags) == 0
    models = json.loads((path / "metrics.json").read_text())["models"]
    assert "top1" not in models["teacher"] and "top1" in models["student"]
    assert load_model(path / "teacher").head is None
    assert load_model(path / "student").head is not None


def without_results(monkeypatch):
    """Ends a run once its student is trained."""

    def interrupted(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(MainJob, "_finish_results", interrupted)


@pytest.mark.parametrize(
    "stop_after", ["student-mlm", pytest.param("student-relations", marks=pytest.mark.slow)]
)
def test_stopped_between_phases(stop_after, teachers, tmp_path, run_command, tiny_flags):
    """A run that is stopped once a phase is done ends with the weights of one that was not."""
    flags = flags_of("hybrid", tiny_flags, teacher=teachers["whole"], steps=20)
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert run_command("train", *flags, f"--output_dir={whole}", patch=without_results) == 130
    real, begun = loop.TrainingLoop.run, []

    def stop(monkeypatch):
        def run_until(self):
            begun.append(self._state._directory.name)
            if begun[-2:-1] == [stop_after]:
                raise KeyboardInterrupt
            return real(self)

        monkeypatch.setattr(loop.TrainingLoop, "run", run_until)

    assert run_command("train", *flags, f"--output_dir={stopped}", patch=stop) == 130
    trained = set()

    def spy(monkeypatch):
        without_results(monkeypatch)
        train = loop.TrainingLoop._train

        def noted(self, *args):
            trained.add(self._state._directory.name)
            return train(self, *args)

        monkeypatch.setattr(loop.TrainingLoop, "_train", noted)

    assert run_command("train", *flags, f"--output_dir={stopped}", patch=spy) == 130
    assert trained and stop_after not in trained  # what was done is not done again
    file = "student/model.safetensors"
    assert (whole / file).read_bytes() == (stopped / file).read_bytes()


def test_recipes_that_do_not_fit_are_refused_before_any_work(
    teachers, tmp_path, run_command, tiny_flags, capfd
):
    for recipe, words, complaint in (
        ("tinybert", ["--student_config=L-2_H-8_A-1"], "head by head"),
        ("tinybert", ["--projection=none"], "--projection=shared"),
        ("tinybert", ["--layer_map=last", "--student_config=L-5_H-16_A-2"], "deeper"),
        ("pkd", ["--student_config=L-1_H-16_A-2"], "at least 2 layers"),
        ("minilm", ["--relation_heads=3"], "--relation_heads=3 does not divide"),
        ("minilm", ["--relation_layer=4"], "names layer 4 of a teacher that has 4"),
        ("minilm", ["--schedules=alpha_ce=linear:1:0"], "has no number 'alpha_ce'"),
        ("hybrid", ["--then=mlm"], "--then=mlm is no recipe with a teacher"),
    ):
        path = tmp_path / "run"
        flags = flags_of(recipe, tiny_flags, teacher=teachers["whole"], output_dir=path)
        assert run_command("train", *flags, *words) == 1
        lines = capfd.readouterr().err.splitlines()
        assert len(lines) == 1 and complaint in lines[0]
        assert not path.exists()


def test_a_recipe_file_is_named_on_the_command_line_alone(
    teachers, tmp_path, run_command, tiny_flags, capfd
):
    own = tmp_path / "own.py"
    own.write_text(
        "from tfdistill.distillation.phases import Phase, Recipe, Term\n"
        "def heads(alpha_mlm=2.0):\n"
        "    phase = Phase('only', (Term('mlm', alpha_mlm),), trainable=('head',))\n"
        "    return Recipe('heads', (phase,), source='my own')\n"
    )
    path = tmp_path / "run"
    shared = dict(teacher=teachers["whole"], tokenizer=None, output_dir=path, steps=4)
    flagfile = tmp_path / "run.flags"
    flagfile.write_text("\n".join(tiny_flags(**shared, recipe=f"{own}:heads")))
    assert run_command("train", f"--flagfile={flagfile}") == 1
    assert "no flagfile may name it" in capfd.readouterr().err and not path.exists()
    words = [f"--flagfile={flagfile}", f"--recipe={own}:heads"]
    assert run_command("train", *words, patch=without_results) == 130
    start, student = (
        load_file(folder / "model.safetensors")
        for folder in (path / "checkpoints" / "student_start", path / "student")
    )
    changed = {name for name in start if not np.array_equal(start[name], student[name])}
    assert changed and all(name.startswith("cls.predictions") for name in changed)
    own.write_text(own.read_text() + "# other words\n")
    assert run_command("train", f"--flagfile={flagfile}", f"--recipe={own}:heads") == 1
    assert f"holds a run made with --recipe={own}:heads (" in capfd.readouterr().err


def test_every_term_has_words_in_the_report():
    from tfdistill.reports.report import TERMS

    assert set(TERMS) == set(LOSSES) - {"mlm"}
