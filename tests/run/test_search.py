"""The search command on a small super-student."""

import json

import numpy as np
import pytest

from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.models.encoder import Encoder
from tfdistill.models.heads.reading import read_head
from tfdistill.models.heads.spans import SpanHead
from tfdistill.models.hugging_face.checkpoint import load_model, save_model
from tfdistill.models.model import Model, parameters
from tfdistill.models.part_shapes import PartRanges, PartShape
from tfdistill.models.subnet import extract_subnet
from tfdistill.run.evolution import front
from tfdistill.system.files import locked

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
def table(tmp_path_factory, latency_content):
    file = tmp_path_factory.mktemp("table") / "latency.json"
    file.write_text(json.dumps(latency_content))
    return file


@pytest.fixture(scope="module")
def given(super_student, tiny_text, table):
    flags = {
        "super": super_student,
        "corpus": tiny_text / "text.txt",
        "shards_dir": tiny_text / "shards",
        "length": 16,
        "population": 4,
        "generations": 2,
        "parameters_m": 0.006,
        "latency_ms": 0.05,
        "latency_table": table,
        "seed": 3,
    }
    return [f"--{name}={value}" for name, value in flags.items()]


@pytest.mark.slow
def test_a_search_finds_what_its_folder_holds(
    given, super_student, tiny_text, tmp_path, run_command, capfd
):
    assert run_command("search", *given, f"--search_dir={tmp_path}", "--json") == 0
    printed = capfd.readouterr()
    found = json.loads(printed.out)
    rows = found["trials"]
    assert len(rows) == 12 and found["best"] == min(rows, key=lambda row: row["loss"])
    (last,) = [line for line in printed.err.splitlines() if "search 12/12" in line]
    assert last.endswith(" nats  done")
    shares = [max(row["parameters"] / 6000, row["latency_ms"] / 0.05) for row in rows]
    assert all(0.85 <= share <= 1 for share in shares)
    for cost, key in {"int8_bytes": "front", "latency_ms": "latency_front"}.items():
        points = [(row[cost], row["loss"], row) for row in rows]
        assert found[key] == [row for *_, row in front(points)]
    whole, best = load_model(super_student), load_model(tmp_path / "best")
    shape = PartShape(**found["best"]["shape"])
    assert PartShape.of(best.config) == shape
    assert parameters(best)["total"] == found["best"]["parameters"]
    expected = extract_subnet(whole, shape)
    for ours, theirs in zip(best.weights, expected.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    assert PartShape(**found["whole"]["shape"]) == PartShape.of(whole.config)
    for name in ("front.svg", "latency_front.svg"):
        assert "<svg" in (tmp_path / name).read_text()
    assert json.loads((tmp_path / "front.json").read_text()) == found
    page = (tmp_path / "report.html").read_text()
    assert f"on the validation split of {tiny_text / 'text.txt'}, rows of 16 tokens" in page
    assert page.count("<svg") == 3 and "CPU time of the int8 file for 16 tokens" in page
    narrow = any(row["shape"]["width"] < 15 for row in rows)
    assert found["latency"]["below"] == ({"width": 15} if narrow else {})
    assert ("(width 15) are extrapolated" in page) == narrow


@pytest.mark.slow
@pytest.mark.parametrize("objective, cost", [("latency", "latency_ms"), ("size", "int8_bytes")])
def test_the_cheapest_part_that_is_good_enough(
    objective, cost, given, tmp_path, run_command, capfd
):
    """Of those that were tried, and no other is trained on."""
    asked = [f"--objective={objective}", f"--search_dir={tmp_path}", "--json"]
    bound = ["--latency_ms=0", "--parameters_m=0"]

    def search(quality):
        assert run_command("search", *given, *bound, *asked, f"--quality={quality}") == 0
        found = json.loads(capfd.readouterr().out)
        good = [row for row in found["trials"] if row["loss"] <= quality]
        assert found["best"] == min(good, key=lambda row: row[cost])
        return found

    any_loss = search(99.0)
    better = search(sorted(row["loss"] for row in any_loss["trials"])[3])
    assert any_loss["best"][cost] < better["best"][cost]
    assert run_command("search", *given, *bound, *asked, "--quality=0.01") == 1
    assert "reaches --quality=0.01; the best has" in capfd.readouterr().err
    assert not (tmp_path / "best").exists()  # those of the searches before


@pytest.mark.slow
def test_the_loss_is_that_of_the_part_itself(given, tmp_path, run_command, capfd):
    """As the evaluate command measures it, but on the validation split."""
    from tfdistill.command_line.run_config import RunConfig
    from tfdistill.run.early_plan import open_task

    assert run_command("search", *given, f"--search_dir={tmp_path}", "--json") == 0
    found = json.loads(capfd.readouterr().out)
    flags = dict(word.removeprefix("--").split("=") for word in given)
    settings = {name: flags[name] for name in ("corpus", "shards_dir")}
    config = RunConfig(length=16, **settings)
    task, data = open_task(config, training=True)
    sources = task.prepare(data, load_tokenizer(str(tmp_path / "best")), config).sources
    batches = task.evaluation_batches(sources["validation"])
    scored = task.evaluate(task.scorer(load_model(tmp_path / "best")), batches)
    assert scored.metrics["loss"] == pytest.approx(found["best"]["loss"], abs=1e-5)


def test_a_stopped_search_goes_on(given, tmp_path, run_command, capfd):
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

    assert run_command("search", *given, f"--search_dir={whole}") == 0
    assert run_command("search", *given, f"--search_dir={stopped}", patch=stop_after(5)) == 130
    assert run_command("search", *given, f"--search_dir={stopped}", patch=stop_after(99)) == 0
    assert len(measured) == len(set(measured)) == 12
    said = capfd.readouterr()
    assert "12/12" in said.out and "stopped; the same command goes on" in said.err
    assert (whole / "front.svg").read_bytes() == (stopped / "front.svg").read_bytes()
    ours, theirs = (json.loads((each / "front.json").read_text()) for each in (whole, stopped))
    assert ours.pop("folder") != theirs.pop("folder") and ours == theirs


@pytest.fixture(scope="module")
def super_run(tmp_path_factory, write_data, words, encoder, task_flags, run_command):
    """The folder of a super-student that learned classes from a teacher."""
    folder = tmp_path_factory.mktemp("super")
    texts = write_data["text_classification"](folder / "texts.csv", words)
    flags = task_flags(
        task="text_classification",
        train_data=texts,
        teacher=encoder,
        recipe="autotinybert",
        super_step=4,
        student_config="L-2_H-32_A-2",
        shards_dir=folder / "shards",
        output_dir=folder / "run",
        length=16,
        tflite_lengths=16,
        n_epoch=6,
    )
    assert run_command("train", *flags) == 0
    return folder / "run"


@pytest.mark.slow
def test_the_best_part_for_a_task_is_trained_on_and_timed(
    super_run, table, latency_content, tmp_path, run_command, capfd
):
    metrics = json.loads((super_run / "metrics.json").read_text())
    assert "no_teacher" not in metrics["models"] and metrics["models"]["student"]["accuracy"] > 0.8
    flags = ["--population=4", "--generations=1", "--latency_ms=0.06", f"--latency_table={table}"]
    flags += [f"--output_dir={super_run}", f"--search_dir={tmp_path}", "--steps=12", "--json"]
    assert run_command("search", *flags) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["task"] == "text_classification" and found["metric"] == "accuracy"
    assert found["best"]["accuracy"] == max(row["accuracy"] for row in found["trials"])
    trained, shape = found["trained"], PartShape(**found["best"]["shape"])
    model = load_model(tmp_path / "trained" / "student", head=read_head)
    assert PartShape.of(model.config) == shape and model.head.labels == ("land", "sea")
    assert not (tmp_path / "trained" / "student" / "super_student.json").exists()
    made = json.loads((tmp_path / "trained" / "metrics.json").read_text())
    assert made["made_from"]["recipe"] == "autotinybert" and trained["steps"] == 12
    assert made["made_from"]["reads_teacher"] and not made["made_from"]["trains_parts"]
    assert trained["test"]["accuracy"] == made["models"]["student"]["accuracy"]
    assert trained["costs"]["parameters"] == found["best"]["parameters"]
    file = tmp_path / "trained" / "export" / "student_int8.tflite"
    assert trained["costs"]["int8_bytes"] == file.stat().st_size
    # Beside what is counted, the file of a task has its metadata.
    assert trained["costs"]["int8_bytes"] == pytest.approx(found["best"]["int8_bytes"], abs=20_000)
    assert trained["costs"]["latency_ms"] > 0
    page = (tmp_path / "report.html").read_text()
    assert "ms predicted" in page and "trained/report.html" in page
    # The same command finds all done; a table of a phone has times that no run here has.
    before = file.stat().st_mtime_ns
    phone = tmp_path / "phone.json"
    phone.write_text(json.dumps(latency_content | {"kind": "wall"}))
    assert run_command("search", *flags[:-1], f"--latency_table={phone}") == 0
    out = capfd.readouterr().out
    assert f"trained on: {tmp_path / 'trained' / 'student'}; its files: " in out
    assert "is finished" in out and "time " in out and "there, with tfdistill.benchmark" in out
    assert file.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "flags, message",
    [
        (
            ["--parameters_m=0.0000001"],
            "--parameters_m=1e-07, --latency_ms=0.05: no part of the super-student takes 85% to "
            "100% of that; the next larger one takes 0.0",
        ),
        (
            ["--parameters_m=0", "--latency_ms=0", "--size_mb=50"],
            "--size_mb=50: the whole super-student takes 0% of that, so that there is nothing",
        ),
        (["--tokenizer=."], "tokenizer .: it has neither tokenizer.json nor vocab.txt"),
        (["--super=gone"], "--super=gone is no folder: name that of a super-student"),
        (["--super=."], "has no super_student.json: name the student of a run with --recipe"),
        (
            ["--latency_table="],
            "--latency_ms=0.05 needs a table of latencies: make one with python -m "
            "tfdistill.benchmark --build_latency_table=latency.json --tokens=16 --table_largest=",
        ),
        (["--objective=latency", "--latency_table=", "--latency_ms=0", "--quality=3"], "needs a"),
        (
            ["--latency_length=8"],
            "--latency_length=8 is no length of the part's file, which has 16",
        ),
        (
            ["--latency_table=", "--latency_ms=0", "--latency_length=16"],
            "--latency_length=16 is for a --latency_table: name one, or leave it out",
        ),
        (["--latency_threads=2"], "int8 files of 16 tokens on 2 threads"),
        (["--quality=3"], "--quality=3 is for --objective=latency or size"),
        (["--objective=size"], "--objective=size needs the --quality that a part must have"),
        (["--steps=5"], "has no flags.txt of a run"),
    ],
)
def test_impossible_searches_are_refused(
    flags, message, given, tmp_path, run_command, capfd, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert run_command("search", *given, f"--search_dir={tmp_path / 'new'}", *flags) == 1
    assert message in capfd.readouterr().err


def test_one_process_searches_in_a_folder(given, tmp_path, run_command, capfd):
    with locked(tmp_path / "lock"):
        assert run_command("search", *given, f"--search_dir={tmp_path}") == 1
    assert "another process is searching there" in capfd.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


@pytest.mark.parametrize("name", [".", ".."])
def test_a_super_student_may_be_named_by_dots(
    name, given, super_student, run_command, capfd, monkeypatch
):
    """Its run is the folder above."""
    below = super_student / "below"
    below.mkdir(exist_ok=True)
    monkeypatch.chdir(below if name == ".." else super_student)
    assert run_command("search", *given, f"--super={name}", "--steps=5") == 1
    assert f"{super_student.parent} has no flags.txt of a run" in capfd.readouterr().err


@pytest.mark.parametrize("name", ["checkpoints/state.json", "config.json"])
def test_runs_and_models_are_kept(name, given, tmp_path, run_command, capfd):
    """A run has a report.html, too."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    assert run_command("search", *given, f"--search_dir={tmp_path}") == 1
    assert "is the folder of a run or a model" in capfd.readouterr().err
    assert [path.name for path in tmp_path.rglob("*.*")] == [(tmp_path / name).name]


def test_rules_of_answers_decide_values(
    write_data, words, tiny_text, tiny_model, tmp_path, run_command
):
    """Parts that were measured with other rules are measured again."""
    tokenizer, folder = load_tokenizer(str(tiny_text / "vocabulary")), tmp_path / "super"
    config = tiny_model(vocab_size=tokenizer.vocab_size).config
    save_model(Model(Encoder(config), SpanHead(config), seed=0), folder)
    tokenizer.save(folder, "bert", config.max_length)
    PartRanges(step=4).write(folder)
    data, measured = write_data["question_answering"](tmp_path / "questions.json", words), []
    flags = [f"--super={folder}", "--task=question_answering", f"--train_data={data}"]
    flags += ["--length=24", "--population=2", "--generations=0"]

    def watch(patch):
        from tfdistill.run import search

        measure = lambda shape: measured.append(shape) or 0.5  # noqa: E731
        patch.setattr(search, "_scorer", lambda *_: measure)

    for most, count in ((9, 2), (9, 2), (1, 4)):
        given = f"--max_answer_length={most}"
        assert run_command("search", *flags, given, patch=watch) == 0
        assert len(measured) == count


@pytest.mark.parametrize("name", ["best", "trained"])
def test_folders_that_no_search_made_are_kept(name, given, tmp_path, run_command, capfd):
    """Such as runs of these names, where the folder of all runs is given."""
    (tmp_path / name).mkdir()
    (tmp_path / name / "mine.txt").write_text("mine")
    assert run_command("search", *given, f"--search_dir={tmp_path}") == 1
    assert f"holds {name}/, but no search.json of a search" in capfd.readouterr().err
    assert [path.name for path in tmp_path.rglob("*.*")] == ["mine.txt"]
