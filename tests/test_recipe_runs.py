"""Every recipe through the main job; phases that are stopped between and inside."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.models.hugging_face.checkpoint import load_model, save_model

NARROW, SAME_HEADS, DEEP = "L-2_H-8_A-1", "L-2_H-8_A-2", "L-3_H-16_A-2"
RUNS = {  # recipe: (student, flags, stages)
    "autotinybert": (
        SAME_HEADS,
        ["--super_regime=kd", "--sandwich", "--super_step=2", "--student_init=spaced:pca"],
        ["student-super", "student-head"],
    ),
    "tinybert": (
        SAME_HEADS,
        ["--projection=per_layer", "--student_init=spaced:slice"],
        ["student-general", "student-head"],
    ),
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


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RUNS)
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
    """The student gets a fresh head, which is trained in a phase of its own."""
    path = tmp_path / "run"
    flags = flags_of("minilm", tiny_flags, teacher=teachers["headless"], output_dir=path)
    assert run_command("train", *flags) == 0
    models = json.loads((path / "metrics.json").read_text())["models"]
    assert "top1" not in models["teacher"] and "top1" in models["student"]
    assert load_model(path / "teacher").head is None
    assert load_model(path / "student").head is not None


# Steps of each phase: of 20 in the first three runs, of 24 in the others.
STEPS = {"student-super": 16, "student-general": 16, "student-mlm": 10, "student-relations": 8}
STEPS |= {"student-transfer_0": 6, "student-transfer_1": 6}


def stop_point(stage, inside, stages):
    """(stage, step) at which a run is interrupted: after a checkpoint of a phase, or at its end."""
    return (stage, 4) if inside else (stages[stages.index(stage) + 1], 0)


@pytest.mark.parametrize(
    "recipe, stage, inside",
    [
        pytest.param("autotinybert", "student-super", True, marks=pytest.mark.slow),
        pytest.param("tinybert", "student-general", True, marks=pytest.mark.slow),
        pytest.param("hybrid", "student-mlm", False, marks=pytest.mark.slow),
        pytest.param("hybrid", "student-relations", True, marks=pytest.mark.slow),
        pytest.param("hybrid", "student-relations", False, marks=pytest.mark.slow),
    ],
)
def test_stopped_phases(recipe, stage, inside, teachers, tmp_path, train, tiny_flags):
    """A run that is stopped inside a phase, or between two, ends with the same weights.

    TinyBERT's projections and their moments are part of the checkpoint.
    """
    flags = flags_of(recipe, tiny_flags, teacher=teachers["whole"], steps=20)
    whole, stopped, stages = tmp_path / "whole", tmp_path / "stopped", RUNS[recipe][2]
    train([*flags, f"--output_dir={whole}"], stop_after="student")
    train([*flags, f"--output_dir={stopped}"], stop_at=stop_point(stage, inside, stages))
    first_steps = train([*flags, f"--output_dir={stopped}"], stop_after="student")
    assert first_steps[stage] == (3 if inside else STEPS[stage])  # nothing is done again
    file = "student/model.safetensors"
    assert (whole / file).read_bytes() == (stopped / file).read_bytes()


def mobilebert_flags(tiny_flags, **changes):
    """An inverted-bottleneck teacher that is pre-trained here, and a MobileBERT of two layers."""
    teacher = dict(teacher_type="mobilebert", teacher_config="L-2_H-24_B-16_A-2_F-1_E-8")
    student = dict(student_type="mobilebert", student_config="L-2_H-8_B-16_A-2_F-2_E-8_OPT")
    settings = dict(recipe="mobilebert_pkt", student_init="embeddings", steps=24, teacher_steps=4)
    return tiny_flags(**teacher, **student, **settings | changes)


@pytest.mark.slow
def test_mobilebert_ends_in_a_checked_file(tmp_path, run_command, tiny_flags):
    path = tmp_path / "run"
    assert run_command("train", *mobilebert_flags(tiny_flags, output_dir=path)) == 0
    metrics = json.loads((path / "metrics.json").read_text())
    assert metrics["export"]["student.tflite"]["agreement"] > 0.99
    stages = ["student-transfer_0", "student-transfer_1", "student-distil"]
    assert facts(path)["student"]["stages"] == stages
    assert load_model(path / "student").config.normalization_type == "no_norm"


@pytest.mark.slow
@pytest.mark.parametrize(
    "stage, inside",
    [("student-transfer_0", False), ("student-transfer_1", True), ("student-transfer_1", False)],
)
def test_a_stopped_progressive_transfer(stage, inside, tmp_path, train, tiny_flags):
    """Killed between and inside its stages, it ends with the weights of one that ran on."""
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    flags = mobilebert_flags(tiny_flags)
    train([*flags, f"--output_dir={whole}"], stop_after="student")
    stages = ["student-transfer_0", "student-transfer_1", "student-distil"]
    train([*flags, f"--output_dir={stopped}"], stop_at=stop_point(stage, inside, stages))
    assert not (stopped / "student").exists()
    train([*flags, f"--output_dir={stopped}"], stop_after="student")
    file = "student/model.safetensors"
    assert (whole / file).read_bytes() == (stopped / file).read_bytes()


@pytest.mark.slow
def test_a_phase_that_continues_with_the_same_optimizer(tmp_path, train, tiny_flags):
    """Its learning rate is its share of the run's and warms up again; the moments stay."""
    weights = {}
    for fresh in (True, False):
        own, path = tmp_path / f"own_{fresh}.py", tmp_path / str(fresh)
        own.write_text(
            "from tfdistill.distillation.phases import Phase, Recipe, Term\n"
            "terms = (Term('mlm', 1.0),)\n"
            "phases = Phase('one', terms), Phase('two', terms, learning_rate=0.5, "
            f"fresh_optimizer={fresh})\n"
            "two = Recipe('two', phases, source='my own')\n"
        )
        flags = tiny_flags(
            recipe=f"{own}:two",
            teacher=None,
            tokenizer=None,
            student_config="L-1_H-16_A-2",
            student_init="random",
            output_dir=path,
            warmup_prop=0.5,
            learning_rate=0.01,
            log_interval=1,
            dropout=0,
        )
        train(flags, stop_after="student")
        curves = [
            [json.loads(row) for row in (path / "checkpoints" / s / "curve.jsonl").open()]
            for s in ("student-one", "student-two")
        ]
        rates = [[row["learning_rate"] for row in c if row["step"]] for c in curves]
        np.testing.assert_allclose(rates[0], [0.005, 0.01, 0.01, 0.005], rtol=1e-5)
        np.testing.assert_allclose(rates[1], [0.0025, 0.005, 0.005, 0.0025], rtol=1e-5)
        weights[fresh] = load_file(path / "student" / "model.safetensors")
    assert any(not np.array_equal(weights[True][n], weights[False][n]) for n in weights[True])


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, losses",
    [("angles", "loss_cos loss_hidden loss_mlm"), ("flows", "loss_fsp loss_gram loss_mlm")],
)
def test_recipes_of_the_documentation(name, losses, teachers, tmp_path, train, tiny_flags):
    page = (Path(__file__).parents[1] / "docs" / "RECIPES.md").read_text("utf-8")
    example = page.partition("## A recipe of your own")[2].partition("```python\n")[2]
    own, path = tmp_path / "my_recipes.py", tmp_path / "run"
    own.write_text(example.partition("```")[0])
    shared = dict(teacher=teachers["whole"], tokenizer=None, student_config="L-2_H-16_A-2")
    train(tiny_flags(recipe=f"{own}:{name}", output_dir=path, **shared), stop_after="student")
    curves = (path / "checkpoints").glob("student*/curve.jsonl")
    rows = [json.loads(row) for curve in curves for row in curve.open()]
    assert sorted({key for row in rows for key in row if key.startswith("loss_")}) == losses.split()


