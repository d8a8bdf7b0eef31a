"""The search command on a small super-student."""

import json

import numpy as np
import pytest

from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.models.configs.encoder_config import EncoderConfig
from tfdistill.models.hugging_face.checkpoint import load_model, save_model
from tfdistill.models.model import MaskedLanguageModel, parameters
from tfdistill.models.part_shapes import PartRanges, PartShape
from tfdistill.models.subnet import extract_subnet
from tfdistill.run.advice_shapes import Size

RANGES = PartRanges(whole_heads=False, step=2)


@pytest.fixture(scope="module")
def super_student(tmp_path_factory, tiny_text, tiny_model):
    tokenizer = load_tokenizer(str(tiny_text / "vocabulary"))
    folder = tmp_path_factory.mktemp("run") / "student"
    shape = dict(hidden_size=16, num_hidden_layers=3, intermediate_size=40)
    model = tiny_model(vocab_size=tokenizer.vocab_size, **shape)
    save_model(model, folder)
    tokenizer.save(folder, "bert", model.config.max_length)
    RANGES.write(folder)
    return folder


@pytest.fixture(scope="module")
def words(super_student, tiny_text):
    flags = {
        "super": super_student,
        "corpus": tiny_text / "text.txt",
        "shards_dir": tiny_text / "shards",
        "length": 16,
        "population": 4,
        "generations": 2,
        "parameters_m": 0.006,
        "seed": 3,
    }
    return [f"--{name}={value}" for name, value in flags.items()]


@pytest.mark.slow
def test_a_search_finds_what_its_folder_holds(words, super_student, tmp_path, run_command, capfd):
    assert run_command("search", *words, f"--search_dir={tmp_path}", "--json") == 0
    found = json.loads(capfd.readouterr().out)
    rows = found["trials"]
    assert len(rows) == 12 and found["best"] == min(rows, key=lambda row: row["loss"])
    assert all(0.85 * 6000 <= row["parameters"] <= 6000 for row in rows)
    whole, best = load_model(super_student), load_model(tmp_path / "best")
    shape = PartShape(**found["best"]["shape"])
    assert PartShape.of(best.config) == shape
    assert parameters(best)["total"] == found["best"]["parameters"]
    expected = extract_subnet(whole, shape)
    for ours, theirs in zip(best.weights, expected.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    assert "<svg" in (tmp_path / "front.svg").read_text()
    assert json.loads((tmp_path / "front.json").read_text()) == found


@pytest.mark.slow
def test_the_loss_is_that_of_the_part_itself(words, tmp_path, run_command, capfd):
    """As the evaluate command measures it, but on the validation split."""
    from tfdistill.command_line.run_config import RunConfig
    from tfdistill.run.early_plan import open_task

    assert run_command("search", *words, f"--search_dir={tmp_path}", "--json") == 0
    found = json.loads(capfd.readouterr().out)
    flags = dict(word.removeprefix("--").split("=") for word in words)
    settings = {name: flags[name] for name in ("corpus", "shards_dir")}
    config = RunConfig(length=16, **settings)
    task, data = open_task(config, training=True)
    sources = task.prepare(data, load_tokenizer(str(tmp_path / "best")), config).sources
    batches = task.evaluation_batches(sources["validation"])
    scored = task.evaluate(task.scorer(load_model(tmp_path / "best")), batches)
    assert scored.metrics["loss"] == pytest.approx(found["best"]["loss"], abs=1e-5)


def test_a_stopped_search_goes_on(words, tmp_path, run_command, capfd):
    """It ends with the same trials, and measures none twice."""
    whole, stopped, measured = tmp_path / "whole", tmp_path / "stopped", []

    def stop_after(count):
        from tfdistill.run import search

        scorer = search._scorer

        def watched(*arguments):
            loss = scorer(*arguments)

            def measure(shape):
                if len(measured) == count:
                    raise KeyboardInterrupt
                measured.append(shape)
                return loss(shape)

            return measure

        return lambda patch: patch.setattr(search, "_scorer", watched)

    assert run_command("search", *words, f"--search_dir={whole}") == 0
    assert run_command("search", *words, f"--search_dir={stopped}", patch=stop_after(5)) == 130
    assert run_command("search", *words, f"--search_dir={stopped}", patch=stop_after(99)) == 0
    assert len(measured) == len(set(measured)) == 12
    assert "12/12" in capfd.readouterr().out
    assert (whole / "front.svg").read_bytes() == (stopped / "front.svg").read_bytes()
    ours, theirs = (json.loads((each / "front.json").read_text()) for each in (whole, stopped))
    assert ours.pop("folder") != theirs.pop("folder") and ours == theirs


@pytest.mark.slow
def test_a_part_is_trained_on_and_exported(words, super_student, tmp_path, run_command, tiny_flags):
    """In its compact form; on disk it is padded."""
    shape = PartShape(2, 12, 20, 2, 5)
    part = extract_subnet(load_model(super_student), shape)
    save_model(part, tmp_path / "part")
    load_tokenizer(str(super_student)).save(tmp_path / "part", "bert", 24)
    own = dict(student=tmp_path / "part", student_config=None, tokenizer=None, teacher_config=None)
    flags = tiny_flags(recipe="mlm", output_dir=tmp_path / "run", **own)
    assert run_command("train", *flags) == 0
    trained = load_model(tmp_path / "run" / "student")
    assert PartShape.of(trained.config) == shape
    assert (tmp_path / "run" / "student" / "config.json").read_text().count("tfdistill_attention")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["export"]["student.tflite"]["agreement"] > 0.99
    assert metrics["models"]["student"]["parameters"] == parameters(part)["total"]


def test_sizes_of_parts_are_counted():
    config = EncoderConfig(
        vocab_size=50,
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=20,
        attention_head_size=5,
    )
    size = Size.of(config)
    assert size.masked_lm_parameters == parameters(MaskedLanguageModel(config))["total"]


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--parameters_m=0.000001"], "no part of the super-student is within the bounds"),
        (["--task=text_classification"], "parts are searched by masked LM"),
        (["--super=."], "has no super_student.json: name the student of a run with --recipe"),
    ],
)
def test_impossible_searches_are_refused(
    flags, message, words, tmp_path, run_command, capfd, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert run_command("search", *words, f"--search_dir={tmp_path / 'new'}", *flags) == 1
    assert message in capfd.readouterr().err
