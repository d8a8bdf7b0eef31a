"""A run from a teacher whose table is longer than its vocabulary, through all commands."""

import json

import numpy as np
import pytest

from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.models.hugging_face.checkpoint import load_model, save_model

pytestmark = pytest.mark.slow

SPARE = 6


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_text, tiny_model, tiny_flags, run_command):
    """(flags, folder) of a run whose teacher holds its spare rows likely."""
    tokenizer = load_tokenizer(str(tiny_text / "vocabulary"))
    rows = tokenizer.vocab_size + SPARE
    teacher = tiny_model(1, hidden_size=16, intermediate_size=64, vocab_size=rows)
    bias = teacher.head.bias.numpy()
    bias[-SPARE:] += 1
    teacher.head.bias.assign(bias)
    folder = tmp_path_factory.mktemp("padded")
    save_model(teacher, folder / "teacher")
    tokenizer.save(folder / "teacher")
    flags = tiny_flags(
        output_dir=folder / "run",
        teacher=folder / "teacher",
        tokenizer=None,
        teacher_config=None,
        teacher_steps=None,
        layerdrop=None,
    )
    assert not run_command("train", *flags)
    return flags, folder / "run"


def test_models_keep_their_spare_rows(run, tiny_text):
    _, folder = run
    words = load_tokenizer(str(folder / "student")).vocab_size
    assert words == load_tokenizer(str(tiny_text / "vocabulary")).vocab_size
    for model in ("teacher", "student"):
        assert load_model(folder / model).config.vocab_size == words + SPARE
    metrics = json.loads((folder / "metrics.json").read_text())
    assert np.isfinite(metrics["models"]["student"]["loss"])


def test_evaluate_takes_them(run, run_command, capfd):
    flags, folder = run
    assert not run_command("evaluate", *flags, "--json")
    found = json.loads(capfd.readouterr().out)["models"]["student"]
    assert (folder / "export" / "student.tflite").is_file()
    stored = json.loads((folder / "metrics.json").read_text())["models"]["student"]
    assert found["loss"] == pytest.approx(stored["loss"], rel=1e-4)


@pytest.mark.parametrize("model", ["student", "export/student.tflite"])
def test_fill_mask_prints_words_alone(model, run, run_command, capfd):
    _, folder = run
    flags = f"--model={folder / model}", "--top_k=1000", "--json"
    assert not run_command("fill_mask", *flags, "the [MASK] of")
    (words,) = json.loads(capfd.readouterr().out)["predictions"]
    assert len(words) == load_tokenizer(str(folder / "student")).vocab_size
    assert all(isinstance(word, str) for word, _ in words)
    assert sum(probability for _, probability in words) < 0.999
