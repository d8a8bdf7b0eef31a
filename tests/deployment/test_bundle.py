"""The folder that ships is written completely, or not at all."""

import shutil

import pytest

from tfdistill.deployment import bundle, parity
from tfdistill.deployment.bundle import BundleOptions, export_bundle, warnings_of
from tfdistill.deployment.file_metadata import read_metadata
from tfdistill.deployment.parity import ParityError
from tfdistill.deployment.predictor import Predictor
from tfdistill.system.errors import UserError
from tfdistill.tasks.masked_lm import MaskedLM

TASK = MaskedLM()


def test_every_file_and_its_facts(exports, bert, tokenizer, batches, tmp_path, capfd):
    beside = {"teacher.tflite": exports["bert"][1] / "student.tflite"}
    capfd.readouterr()
    facts, failure = export_bundle(
        TASK, bert, tmp_path / "export", BundleOptions(16), tokenizer, batches, beside=beside
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


def test_the_files_know_their_vocabulary(bert, vocabulary, tokenizer, batches, tmp_path):
    """Another order of the same tokens is refused, which the size of the table cannot show."""
    export = tmp_path / "export"
    export_bundle(TASK, bert, export, BundleOptions(16), tokenizer, batches)
    swapped = [*vocabulary[:-2], vocabulary[-1], vocabulary[-2]]
    (tmp_path / "vocab.txt").write_text("\n".join(swapped) + "\n")
    for name in ("student.tflite", "student_int8.tflite"):
        assert read_metadata(export / name) == {"vocabulary": tokenizer.vocabulary_hash}
        Predictor.open(str(export / name), TASK)
        with pytest.raises(UserError, match=f"or their order, are not those that .*{name}"):
            Predictor.open(str(export / name), TASK, tokenizer=str(tmp_path))


@pytest.mark.parametrize("allow_loss", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_an_int8_file_that_loses_too_much(
    bert, exports, tokenizer, batches, tmp_path, monkeypatch, allow_loss
):
    copy_files(monkeypatch, exports["bert"][1])
    monkeypatch.setattr(parity, "is_lost", lambda metric, model, file, _: abs(file - model) > 1e-4)
    options = BundleOptions(16, allow_loss)
    facts, failure = export_bundle(TASK, bert, tmp_path / "export", options, tokenizer, batches)
    assert "lost" not in facts["student.tflite"]
    assert (tmp_path / "export" / "student_int8.tflite").exists() == allow_loss
    warnings = list(warnings_of(TASK, facts))
    assert "on only 15 hidden words" in warnings[0]
    if allow_loss:
        assert failure is None and "where the model has" in facts["student_int8.tflite"]["lost"]
        assert "ships all the same" in warnings[1]
    else:
        assert list(facts) == ["student.tflite"] and len(warnings) == 1
        assert isinstance(failure, ParityError) and "student_int8.tflite: the loss" in str(failure)


def copy_files(monkeypatch, folder):
    """Takes the files of a folder in place of converting a model."""

    def copy(model, files, length, calibration, vocabulary):
        for path in files:
            shutil.copy(folder / path.name, path)

    monkeypatch.setattr(bundle, "export_tflite_files", copy)


def test_a_file_that_fails_the_comparison_is_not_left_behind(
    exports, make_model, tokenizer, batches, tmp_path, monkeypatch
):
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "old").write_text("old")
    copy_files(monkeypatch, exports["bert"][1])
    model = make_model()
    model.head.dense.bias.assign_add([0.1] * 32)
    with pytest.raises(ParityError, match=r"student\.tflite differs"):
        export_bundle(TASK, model, tmp_path / "export", BundleOptions(16), tokenizer, batches)
    assert [path.name for path in tmp_path.rglob("*")] == ["export", "old"]
