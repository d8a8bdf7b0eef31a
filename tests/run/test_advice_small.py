"""Students without layers in the advice on a new run: which, for which tasks, and what fits."""

import re
from pathlib import Path

import pytest

from tfdistill.command_line.run_config import RunConfig
from tfdistill.models.configs.model_types import get_model_type
from tfdistill.run import advice_small
from tfdistill.run.advice import advise
from tfdistill.run.advice_shapes import Size
from tfdistill.run.early_plan import begin_plan, check_settings, open_directory
from tfdistill.system.errors import UserError
from tfdistill.train import COMMAND as TRAIN

ROOT = Path(__file__).resolve().parents[2]
BERT = Size(12, 768, 12, 3072, vocabulary=30_522)


def kinds(text):
    return re.findall(r"`student_type`=(\w+)", text)


@pytest.mark.parametrize(
    "task, expected",
    [
        ("text_classification", ["bilstm", "static"]),
        ("regression", ["bilstm", "static"]),
        ("token_classification", ["bilstm"]),
        ("question_answering", []),
        ("masked_lm", []),
    ],
)
def test_they_are_named_for_the_tasks_that_they_learn(task, expected):
    found = advise(RunConfig(task=task, teacher="bert-base-uncased"), None)
    assert [name for each in found["choices"] for name in kinds(each["reason"])] == expected
    if "static" in expected:
        assert task in get_model_type("tfdistill_static").tasks
    with pytest.raises(UserError) as error:
        advise(RunConfig(task=task, teacher="bert-base-uncased", budget_mb=4.0), None)
    assert kinds(str(error.value).replace("student_type", "`student_type`")) == expected
    assert ("or train" in str(error.value)) == bool(expected)


def test_the_error_has_the_flags(run_command, capfd):
    assert run_command("advise", "--task=text_classification", "--budget_mb=4") == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert "--student_type=bilstm --recipe=bilstm --augmentation=bilstm (int8 file of 1.86" in line
    assert "--student_type=static --recipe=static --student_config=H-96 (int8 file of about" in line


@pytest.mark.parametrize(
    "budget, widths", [(0, ["H-256"]), (4, ["H-96"]), (2, ["H-32"]), (1.5, ["H-32"]), (1, [])]
)
def test_the_table_has_a_width_that_fits(budget, widths):
    found = advice_small.instead("regression", BERT, budget)
    assert re.findall(r"H-\d+", found) == widths
    assert ("bilstm" in found) == (budget in (0, 2, 4))  # it has 1.86 MB
    narrow = advice_small.instead("regression", BERT._replace(width=96), budget)
    assert re.findall(r"H-\d+", narrow) == [width.replace("H-256", "H-96") for width in widths]


def test_numbers_are_those_of_the_documentation():
    text = (ROOT / "docs" / "RESULTS.md").read_text("utf-8")
    bilstm = text.partition("## A BiLSTM on SST-2")[2].partition("\n## ")[0]
    (way,) = advice_small.ways("token_classification", BERT, 0)
    numbers = re.findall(r"\d+\.\d+|\d+,\d+", way.fact)
    assert len(numbers) == 3 and all(number in bilstm for number in numbers)
    (size,) = re.findall(r"int8 file has (\d+\.\d+) MB and the same vectors", text)
    assert advice_small.static_bytes(BERT.vocabulary, 256) == pytest.approx(
        1e6 * float(size), rel=2e-3
    )


@pytest.mark.parametrize("kind", ["bilstm", "static"])
def test_the_flags_are_planned(kind, encoder, words, write_data, tmp_path):
    """The advised flagfile without what a remark leaves out, and with what it gives."""
    data = write_data["text_classification"](tmp_path / "texts.csv", words)
    usual = dict(task="text_classification", teacher=str(encoder), train_data=str(data), length=24)
    found = advise(RunConfig(**usual, shards_dir=str(tmp_path)), None)
    (reason,) = [each["reason"] for each in found["choices"] if kind in each["reason"]]
    left, given = reason.partition("leave ")[2].split(" out, and give ")
    left = {f"--{name}" for name in re.findall(r"`(\w+)`", left)}
    kept = [flag for flag in found["flags"] if flag.partition("=")[0] not in left]
    flags = [f"--{name}={value}" for name, value in re.findall(r"`(\w+)`=(\S+)", given)]
    config = TRAIN.config([*kept, *flags, f"--output_dir={tmp_path / 'run'}"])
    assert (config.student_type, config.recipe) == (kind, kind)
    early = begin_plan(config, check_settings(config), open_directory(config))
    assert early.shapes.student.model_type == f"tfdistill_{kind}"
