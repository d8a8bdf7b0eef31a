"""The teacher of masked-LM runs is measured once on a test split, for all of its students."""

import json
import shutil

import pytest

from tfdistill.run.kept_measures import FILE, FOLDER


@pytest.fixture
def evaluated(train, tiny_flags, encoder_with_head, tmp_path):
    """A function of a run's name and flags to what it measured, and the kept files."""

    def run(name, **flags):
        given = dict(teacher=encoder_with_head, tokenizer=None, shards_dir=tmp_path / "shards")
        given |= dict.fromkeys(("teacher_config", "teacher_steps", "layerdrop"))
        given |= dict(student_config="L-1_H-32_A-2", output_dir=tmp_path / name)
        train([*tiny_flags(**(given | flags)), "--stop_after=evaluate", "--baseline=none"])
        state = json.loads((tmp_path / name / "checkpoints" / "state.json").read_text("utf-8"))
        kept = (tmp_path / "shards" / FOLDER).rglob(FILE)
        return state["done"]["evaluate"], {file: file.stat().st_mtime_ns for file in kept}

    return run


@pytest.fixture(scope="module")
def encoder_with_head(save_encoder, tmp_path_factory):
    return save_encoder(tmp_path_factory.mktemp("teacher"), layers=2, with_head=True)


def test_measured_once(evaluated, encoder_with_head):
    first, kept = evaluated("first", recipe="distilbert")
    second, kept_after = evaluated("second", recipe="mlm", seed=1, masked_lm_prob=0.3)
    assert len(kept) == 1 and kept_after == kept
    assert second["models"]["teacher"] == first["models"]["teacher"]
    assert second["models"]["student"]["loss"] != first["models"]["student"]["loss"]
    assert 0 <= second["models"]["student"]["agreement"] <= 1


def test_other_rows_are_measured_anew(evaluated):
    first, kept = evaluated("first")
    second, kept_after = evaluated("second", length=8)
    assert len(kept) == 1 and len(kept_after) == 2
    assert second["models"]["teacher"]["loss"] != first["models"]["teacher"]["loss"]


@pytest.mark.slow
def test_like_the_evaluate_command(evaluated, encoder_with_head, tiny_text):
    import tfdistill

    first, _ = evaluated("first")
    second, _ = evaluated("second", seed=1)  # reads what the first has kept
    model = tfdistill.load_model(encoder_with_head)
    corpus = str(tiny_text / "text.txt")
    fresh = tfdistill.evaluate_model(model, corpus=corpus, tokenizer=encoder_with_head, length=16)
    for metric in ("loss", "top1", "top5"):
        value = fresh["models"]["model"][metric]
        assert first["models"]["teacher"][metric] == pytest.approx(value, rel=1e-6)
        assert second["models"]["teacher"][metric] == first["models"]["teacher"][metric]


def test_damaged_measures_are_made_again(evaluated):
    first, kept = evaluated("first")
    (file,) = kept
    file.write_bytes(file.read_bytes()[:-1])
    second, _ = evaluated("second", seed=1)
    assert second["models"]["teacher"] == first["models"]["teacher"]


def test_a_folder_that_takes_no_measures_ends_no_run(evaluated, tmp_path, capsys):
    """Such as a read-only one with prepared text, which a run may have."""
    first, _ = evaluated("first")
    shutil.rmtree(tmp_path / "shards" / FOLDER)
    (tmp_path / "shards" / FOLDER).write_text("in the way")
    second, kept = evaluated("second", seed=1)
    assert second["models"]["teacher"] == first["models"]["teacher"] and not kept
    assert "what the teacher predicts is not kept" in capsys.readouterr().out
