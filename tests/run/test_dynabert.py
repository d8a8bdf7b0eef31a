"""DynaBERT on a task: stops change nothing, and each part is measured, exported and opened."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.deployment.label_predictor import LabelPredictor
from tfdistill.deployment.lite_model import LiteModel
from tfdistill.models.hugging_face.checkpoint import save_model
from tfdistill.models.part_grid import PartGrid
from tfdistill.system.errors import UserError

PARTS = [
    f"{width}{depth}" or "full"
    for depth in ("", "d75", "d50")
    for width in ("", "w75", "w50", "w25")
]


@pytest.fixture(scope="module")
def flags(tiny_text, tiny_model, words, write_data, tmp_path_factory, task_flags):
    """A function of changes to the flags of a run with an encoder of 4 layers and 4 heads."""
    folder = tmp_path_factory.mktemp("dynabert")
    tokenizer = load_tokenizer(str(tiny_text / "vocabulary"))
    shape = dict(hidden_size=32, num_hidden_layers=4, num_attention_heads=4, intermediate_size=64)
    rest = dict(vocab_size=tokenizer.vocab_size, max_position_embeddings=64, initializer_range=0.1)
    save_model(tiny_model(with_head=False, **shape, **rest), folder / "encoder")
    tokenizer.save(folder / "encoder")
    write_data["text_classification"](folder / "texts.csv", words)
    usual = dict(
        task="text_classification",
        recipe="dynabert",
        train_data=folder / "texts.csv",
        teacher=folder / "encoder",
        student_config=None,
        student_init=None,
        shards_dir=folder / "shards",
        length=24,
        tflite_lengths=24,
        n_epoch=2,
        dropout=0.1,
        baseline="none",
    )
    return lambda **changes: task_flags(**(usual | changes))


@pytest.fixture(scope="module")
def finished(flags, tmp_path_factory, run_command):
    path = tmp_path_factory.mktemp("finished") / "run"
    assert run_command("train", *flags(output_dir=path)) == 0
    return path


def weights(path):
    return load_file(path / "student" / "model.safetensors")


@pytest.mark.slow
def test_stopped_phases_end_with_the_same_weights(flags, finished, train, tmp_path):
    """The second phase's teacher is the student as the first has left it, after a stop, too."""
    stopped = tmp_path / "stopped"
    for stop in (("student-width", 5), ("student-depth", 0), ("student-depth", 5)):
        train(flags(output_dir=stopped), stop_at=stop)
    train(flags(output_dir=stopped), stop_after="student")
    one, other = weights(finished), weights(stopped)
    assert all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.slow
def test_each_part_is_measured_and_exported(finished):
    metrics = json.loads((finished / "metrics.json").read_text())
    assert list(metrics["parts"]) == PARTS
    whole, full = metrics["models"]["student"], metrics["parts"]["full"]
    assert full["accuracy"] == pytest.approx(whole["accuracy"])
    assert full["parameters"] == whole["parameters"]
    assert full["difference"]["accuracy"]["value"] == pytest.approx(0.0)
    sizes = [metrics["parts"][name] for name in ("full", "w50", "w50d50")]
    assert [(each["layers"], each["heads"], each["intermediate"]) for each in sizes] == [
        (4, 4, 64),
        (4, 2, 32),
        (2, 2, 32),
    ]
    for part in metrics["parts"].values():
        for facts in part["files"].values():
            assert facts["bytes"] > 0 and facts["latency_ms"] > 0
        assert part["files"]["float32"]["accuracy_lite"] == pytest.approx(part["accuracy"])
    # Not int8: the converter leaves the smallest matrices as they are.
    bytes_of = [each["files"]["float32"]["bytes"] for each in sizes]
    assert bytes_of == sorted(bytes_of, reverse=True) and len(set(bytes_of)) == 3
    for name, facts in metrics["part_files"].items():
        assert (finished / "export" / name).stat().st_size == facts["bytes"]
        assert facts["bytes"] < 0.6 * facts["bytes_apart"]
    for page in ("report.html", "results.md"):
        text = (finished / page).read_text()
        assert "w25d50" in text and "holds all parts in" in text
    assert "neurons" in (finished / "results.md").read_text()


