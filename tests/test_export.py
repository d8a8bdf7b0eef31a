"""The export and fill_mask commands."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.models.configs.encoder_config import EncoderConfig
from tfdistill.models.hugging_face.checkpoint import save_model
from tfdistill.models.model import MaskedLanguageModel

ROOT = Path(__file__).resolve().parents[1]
SPECIAL = "[PAD] [UNK] [CLS] [SEP] [MASK]"
WORDS = "the a whale ship sank struck saw in at on sea storm . , captain and men old".split()
TEXT = "The whale [MASK] the ship."


def run(command, *flags):
    return subprocess.run(
        [sys.executable, "-m", f"tfdistill.{command}", *map(str, flags)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a tiny model in run/student, and text in text/."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "vocabulary").mkdir()
    (folder / "vocabulary" / "vocab.txt").write_text("\n".join(SPECIAL.split() + WORDS) + "\n")
    tokenizer = load_tokenizer(str(folder / "vocabulary"))
    config = EncoderConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=16,
    )
    save_model(MaskedLanguageModel(config), folder / "run" / "student")
    tokenizer.save(folder / "run" / "student")
    (folder / "text").mkdir()
    for number in range(8):
        lines = [" ".join(WORDS[(number + i * k) % 18] for k in range(9)) for i in range(40)]
        (folder / "text" / f"{number}.txt").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def exported(folder):
    """The finished export command."""
    return run("export", *flags_of(folder), "--json")


def flags_of(folder):
    return (
        f"--output_dir={folder / 'run'}",
        f"--corpus={folder / 'text'}",
        f"--shards_dir={folder / 'shards'}",
        "--length=16",
        "--tflite_lengths=8",
    )


def test_export(folder, exported):
    assert exported.returncode == 0, exported.stderr
    result = json.loads(exported.stdout)
    output = folder / "run" / "export"
    assert result["directory"] == str(output)
    for name, facts in result["files"].items():
        assert (output / name).stat().st_size == facts["bytes"]
        assert re.search(rf"{name} .* {facts['agreement']:.1%}", exported.stderr)
    assert result["files"]["student.tflite"]["agreement"] == 1
    assert result["files"]["student.tflite"]["between_lengths"] < 1e-5
    assert "`tokens_8`, `tokens_16`" in (output / "model_card.md").read_text()
    assert (output / "saved_model" / "saved_model.pb").is_file()
    assert "Not measured." in (output / "model_card.md").read_text()


def test_fill_mask_with_keras_and_tflite(folder, exported):
    assert exported.returncode == 0, exported.stderr
    predictions = []
    for model in ("student", "export/student.tflite"):
        done = run("fill_mask", f"--model={folder / 'run' / model}", TEXT, "--json", "--top_k=3")
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout)
        assert result["text"] == TEXT
        (words,) = result["predictions"]
        predictions.append(words)
    assert [word for word, _ in predictions[0]] == [word for word, _ in predictions[1]]
    assert [p for _, p in predictions[0]] == pytest.approx([p for _, p in predictions[1]])


def test_fill_mask_as_text(folder, exported):
    assert exported.returncode == 0, exported.stderr
    file = folder / "run" / "export" / "student_int8.tflite"
    done = run("fill_mask", f"--model={file}", "[MASK] [MASK]", "--top_k=2")
    assert done.returncode == 0 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert [line for line in lines if "MASK" in line] == ["[MASK] 1", "[MASK] 2"]
    assert len(lines) == 6 and all(re.match(r" *[\d.]+%  \S+$", line) for line in lines[1:3])


@pytest.mark.parametrize(
    "command, flags, words",
    [
        ("fill_mask", ["--model={}/run/export/student.tflite", "No gap."], "no [MASK]"),
        ("fill_mask", ["--model={}/run/export/student.tflite", "[MASK] " * 15], "more than 14"),
        ("fill_mask", ["--model={}/gone.tflite", TEXT], "gone.tflite"),
        ("fill_mask", [TEXT], "--model"),
        ("export", ["--output_dir={}/none"], "no student/"),
        ("export", ["--output_dir={}/run", "--tflite_lengths=8,long"], "--tflite_lengths=8,long"),
    ],
)
def test_wrong_input_is_one_line(folder, exported, command, flags, words):
    assert exported.returncode == 0, exported.stderr
    done = run(command, *(flag.format(folder) for flag in flags))
    assert done.returncode not in (0, None)
    assert done.stderr.count("\n") == 1 and words in done.stderr, done.stderr


def test_a_failed_write_is_one_line(folder, tmp_path):
    (tmp_path / "file").write_text("")
    flags = [f"--output_dir={tmp_path / 'file'}", *flags_of(folder)[1:]]
    done = run("export", *flags, f"--model={folder / 'run' / 'student'}")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["export", "fill_mask"])
def test_help_loads_no_tensorflow(command):
    code = (
        f"import sys; sys.argv = ['{command}', '--help']\n"
        f"from tfdistill import {command}\n"
        f"try: {command}.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'tensorflow', 'keras', 'numpy'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "--model" in done.stdout
    assert ("--tflite_lengths" in done.stdout) == (command == "export")
