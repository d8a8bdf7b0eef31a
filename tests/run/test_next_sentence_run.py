"""Runs that also learn to predict the next sentence (`nsp`)."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from tfdistill.models.hugging_face.checkpoint import load_model
from tfdistill.settings.flagfile import parse_flag_lines

PAIRS = dict(nsp="true", alpha_nsp=1, corpus="sample", length=24, teacher_steps=12, steps=12)
PAIRS |= dict(student_config="L-1_H-16_A-2", tflite_lengths=24, tflite_variants="float32")

OWN = """
from tfdistill.distillation.phases import Phase, Recipe, Term

def own():
    return Recipe("own", (Phase("all", (Term("mlm", 1.0), Term("nsp", 1.0))),), source="ours")
"""


@pytest.fixture(scope="module")
def texts(tiny_text, tmp_path_factory):
    """A folder with two documents of 30 kB and a third one."""
    folder = tmp_path_factory.mktemp("texts")
    text = (tiny_text / "text.txt").read_text("utf-8").replace(" = ", "")
    for number in range(3):
        (folder / f"{number}.txt").write_text(text[number * 13_000 :][:13_000], "utf-8")
    return folder


@pytest.fixture(scope="module")
def flags(texts, tiny_flags):
    return lambda **changes: tiny_flags(**(PAIRS | {"corpus": texts} | changes))


@pytest.fixture(scope="module")
def run(flags, train, tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "pairs"
    train(flags(output_dir=path))
    return path


@pytest.mark.slow
def test_a_run_measures_pairs_and_reports_them(run):
    metrics = json.loads((run / "metrics.json").read_text())
    for key in ("teacher", "student"):
        model = metrics["models"][key]
        assert 0 < model["nsp_loss"] < 2 and 0 <= model["nsp_accuracy"] <= 1
        rows = (run / "checkpoints" / key / "curve.jsonl").read_text().splitlines()
        rows = [json.loads(row) for row in rows]
        assert all(row["loss_nsp"] > 0 for row in rows if "loss" in row)
        assert ("loss_nsp_kl" in rows[-1]) == (key == "student")
        assert 0 < rows[-1]["validation_nsp_loss"] < 2
        pairs = load_model(run / key, next_sentence=True).next_sentence
        assert pairs is not None and np.abs(pairs.dense.bias.numpy()).max() > 0  # trained
    assert "nsp_accuracy" not in metrics["models"]["unigram"]
    accuracy = f"{100 * metrics['models']['student']['nsp_accuracy']:.1f}"
    for name in ("report.html", "results.md"):
        text = (run / name).read_text("utf-8")
        assert "next sent." in text and accuracy in text
    assert "student: nsp_kl" in (run / "report.html").read_text("utf-8")


@pytest.mark.slow
def test_the_student_starts_with_the_teachers_head(run):
    start, teacher = (
        load_file(run / name / "model.safetensors")
        for name in ("checkpoints/student_start", "teacher")
    )
    for name in ("bert.pooler.dense.weight", "cls.seq_relationship.weight"):
        np.testing.assert_array_equal(start[name], teacher[name])


@pytest.mark.slow
def test_evaluate_repeats_the_results(run, run_command, capfd):
    assert run_command("evaluate", f"--output_dir={run}", "--json") == 0
    again = json.loads(capfd.readouterr().out)
    assert again["models"]["student"]["nsp_loss"] == pytest.approx(
        json.loads((run / "metrics.json").read_text())["models"]["student"]["nsp_loss"], abs=1e-6
    )
    stored = parse_flag_lines((run / "flags.txt").read_text().splitlines())
    assert stored["nsp"] == "true"


@pytest.mark.slow
def test_a_stopped_run_ends_with_the_same_weights(run, flags, train, tmp_path):
    path = tmp_path / "stopped"
    train(flags(output_dir=path), stop_at=("teacher", 7))
    train(flags(output_dir=path), stop_at=("student", 5))
    first = train(flags(output_dir=path))
    assert first["student"] == 3
    for key in ("teacher", "student"):
        ours, theirs = (load_file(folder / key / "model.safetensors") for folder in (path, run))
        assert ours.keys() == theirs.keys() and "cls.seq_relationship.weight" in ours
        for name, value in theirs.items():
            np.testing.assert_array_equal(ours[name], value)


@pytest.mark.slow
def test_a_narrower_mobilebert_with_a_cache(flags, train, tmp_path):
    """A head of its own, the loss of labels alone, and the teacher's other signals from a cache."""
    path = tmp_path / "run"
    words = flags(
        output_dir=path,
        teacher_type="mobilebert",
        teacher_config="L-2_H-16_B-24_A-2_F-1_E-8",
        student_type="mobilebert",
        student_config="L-1_H-8_B-16_A-2_F-2_E-8_OPT",
        student_init="random",
        layerdrop=0,
        alpha_nsp=0,
        teacher_cache=tmp_path / "cache",
        restrict_ce_to_mask="true",
        projection="shared",
    )
    train(words)
    metrics = json.loads((path / "metrics.json").read_text())
    assert 0 < metrics["models"]["student"]["nsp_loss"] < 2


@pytest.mark.parametrize(
    "changes, words",
    [
        (dict(corpus="one.txt"), "fewer than two: give more documents"),
        (dict(length=7, tflite_lengths=7), "--nsp needs rows of at least 8"),
        (dict(student_type="distilbert"), "the student is a distilbert, which has no token types"),
        (dict(nsp="false"), "--alpha_nsp compares logits of pairs of segments: set"),
        (dict(recipe="minilm", head_share=0), "no phase of --recipe=minilm trains masked LM"),
        (dict(alpha_nsp=0, alpha_mlm=0), "no phase of --recipe=distilbert trains masked LM"),
        (dict(recipe="own.py:own"), "names a loss of pairs of segments, which --nsp and"),
        (dict(recipe="own.py:own", nsp="false", alpha_nsp=0), "leave it out there, and set them"),
        (dict(teacher_cache="cache"), "it stores no logits of pairs of segments"),
        (dict(teacher="plain"), "--alpha_nsp needs a head for pairs of segments"),
        (
            dict(teacher="plain", alpha_nsp=0, layerdrop_adapt_steps=3),
            "--layerdrop_adapt_steps needs a head for pairs",
        ),
        (dict(task="text_classification", alpha_nsp=0, train_data="x.csv"), "is for --task=masked"),
    ],
)
def test_impossible_settings_are_refused(
    changes, words, flags, run_command, user_folder, texts, tmp_path, monkeypatch, capfd
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.txt").write_text(" ".join((texts / "0.txt").read_text("utf-8").split()))
    (tmp_path / "own.py").write_text(OWN)
    if "teacher" in changes:
        changes = {**changes, "teacher": user_folder / "runs" / "mini" / "teacher"}
        changes |= dict.fromkeys(("teacher_config", "teacher_steps"))
        changes |= {} if "layerdrop_adapt_steps" in changes else {"layerdrop": None}
    assert run_command("train", *flags(output_dir=tmp_path / "run", **changes)) == 1
    out = capfd.readouterr()
    (line,) = out.err.splitlines()
    assert words in line
    assert not (tmp_path / "run").exists()
