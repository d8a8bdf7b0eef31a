"""The prepare command."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def run(*flags, **options):
    command = [sys.executable, "-m", "tfdistill.prepare", *flags]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, **options)


def test_table_and_json_agree(tmp_path):
    (tmp_path / "text.txt").write_text("the whale\n" * 12_000)
    flags = [f"--corpus={tmp_path / 'text.txt'}", f"--shards_dir={tmp_path / 'shards'}"]
    people = run(*flags)
    assert people.returncode == 0 and people.stderr == ""
    machine = run(*flags, "--json")
    assert machine.returncode == 0
    result = json.loads(machine.stdout)
    assert result["splits"]["train"] == {
        "documents": 1,
        "tokens": 21_600,
        "bytes": 108_000,
        "unk_share": 0,
    }
    (row,) = [line.split() for line in people.stdout.splitlines() if line.startswith("train ")]
    assert row == ["train", "1", "21,600", "108,000", "0.00%"]
    assert (Path(result["directory"]) / "manifest.json").is_file()


def test_files_and_splits_are_shown(tmp_path):
    texts = tmp_path / "texts"
    texts.mkdir()
    for name in ("train.txt", "moby.txt", "night-train.epub.txt", "valid.txt"):
        (texts / name).write_text("the whale\n" * 200)
    (texts / "a.pdf").write_text("no text")
    (texts / "README.md").write_text("about")
    flags = [f"--corpus={texts}", f"--shards_dir={tmp_path / 'shards'}"]
    lines = run(*flags).stdout.splitlines()
    assert f"train: 3 files in {texts}: moby.txt, night-train.epub.txt, train.txt" in lines
    assert f"validation: 1 file in {texts}: valid.txt" in lines
    assert "test: cut from train" in lines
    left_out = f"left out of {texts}: README.md (about the data); a.pdf (no suffix of text)"
    assert left_out in lines
    result = json.loads(run(*flags, "--json").stdout)
    assert result["files"]["validation"] == [str(texts / "valid.txt")]
    assert set(result["left_out"]) == {str(texts / "README.md"), str(texts / "a.pdf")}


def test_many_files_are_counted(tmp_path):
    for number in range(30):
        (tmp_path / f"{number:02}.txt").write_text("the whale\n" * 200)
    shown = run(f"--corpus={tmp_path}", f"--shards_dir={tmp_path / 'shards'}").stdout
    line = next(line for line in shown.splitlines() if line.startswith("train: "))
    assert line.startswith(f"train: 30 files in {tmp_path}: 00.txt, 01.txt")
    assert line.endswith("11.txt, and 18 more")


def test_warnings_of_tokenizer_and_text(tmp_path):
    words = "[PAD] [UNK] [CLS] [SEP] [MASK] the The Whale".split()
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n")
    (tmp_path / "text.txt").write_text("the whale\n" * 12_000)
    flags = [f"--corpus={tmp_path / 'text.txt'}", f"--shards_dir={tmp_path / 'shards'}"]
    for _ in range(2):  # the second time the shards exist
        result = run(*flags, f"--tokenizer={tmp_path}")
        assert result.returncode == 0
        note, warning = result.stderr.splitlines()
        assert note.startswith(f"tokenizer {tmp_path}: its words look cased")
        assert warning.startswith("warning: [UNK] is 50.0% of train")


@pytest.mark.parametrize(
    "flag, words",
    [
        ("--corpus={}/gone.txt", "gone.txt"),
        ("--corpus={}/binary.txt", "binary.txt"),
        ("--corpus={}/latin.txt", "byte 3"),
        ("--corpus={}/empty.txt", "no text"),
        ("--corpus={}/rows.jsonl", "--text_column"),
        ("--corpus={}/table.csv", "table"),
        ("--tokenizer={}", "tokenizer"),
        ("--nonsense=1", "nonsense"),
    ],
)
def test_wrong_input_is_one_line(tmp_path, flag, words):
    (tmp_path / "binary.txt").write_bytes(bytes(range(256)))
    (tmp_path / "latin.txt").write_bytes("caf\xe9".encode("latin-1"))
    (tmp_path / "empty.txt").write_text("\n \n")
    (tmp_path / "rows.jsonl").write_text('{"body": "a"}\n')
    (tmp_path / "table.csv").write_text("text,label\na,1\n")
    result = run(flag.format(tmp_path), f"--shards_dir={tmp_path / 'shards'}")
    assert result.returncode not in (0, None)
    assert result.stderr.count("\n") == 1 and words in result.stderr, result.stderr


def test_a_failed_write(tmp_path):
    limit = 200_000  # bytes, the largest size of a file

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    result = run(f"--shards_dir={tmp_path}", preexec_fn=small_files)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1 and str(tmp_path) in result.stderr, result.stderr
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == []
    assert run(f"--shards_dir={tmp_path}").returncode == 0


def test_help_is_quick_and_loads_no_tensorflow():
    code = (
        "import sys; sys.argv = ['prepare', '--help']\n"
        "from tfdistill import prepare\n"
        "try: prepare.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'tensorflow', 'keras', 'transformers', 'datasets'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    assert "--corpus" in result.stdout
