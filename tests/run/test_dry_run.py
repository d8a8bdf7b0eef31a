"""`train` with `dry_run` says what a run would take, and writes nothing."""

import re

import pytest

from tfdistill.command_line.console import Console
from tfdistill.command_line.run_config import RunConfig
from tfdistill.run.job import MainJob
from tfdistill.system.errors import UserError

SHAPES = {"teacher_config": "L-2_H-16_A-2", "student_config": "L-1_H-16_A-2", "length": 16}


@pytest.fixture
def said(tmp_path, capsys):
    """A function of settings to what a dry run says: dict of the first words to the lines."""

    def run(**settings):
        folders = {"output_dir": str(tmp_path / "run"), "shards_dir": str(tmp_path / "shards")}
        usual = dict(precision="float32", device="cpu", dry_run=True, **SHAPES)
        before = sorted(tmp_path.rglob("*"))
        job = MainJob(RunConfig(**{**usual, **folders, **settings}), Console())
        capsys.readouterr()
        job.dry_run()
        assert sorted(tmp_path.rglob("*")) == before  # nothing was written
        return dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())

    return run


MASKED_LM = "autotinybert distilbert hybrid minilm minilm_v1 mlm pkd textbrewer tinybert".split()


@pytest.mark.parametrize("recipe", MASKED_LM)
def test_each_recipe_of_text(said, recipe):
    shapes = {"teacher_config": "L-3_H-16_A-2", "student_config": "L-2_H-16_A-2"}
    lines = said(recipe=recipe, steps=4, teacher_steps=4, **shapes)
    assert f"recipe {recipe}" in lines["task"] and "GB of the" in lines["memory"]


@pytest.mark.parametrize(
    "layers, start, words",
    [
        (1, "every_other", "every_other"),
        (2, "every_other:importance", "every_other:importance, here all layers of the teacher"),
        (2, "search", "search, here all layers of the teacher"),
        (2, "random", "random"),
    ],
)
def test_the_start(said, layers, start, words):
    """A student with all of its teacher's layers leaves none out."""
    lines = said(steps=4, student_config=f"L-{layers}_H-16_A-2", student_init=start)
    assert lines["start"].split(";")[0] == words


def test_a_corpus_that_is_not_prepared(said):
    """Its rows are estimated from its size: the bundled text has 615,739 tokens for training."""
    lines = said(
        n_epoch=2, steps=0, teacher_steps=7, batch_size=8, recipe="minilm", baseline="none"
    )
    assert lines.keys() >= set("task teacher student start steps memory disk time".split())
    assert "recipe minilm" in lines["task"] and lines["start"].endswith("none")
    words = lines["steps"].replace(",", "").replace(";", "").split()
    assert words[:4] == ["teacher", "7", "student", "about"]
    exact = 2 * 615_739 / (14 * 8)
    assert exact < int(words[4]) < 1.25 * exact  # the held-out text is part of the size
    assert "GB of the" in lines["memory"] and "are free" in lines["disk"]
    # 30,522 words × 16, positions, types, and the head's transform and bias.
    assert "bert, 1 layers × 16, 0.5 million parameters" in lines["student"]


@pytest.mark.parametrize(
    ("last", "steps"),
    [
        ("prepare", "none"),
        ("teacher", "teacher 7"),
        ("start", "teacher 7"),
        ("student", "teacher 7, student 5"),
        ("evaluate", "teacher 7, student 5, baseline 5"),
    ],
)
def test_a_run_that_ends_early(said, last, steps):
    """Only what is trained until then counts."""
    flags = dict(teacher_steps=7, steps=5, baseline="random", augmentation="")
    lines = said(stop_after=last, **flags)
    assert lines["steps"] == steps
    assert ("start" in lines) == (last not in ("prepare", "teacher"))
    assert ("nothing is trained" == lines["time"]) == (last == "prepare")
    whole = said(**flags)
    assert _gigabytes(lines["memory"]) <= _gigabytes(whole["memory"])


def _gigabytes(line):
    return float(re.search(r"[\d.]+", line)[0])