def test_impossible_recipes_are_refused_before_any_work(
    teachers, tmp_path, run_command, tiny_flags, capfd
):
    for recipe, words, complaint in (
        ("tinybert", ["--student_config=L-2_H-8_A-1"], "head by head"),
        ("tinybert", ["--projection=none"], "--projection=shared"),
        ("tinybert", ["--layer_map=last", "--student_config=L-5_H-16_A-2"], "deeper"),
        ("pkd", ["--student_config=L-1_H-16_A-2"], "use at least 2"),
        ("minilm", ["--relation_heads=3"], "--relation_heads=3 does not divide"),
        ("minilm", ["--relation_layer=4"], "names layer 4 of a teacher with 4 layers"),
        ("minilm", ["--schedules=alpha_ce=linear:1:0"], "has no number 'alpha_ce'"),
        ("minilm", ["--steps=2"], "none is left for the phase 'head'"),
        ("hybrid", ["--then=mlm"], "--then=mlm is no recipe with a teacher"),
        ("pkd", ["--schedules=temperature=linear:4:0"], "temperature cannot be 0.0"),
        ("missing.py:angles", [], "there is no file missing.py"),
        ("own.py", [], "add :NAME"),
    ):
        path = tmp_path / "run"
        flags = flags_of(recipe if recipe in RUNS else "pkd", tiny_flags, output_dir=path)
        words = [f"--teacher={teachers['whole']}", f"--recipe={recipe}", *words]
        assert run_command("train", *flags, *words) == 1
        lines = capfd.readouterr().err.splitlines()
        assert len(lines) == 1 and complaint in lines[0]
        assert not path.exists()


def test_a_recipe_file_is_named_on_the_command_line_alone(
    teachers, tmp_path, run_command, train, tiny_flags, capfd
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
    words = [*tiny_flags(**shared), f"--recipe={own}:heads"]
    train(words, stop_after="student")
    start, student = (
        load_file(folder / "model.safetensors")
        for folder in (path / "checkpoints" / "student_start", path / "student")
    )
    changed = {name for name in start if not np.array_equal(start[name], student[name])}
    assert changed and all(name.startswith("cls.predictions") for name in changed)
    own.write_text(own.read_text() + "# other words\n")
    assert run_command("train", f"--flagfile={flagfile}", f"--recipe={own}:heads") == 1
    assert f"holds a run made with --recipe={own}:heads (" in capfd.readouterr().err
