"""The benchmark command."""

import json
import shutil

import pytest

from tfdistill.models.hugging_face.checkpoint import save_model
from tfdistill.run import benchmarked_files

PHONE = (
    "Inference timings in us: Init: 5000, First inference: 90, Warmup (avg): 80, "
    "Inference (avg): 70"
)


@pytest.fixture
def run_folder(several, tmp_path):
    """A run with an exported student, and a file of another kind."""
    (tmp_path / "run" / "export").mkdir(parents=True)
    shutil.copy(several("student_int8.tflite"), tmp_path / "run" / "export")
    (tmp_path / "run" / "export" / "student_mediapipe.tflite").write_bytes(b"left out silently")
    (tmp_path / "run" / "export" / "other.tflite").write_bytes(b"no file of ours")
    return tmp_path / "run"


def test_a_run_is_timed(run_command, run_folder, tmp_path, capfd):
    flags = [f"--output_dir={run_folder}", f"--shards_dir={tmp_path}", "--tokens=5,12,100"]
    flags += ["--rounds=5", f"--plot={tmp_path / 'speed.svg'}", "--json"]
    assert run_command("benchmark", *flags) == 0
    printed = capfd.readouterr()
    found = json.loads(printed.out)
    assert "other.tflite" in printed.err and "mediapipe" not in printed.err
    assert "GMAC/s" in printed.err
    assert list(found["files"]) == ["student_int8"]
    assert {row["tokens"] for row in found["times"]} == {5, 12}
    assert found["machine"]["cores"] >= 1 and found["machine"]["litert"]
    assert (tmp_path / "speed.svg").read_text().startswith("<svg")


@pytest.mark.slow
def test_a_run_is_timed_beside_its_teacher(run_command, run_folder, bert, tmp_path, capfd):
    save_model(bert, run_folder / "teacher")
    flags = [f"--output_dir={run_folder}", f"--shards_dir={tmp_path}", "--tokens=5", "--rounds=5"]
    for told in (True, False):  # made once
        assert run_command("benchmark", *flags) == 0
        text = capfd.readouterr().out
        assert ("converting teacher_int8" in text, "teacher_int8, 5 tokens" in text) == (told, True)


def test_for_a_phone_and_back(run_command, run_folder, tmp_path, capfd):
    model = run_folder / "export" / "student_int8.tflite"
    assert run_command("benchmark", f"--model={model}", f"--phone={tmp_path / 'phone'}") == 0
    assert "--read=" in capfd.readouterr().out and (tmp_path / "phone" / "run.sh").is_file()
    (tmp_path / "phone.txt").write_text(PHONE + "\n")
    read = ["benchmark", f"--read={tmp_path / 'phone.txt'}"]
    assert run_command(*read) == 0
    assert "0.07" in capfd.readouterr().out
    assert run_command(*read, f"--plot={tmp_path / 'phone.svg'}") == 1  # it says no lengths
    assert "--plot: " in capfd.readouterr().err and not (tmp_path / "phone.svg").exists()


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--output_dir={0}/gone"], ["--output_dir", "no .tflite file"]),
        (["--model={0}/export/other.tflite"], ["other.tflite"]),
        (["--output_dir={0}", "--tokens=a"], ["--tokens=a"]),
        (["--output_dir={0}", "--tokens=2"], ["--tokens=2"]),
        (["--read={0}/gone.txt"], ["--read"]),
        (["--read={0}/export/other.tflite"], ["--read", "Inference timings"]),
        (["--model={0}/export/student_int8.tflite", "--tokens=99"], ["--tokens=99"]),
        (["--table_shapes=30"], ["--table_shapes=30 is only for --build_latency_table"]),
        (
            ["--build_latency_table={0}/t.json", "--plot={0}/t.svg"],
            ["/t.svg is not for --build_latency_table: leave it out"],
        ),
        (["--read={0}/config.json", "--phone={0}/phone"], ["--phone=", "--read=", "give one"]),
    ],
)
def test_wrong_flags(run_command, run_folder, capfd, flags, words):
    assert run_command("benchmark", *(flag.format(run_folder) for flag in flags)) == 1
    errors = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and all(word in errors[0] for word in words)


@pytest.mark.slow
def test_references_are_made_once(run_command, run_folder, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(benchmarked_files, "REFERENCES", {"tiny": ("L-1_H-12_A-2_I-20", "bert")})
    flags = [f"--model={run_folder}", f"--shards_dir={tmp_path}", "--tokens=5,128", "--rounds=5"]
    for told in (True, False):
        assert run_command("benchmark", *flags, "--references") == 0
        text = capfd.readouterr().out
        assert ("converting tiny" in text, "tiny, 128 tokens" in text) == (told, True)
