"""A teacher without a masked-LM head gets one where its predictions are needed."""

import numpy as np
import pytest
from safetensors.numpy import load_file

WEIGHTS = "teacher/model.safetensors"
HEAD_STEPS = 12


@pytest.fixture(scope="module")
def flags(tiny_flags, encoder):
    """A function of flags to those of a student of the encoder that has no head."""
    usual = dict(
        teacher=encoder,
        head_steps=HEAD_STEPS,
        student_config="L-1_H-32_A-2_I-128",
        recipe="distilbert",
        **dict.fromkeys(["teacher_config", "teacher_steps", "layerdrop"]),
    )
    return lambda **changes: tiny_flags(**(usual | changes))


@pytest.mark.slow
def test_the_head_is_trained_and_the_encoder_stays(flags, encoder, train, tmp_path):
    """Once, and a run that is stopped while it is trained ends with the same weights."""
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    words = flags(output_dir=whole, shards_dir=tmp_path / "shards")
    assert train(words, stop_after="evaluate")["masked_lm_head"] == 0
    loaded, taught = load_file(encoder / "model.safetensors"), load_file(whole / WEIGHTS)
    assert all(np.array_equal(taught[name], array) for name, array in loaded.items())
    assert {"cls.predictions.bias"} <= taught.keys() - loaded.keys()

    words = flags(output_dir=stopped, shards_dir=tmp_path / "others")
    train(words, stop_at=("masked_lm_head", 7))
    assert 0 < train(words, stop_after="evaluate")["masked_lm_head"] <= 7
    for name in (WEIGHTS, "student/model.safetensors"):
        one, other = (load_file(folder / name) for folder in (whole, stopped))
        assert all(np.array_equal(one[key], other[key]) for key in one)

    words = flags(output_dir=tmp_path / "again", shards_dir=tmp_path / "shards", seed=1)
    assert "masked_lm_head" not in train(words, stop_after="teacher")
    assert load_file(tmp_path / "again" / WEIGHTS).keys() == taught.keys()
    words = flags(output_dir=tmp_path / "c", shards_dir=tmp_path / "shards", precision="bfloat16")
    assert "masked_lm_head" in train(words, stop_after="teacher")  # another head


@pytest.mark.slow
def test_it_is_adapted_to_layerdrop_with_its_head(flags, encoder, train, tmp_path):
    words = flags(output_dir=tmp_path, layerdrop=0.5, layerdrop_adapt_steps=8)
    stages = train(words, stop_after="evaluate")
    assert list(stages).index("masked_lm_head") < list(stages).index("teacher")
    loaded, adapted = load_file(encoder / "model.safetensors"), load_file(tmp_path / WEIGHTS)
    assert not all(np.array_equal(adapted[name], array) for name, array in loaded.items())


def test_the_plan_tells_of_it(flags, run_command, tmp_path, capfd):
    """Where the head is needed; the losses of `tinybert` reach none."""
    told = f"teacher's head {HEAD_STEPS}, student 8"
    for changes in ({}, {"recipe": "tinybert", "student_init": "search"}):
        words = flags(output_dir=tmp_path / "run", **changes)
        assert run_command("train", *words, "--dry_run") == 0
        assert told in capfd.readouterr().out
    words = flags(output_dir=tmp_path / "run", recipe="tinybert")
    assert run_command("train", *words, "--dry_run") == 0
    assert "teacher's head" not in capfd.readouterr().out


def test_one_of_several_teachers_gets_none(flags, encoder, run_command, tmp_path, capfd):
    words = flags(output_dir=tmp_path / "run", teacher=f"{encoder},{encoder}")
    assert run_command("train", *words) == 1
    error = capfd.readouterr().err
    assert "has no masked-LM head" in error and "tinybert" in error
