"""Settings as lines of a flagfile."""

from tfdistill.command_line.cli import Command
from tfdistill.command_line.run_config import RunConfig
from tfdistill.settings.flagfile import flag_lines, from_texts, given_flags, parse_flag_lines


def test_the_lines_repeat_the_settings():
    config = RunConfig(length=64, remat=True, learning_rate=1e-3, corpus="a b,c", alpha_ce=0.5)
    lines = flag_lines(config)
    assert {"--length=64", "--remat=true", "--learning_rate=0.001", "--corpus=a b,c"} <= set(lines)
    assert Command("", ()).config(lines) == config


def test_lines_neither_delete_a_run_nor_name_another_command():
    names = parse_flag_lines(flag_lines(RunConfig(force=True, json=True, model="x", page="y")))
    assert not {"force", "json", "model", "text", "runs", "page", "metal_audit"} & names.keys()


def test_given_flags():
    assert given_flags(RunConfig()) == {}
    given = RunConfig(seed=3, freeze_pos_embs=True)
    assert given_flags(given) == {"seed": "3", "freeze_pos_embs": "true"}
    other = RunConfig(task="text_classification", n_epoch=3.0)
    assert given_flags(other) == {"task": "text_classification", "n_epoch": "3.0"}


def test_comments_are_skipped():
    assert parse_flag_lines(["# --seed=1", "", "--length=9", "--force"]) == {"length": "9"}


def test_texts_become_settings_again():
    config = RunConfig(length=64, remat=True, learning_rate=1e-3, corpus="a b,c", alpha_ce=0.5)
    texts = parse_flag_lines(flag_lines(config)) | {"of_another_release": "1"}
    assert from_texts(texts, RunConfig) == config