@pytest.mark.slow
def test_a_part_is_opened_by_name(finished, words, tmp_path):
    texts = [" ".join(words[:5]), " ".join(words[4:8])]
    export, found = finished / "export", {}
    for part in ("", "full", "w25d50"):
        of_folder, of_file = (
            LabelPredictor.open(str(path), part=part).predict(texts)
            for path in (finished / "student", export / "student_parts.tflite")
        )
        found[part] = [each["probability"] for each in of_folder]
        np.testing.assert_allclose(
            found[part], [each["probability"] for each in of_file], atol=1e-4
        )
    assert found[""] == found["full"] != found["w25d50"]
    row = {"input_ids": np.arange(1, 25), "attention_mask": (np.arange(24) < 8) * 1}
    whole = LiteModel(export / "student.tflite").logits(row)
    np.testing.assert_array_equal(LiteModel(export / "student_parts.tflite").logits(row), whole)
    for path, part, words_of in (
        (finished / "student", "w30", "has the parts full, w75"),
        (finished / "teacher", "w50", "only students of recipe=dynabert have parts"),
        (export / "student_parts_int8.tflite", "w30", "has the parts full, w75"),
        (export / "student_int8.tflite", "w50", "has no parts: leave it out"),
    ):
        with pytest.raises(UserError, match=words_of):
            LabelPredictor.open(str(path), part=part)


@pytest.mark.slow
def test_a_part_is_exported_as_a_model_of_its_own(finished, words, run_command, capfd):
    command = ["export", f"--output_dir={finished}", "--allow_loss"]
    assert run_command(*command, "--part=w25d50") == 0
    folder, texts = finished / "parts" / "w25d50", [" ".join(words[:5]), " ".join(words[4:8])]
    found = [
        [each["probability"] for each in LabelPredictor.open(str(path), part=part).predict(texts)]
        for path, part in (
            (finished / "student", "w25d50"),
            (folder / "student", ""),
            (folder / "export" / "student.tflite", ""),
        )
    ]
    np.testing.assert_allclose(found[1], found[0], atol=1e-5)
    np.testing.assert_allclose(found[2], found[0], atol=1e-4)
    own = json.loads((folder / "student" / "config.json").read_text())
    assert (own["num_hidden_layers"], own["intermediate_size"]) == (2, 16)
    assert not (folder / "student" / "parts.json").exists()
    for wrong, message in (
        (["--part=w10"], "has the parts full, w75"),
        (["--part=w50", f"--web={finished / 'page'}"], "--part=w50 with --web: export the part"),
    ):
        assert run_command(*command, *wrong) == 1
        assert message in capfd.readouterr().err


@pytest.mark.slow
def test_the_benchmark_times_parts(finished, tmp_path, run_command, capfd):
    command = ["benchmark", f"--shards_dir={tmp_path}", "--rounds=5", "--tokens=8", "--json"]
    assert run_command(*command, f"--output_dir={finished}", "--part=w50,w25d50") == 0
    files = json.loads(capfd.readouterr().out)["files"]
    expected = {f"student_parts{kind}:{p}" for kind in ("", "_int8") for p in ("w50", "w25d50")}
    assert expected < set(files) and "student_parts" not in files
    assert files["student_parts:w25d50"]["bytes"] < files["student_parts:w50"]["bytes"]
    one = finished / "export" / "student_parts_int8.tflite"
    assert run_command(*command, f"--model={one}") == 0
    assert list(json.loads(capfd.readouterr().out)["files"]) == ["student_parts_int8:full"]
    assert run_command(*command, f"--model={one}", "--part=w10") == 1
    assert "--part=w10: " in capfd.readouterr().err


def test_a_search_of_its_parts_is_refused(tmp_path, run_command, capfd):
    PartGrid().write(tmp_path)
    assert run_command("search", f"--super={tmp_path}", "--size_mb=3") == 1
    assert "a student of --recipe=dynabert, whose few parts need no" in capfd.readouterr().err