def test_examples_with_labels(said, tmp_path):
    (tmp_path / "data.csv").write_text(
        "text,label\n" + "".join(f"the whale {i},{'ab'[i % 2]}\n" for i in range(100))
    )
    lines = said(
        task="text_classification",
        train_data=str(tmp_path / "data.csv"),
        recipe="kd",
        teacher=str(_encoder(tmp_path)),
        batch_size=10,
        n_epoch=3,
        teacher_epochs=2,
        tokenizer="",
    )
    steps = lines["steps"].replace(",", "").split()
    assert steps[0] == "teacher" and steps[2] == "student" and steps[4] == "no_teacher"
    assert int(steps[3]) == int(steps[5]) == 1.5 * int(steps[1])
    # What the data are, as a run tells it.
    assert lines[f"{tmp_path / 'data.csv'}:"] == "text from 'text', label from 'label'"
    assert lines["examples:"].startswith("train 80, validation 10 (cut from train), test 10 (cut")
    assert lines["train:"] == "80 examples of 5.0 tokens in the mean; 0.0 % are cut at 16 tokens"


def test_a_setting_without_a_use(said):
    lines = said(steps=4, teacher_steps=4, recipe="mlm", temperature=3.0, teacher_epochs=1)
    assert lines["--temperature"] == "changes nothing in this --recipe=mlm: left out"
    assert lines["--teacher_epochs"].startswith("changes nothing here, only for a --task with")


def test_the_time_is_that_of_all_parts_and_teachers(said, tmp_path, monkeypatch):
    # 0.65 of it: 1 second for a million operations, so that what is no product is little.
    monkeypatch.setattr("tfdistill.run.product_rate.product_rate", lambda precision: 1e6 / 0.65)

    def hours(**settings):
        usual = dict(steps=10_000, batch_size=8, baseline="none", student_init="random")
        found = re.search(r"(\d+) h (\d+) min to", said(**usual | settings)["time"])
        return int(found[1]) + int(found[2]) / 60

    drawn = dict(recipe="autotinybert", super_regime="mlm", super_step=2, super_layers=1)
    whole = hours(**drawn, train_parts=False)
    assert hours(**drawn) == whole
    assert hours(**drawn, sandwich=True) == pytest.approx(4 * whole, rel=0.001)
    encoder = str(_encoder(tmp_path))
    times = [
        hours(recipe="kd", teacher_config="", teacher=",".join([encoder] * count))
        for count in (1, 2, 3)
    ]
    assert times[2] - times[1] == pytest.approx(times[1] - times[0], rel=0.001)
    assert times[1] > 1.2 * times[0]


def test_the_time_is_that_of_the_lengths_that_batches_have(said, tmp_path, monkeypatch):
    monkeypatch.setattr("tfdistill.run.product_rate.product_rate", lambda precision: 1e6 / 0.65)
    encoder = str(_encoder(tmp_path))

    def minutes(words, length):
        file = tmp_path / f"{words}.csv"
        text = "whale " * words
        file.write_text("text,label\n" + "".join(f"{text}{i},{'ab'[i % 2]}\n" for i in range(100)))
        usual = dict(task="text_classification", recipe="kd", batch_size=8, steps=1000)
        usual |= dict(teacher=encoder, tokenizer="", baseline="none", teacher_config="")
        time = said(train_data=str(file), length=length, **usual)["time"]
        found = re.search(r"(\d+) h (\d+) min to", time)
        return 60 * int(found[1]) + int(found[2])

    assert minutes(5, 64) < 1.2 * minutes(5, 16)
    assert minutes(50, 64) > 3 * minutes(5, 64)


def _encoder(folder):
    """A tiny encoder with the bundled tokenizer, without a head."""
    from tfdistill.data.tokenizer import load_tokenizer
    from tfdistill.models.configs.config_files import named_config
    from tfdistill.models.hugging_face.checkpoint import save_model
    from tfdistill.models.model import MaskedLanguageModel

    model = MaskedLanguageModel(named_config("L-2_H-16_A-2", "bert", 30_522), seed=1)
    save_model(model, folder / "encoder")
    load_tokenizer().save(folder / "encoder")
    return folder / "encoder"


def test_wrong_settings_are_errors_here_too(said):
    with pytest.raises(UserError, match="student_config"):
        said(recipe="tinybert", student_config="L-3_H-16_A-2", student_init="every_other")
