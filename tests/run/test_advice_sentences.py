"""Advice on a new sentence encoder: models, settings, and a flagfile that `train` accepts."""

import re
from pathlib import Path

import numpy as np
import pytest

from tfdistill.command_line.run_config import RunConfig
from tfdistill.deployment.operators import POOLER
from tfdistill.run.advice import advise
from tfdistill.run.advice_shapes import Size
from tfdistill.train import COMMAND as TRAIN

ROOT = Path(__file__).resolve().parents[2]
MINILM = "sentence-transformers/all-MiniLM-L6-v2"


def advice(**settings):
    found = advise(RunConfig(task="sentence_embedding", **settings), None)
    return found, {each["setting"]: each["value"] for each in found["choices"]}


def test_settings_are_those_of_the_flagfile():
    found, values = advice()
    theirs = TRAIN.config([f"--flagfile={ROOT / 'configs' / 'sentence_embedding.flags'}"])
    assert found["teacher"]["name"] == theirs.teacher == MINILM and not found["students"]
    del values[""]
    assert values == {name: getattr(theirs, name) for name in values}
    expected = {"student_config", "student_init", "recipe", "batch_size", "n_epoch"}
    assert values.keys() == expected | {"learning_rate", "patience"}
    assert f"--teacher={MINILM}" in found["flags"]
    assert "# Name the sentences here or on the command line, by train_data." in found["flags"]
    pooler = Size(3, 384, 12, 1536, 30_522).int8_bytes((16, 32, 64, 128), POOLER)
    assert found["student"]["int8_bytes"] < pooler  # the head has no weights


def test_a_narrower_student_of_few_sentences():
    found, values = advice(rows=9_000, budget_mb=15.0)
    assert values["student_config"] == "L-4_H-312_A-12_I-1200"
    assert (values["student_init"], values["n_epoch"]) == ("spaced:pca", 20.0)
    assert "--n_epoch=20.0" in found["flags"]


def test_a_wider_teacher_has_the_rule_of_rates():
    found, values = advice(teacher="bert-base-uncased", recipe="static")
    assert values["learning_rate"] == 1e-4 and values["recipe"] == "static"
    assert values["student_config"] == "L-6_H-768_A-12"
    assert sum(flag.startswith("--recipe=") for flag in found["flags"]) == 1


def test_numbers_are_those_of_the_documentation():
    text = (ROOT / "docs" / "RESULTS.md").read_text("utf-8")
    text = text.partition("## A sentence encoder")[2].partition("## MobileBERT")[0]
    found = [*advice(budget_mb=15.0)[0]["choices"], *advice(rows=9_000)[0]["choices"]]
    reasons = [each["reason"] for each in found if "docs/RESULTS.md" in each["reason"]]
    numbers = {number for reason in reasons for number in re.findall(r"\d+\.\d+|\d+,\d+", reason)}
    assert len(numbers) >= 8 and all(number in text for number in numbers)


@pytest.mark.parametrize("named", [True, False])
def test_the_flagfile_is_accepted(named, encoder, words, tmp_path, run_command, capfd):
    draws = np.random.default_rng(0)
    lines = [" ".join(draws.choice(words, size=draws.integers(3, 11))) for _ in range(400)]
    (tmp_path / "sentences.txt").write_text("\n".join(lines), "utf-8")
    file = tmp_path / "advised.flags"
    flags = ["--task=sentence_embedding", f"--teacher={encoder}", "--length=24"]
    flags += [f"--shards_dir={tmp_path / 'shards'}", f"--write={file}"]
    flags += [f"--train_data={tmp_path / 'sentences.txt'}"] * named
    assert run_command("advise", *flags) == 0
    count = f", {len(set(lines)) - 2 * 40} examples" * named  # two tenths are held out
    assert f"task: sentence_embedding{count}\n" in capfd.readouterr().out
    words = [f"--flagfile={file}", f"--output_dir={tmp_path / 'run'}", "--dry_run"]
    assert run_command("train", *words) == 0
    shown = capfd.readouterr().out
    assert "task     sentence_embedding, recipe sentence" in shown
    assert "student  bert, 1 layers × 32" in shown and "start    spaced" in shown
