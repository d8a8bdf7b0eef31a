"""The folder that ships is written completely, or not at all."""

import shutil

import pytest

from tfdistill.deployment import bundle
from tfdistill.deployment.bundle import export_bundle
from tfdistill.deployment.parity import ParityError
from tfdistill.tasks.masked_lm import MaskedLM

TASK = MaskedLM()


def test_every_file_and_its_facts(exports, bert, tokenizer, batches, tmp_path, capfd):
    beside = {"teacher.tflite": exports["bert"][1] / "student.tflite"}
    capfd.readouterr()
    facts, failure = export_bundle(
        TASK, bert, tmp_path / "export", 16, tokenizer, batches, beside=beside
    )
    assert failure is None
    assert capfd.readouterr() == ("", "")  # no messages of converters and runtimes
    teacher = facts.pop("teacher.tflite")
    assert teacher.keys() == {"bytes", "latency_ms"} and teacher["latency_ms"] > 0
    names = {path.name for path in (tmp_path / "export").iterdir()}
    assert names >= {"saved_model", "vocab.txt", "tokenizer.json", *facts}
    assert list(facts) == ["student.tflite", "student_int8.tflite"]
    for name, fact in facts.items():
        assert fact["bytes"] == (tmp_path / "export" / name).stat().st_size
        assert fact["positions"] == 15 and fact["latency_ms"] > 0
    assert facts["student_int8.tflite"]["bytes"] < facts["student.tflite"]["bytes"]


class Strict(MaskedLM):
    """Masked LM that accepts no int8 file."""

    def keeps_quality(self, result):
        return False


def test_an_int8_file_that_costs_too_much_is_left_out(bert, tokenizer, batches, tmp_path):
    facts, failure = export_bundle(Strict(), bert, tmp_path / "export", 16, tokenizer, batches)
    assert list(facts) == ["student.tflite"] and (tmp_path / "export" / "student.tflite").is_file()
    assert not (tmp_path / "export" / "student_int8.tflite").exists()
    assert isinstance(failure, ParityError) and "int8 changes the loss" in str(failure)


def test_a_file_that_fails_the_comparison_is_not_left_behind(
    exports, make_model, tokenizer, batches, tmp_path, monkeypatch
):
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "old").write_text("old")
    another = exports["bert"][1]

    def copy_anothers(model, files, length):
        for path in files:
            shutil.copy(another / path.name, path)

    monkeypatch.setattr(bundle, "export_tflite_files", copy_anothers)
    model = make_model()
    model.head.dense.bias.assign_add([0.1] * 32)
    with pytest.raises(ParityError, match=r"student\.tflite differs"):
        export_bundle(TASK, model, tmp_path / "export", 16, tokenizer, batches)
    assert [path.name for path in tmp_path.rglob("*")] == ["export", "old"]
