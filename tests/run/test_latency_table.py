"""The command that builds a latency table: timed here, continued, or read from a phone."""

import dataclasses
import json
from pathlib import Path

import pytest

from tfdistill.command_line.console import Console
from tfdistill.deployment import latency_fit
from tfdistill.deployment.latency import Times
from tfdistill.deployment.latency_model import LatencyModel
from tfdistill.deployment.timed_shapes import timed_shapes
from tfdistill.models.configs.config_files import named_config
from tfdistill.run import latency_table, latency_times
from tfdistill.run.latency_table import MADE_FOR, write_files
from tfdistill.run.latency_times import PASSES, TimedPasses, time_like_a_table
from tfdistill.system.errors import UserError
from tfdistill.system.files import locked

LARGEST = named_config("L-3_H-128_A-4")
SHAPES = timed_shapes(LARGEST, 20, 5)
COSTS = {"file": 0.01, "layer": 0.02, "product": 1e-7, "row_product": 2e-7, "neuron": 1e-6}
FLAGS = ["--table_shapes=20", "--table_unseen=5", "--table_largest=L-3_H-128_A-4"]
CALL = """Num threads: [{threads}]
Graph: [/data/local/tmp/tfdistill/{name}.tflite]
Signature to run: [{signature}]
count=331 first=3105 curr=2987 min=2901 max=4205 avg=9000 std=61 p5=2925 median={median} p95=3120
Inference timings in us: Init: 21714, First inference: 9813, Warmup (avg): 3071.5, \
Inference (avg): 9000
"""


def _milliseconds(shape, variant, length, threads):
    times = {"int8": 1, "float32": 3}[variant] / threads
    return times * latency_fit.predicted(COSTS, [shape], length, variant)[0]


def _printed(lengths, signature, shapes=SHAPES):
    """What the benchmark tool prints for all files: the median is right, the mean is not."""
    return "".join(
        CALL.format(
            threads=threads,
            name=f"{shape.name}_{variant}",
            signature=signature.format(length),
            median=1000 * _milliseconds(shape, variant, length, threads),
        )
        for shape in shapes
        for variant in ("float32", "int8")
        for length in lengths
        for threads in (1, 4)
    )


@pytest.mark.parametrize(
    "lengths, signature", [((16, 32), "tokens_{}"), ((32,), "serving_default")]
)
def test_a_table_is_read_from_a_phone(run_command, tmp_path, capfd, lengths, signature):
    (tmp_path / "phone.txt").write_text(_printed(lengths, signature))
    table, tokens = tmp_path / "phone.json", ",".join(map(str, lengths))
    flags = [f"--read={tmp_path / 'phone.txt'}", f"--build_latency_table={table}", *FLAGS]
    assert run_command("benchmark", *flags, f"--tokens={tokens}") == 0
    (row,) = (
        line
        for line in capfd.readouterr().out.splitlines()
        if line.startswith("int8, 32 tokens, 4 threads") and "layer" not in line
    )
    assert row.split()[-1] == "–"  # a single pass says nothing of noise
    model = LatencyModel.read(table)
    assert model.kind == "wall"
    for shape in SHAPES[-5:]:
        for variant, threads in (("int8", 1), ("float32", 4)):
            found = model.milliseconds(
                shape.config, length=32, variant=variant, threads=threads, head=shape.head
            )
            assert found == pytest.approx(_milliseconds(shape, variant, 32, threads), rel=1e-4)
    with pytest.raises(UserError, match="no times for int8 files of 64 tokens on 1 thread"):
        model.milliseconds(SHAPES[0].config, length=64, variant="int8", threads=1)


def test_calls_that_failed_on_the_phone_are_named(run_command, tmp_path, capfd):
    (tmp_path / "phone.txt").write_text(_printed((32,), "tokens_32", SHAPES[:-1]))
    flags = [f"--read={tmp_path / 'phone.txt'}", *FLAGS, "--tokens=32"]
    assert run_command("benchmark", *flags, f"--build_latency_table={tmp_path / 'ok.json'}") == 0
    said = f"4 of 100 calls have no times, the first {SHAPES[-1].name}_float32, 32 tokens, 1 thread"
    assert said in capfd.readouterr().err
    fits = json.loads((tmp_path / "ok.json").read_text())["fits"]
    assert [fit["error"]["shapes"] for fit in fits] == [4] * 4


@pytest.mark.parametrize(
    "text, flags, words",
    [
        (_printed((16,), "tokens_16"), [], "16 tokens, is no file of this table"),
        (
            _printed((16,), "serving_default]\nInput shapes: [1,{0}:1,{0}:1,1"),
            [],
            "16 tokens, is no file of this table",
        ),
        (_printed((32,), "tokens_32"), ["--table_largest=tiny"], "is no file of this table"),
        (
            _printed((32,), "tokens_32", SHAPES[:9]),
            [],
            "times of 9 shapes to fit and of 0 unseen ones only",
        ),
    ],
)
def test_other_outputs_are_refused(run_command, tmp_path, capfd, text, flags, words):
    (tmp_path / "phone.txt").write_text(text)
    flags = [f"--read={tmp_path / 'phone.txt'}", *FLAGS, "--tokens=32", *flags]
    assert run_command("benchmark", *flags, f"--build_latency_table={tmp_path / 'no.json'}") == 1
    errors = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and words in errors[0] and not (tmp_path / "no.json").exists()


@pytest.mark.parametrize(
    "largest, words",
    [
        ("mini9", "--table_largest: 'mini9' is neither a file nor a shape"),
        ("L-2_H-32_A-2", "width of at least 64"),
        ("tiny", "--tokens=16,513: --table_largest=tiny has 512 positions"),
    ],
)
def test_wrong_shapes(run_command, tmp_path, capfd, largest, words):
    flags = [f"--build_latency_table={tmp_path / 'no.json'}", f"--table_largest={largest}"]
    flags += ["--tokens=16,513"]
    assert run_command("benchmark", *flags) == 1
    errors = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and words in errors[0]


def test_one_process_makes_the_files_of_a_table(run_command, tmp_path, capfd, monkeypatch):
    (tmp_path / "phone").mkdir()
    monkeypatch.chdir(tmp_path / "phone")
    table = f"--build_latency_table={tmp_path / 'table.json'}"
    for lock, flags, what in (
        (".table.json.lock", [], "another process is building this table: wait for its end"),
        ("phone/.table.lock", ["--phone=."], "--phone=.: another process is writing there: wait"),
    ):
        with locked(tmp_path / lock):
            assert run_command("benchmark", table, *FLAGS, "--tokens=16", *flags) == 1
        assert what in capfd.readouterr().err
        assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [Path(lock).name]
        (tmp_path / lock).unlink()


def test_a_stopped_table_is_continued(tmp_path):
    """A table that was stopped times only what it lacks; another setting times all parts again."""
    timed = []

    def time_group(group, threads):
        timed.append((tuple(group), threads))
        return [[name, "int8", 32, threads, float(len(timed)), 2.0] for name in group]

    file, names = tmp_path / "table.json.part", [shape.name for shape in SHAPES]

    def times(rounds=10):
        return TimedPasses(file, names, [1, 2], {"rounds": rounds})

    begun = times().measure(time_group)
    for _ in range(7):
        next(begun)
    begun.close()
    again = times()
    assert (again.done, again.steps) == (7, PASSES * 4 * 2)
    assert list(again.measure(time_group)) == list(range(8, again.steps + 1))
    assert len(timed) == again.steps and len(set(timed)) == 4 * 2
    found = again.found()
    assert {len(passes) for passes in found.values()} == {PASSES}
    assert len(found) == 2 * len(SHAPES)
    assert times(rounds=20).done == 0
    file.write_text("[]")
    with pytest.raises(UserError, match="table.json.part is damaged: delete it"):
        times()


def test_a_file_is_timed_like_those_of_a_table(tmp_path, monkeypatch):
    """The shortest run of each pass counts, then the median of the passes."""
    opened, calls = [], []
    monkeypatch.setattr(latency_times, "LiteModel", lambda *given: opened.append(given))
    monkeypatch.setattr(latency_times, "random_row", lambda model, length: {"length": length})

    def times_in_turn(runs, rounds, twice):
        calls.append((rounds, twice))
        thread = [len(calls) * shortest for shortest in (5.0, 0.001, 0.002)]
        return {name: Times(wall=[9.0], thread=thread) for name in runs}

    monkeypatch.setattr(latency_times, "times_in_turn", times_in_turn)
    file = tmp_path / "student_int8.tflite"
    assert time_like_a_table(file, 16, threads=2, rounds=100) == pytest.approx(5.5)  # of 1 to 10
    assert opened == [(file, 2)] * PASSES and calls == [(10, True)] * PASSES


def test_files_of_other_lengths_are_not_timed(tmp_path, monkeypatch):
    """Names of files say their sizes alone."""
    template, made = tmp_path / "template", []
    template.write_bytes(b"")
    variants = dict.fromkeys(("float32", "int8"), template)
    monkeypatch.setattr(latency_table, "template_files", lambda *_: variants)
    monkeypatch.setattr(latency_table, "resize", lambda content, sizes: made.append(sizes) or b"")
    folder, console = tmp_path / "table.json.files", Console(json=True)

    def write(lengths, shapes):
        made.clear()
        write_files(shapes, lengths, folder, None, console)
        return len(made)

    shapes = SHAPES[:3]
    assert [write((16,), shapes), write((16,), shapes), write((32,), shapes)] == [6, 0, 6]
    other = timed_shapes(named_config("L-3_H-128_A-4", "distilbert"), 20, 5)[:3]
    assert [s.name for s in other] == [s.name for s in shapes] and write((32,), other) == 6
    assert len(list(folder.iterdir())) == 6 + 1 and (folder / MADE_FOR).is_file()


def test_no_shape_is_timed_twice_or_tested_with_what_it_was_fitted_to():
    small = dataclasses.replace(named_config("L-1_H-64_A-1"), vocab_size=1000)
    shapes = timed_shapes(small, 200, 50)
    assert len({shape.name for shape in shapes}) == len(shapes) < 250
    assert shapes[0].config == small and not shapes[0].unseen and shapes[-1].unseen


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """A folder that keeps the exported files of each depth."""
    return tmp_path_factory.mktemp("shards")


@pytest.mark.slow
def test_a_table_is_built_here(run_command, tmp_path, shards, capfd):
    table = tmp_path / "table.json"
    flags = [f"--build_latency_table={table}", f"--shards_dir={shards}", *FLAGS, "--tokens=16"]
    assert run_command("benchmark", *flags, "--rounds=5", "--json") == 0
    found = json.loads(capfd.readouterr().out)
    assert found == json.loads(table.read_text())
    assert [each.name for each in tmp_path.glob("table.json*")] == ["table.json"]
    assert found["kind"] == "cpu" and found["rounds"] == 5 and found["machine"]["litert"]
    fits = [fit for fit in found["fits"] if fit["threads"] == 1]
    assert [fit["variant"] for fit in fits] == ["float32", "int8"]
    for fit in fits:
        assert fit["error"]["shapes"] == 5 and fit["error"]["median"] < 0.3
    model = LatencyModel.read(table)
    asked = {"length": 16, "variant": "int8", "threads": 1}
    assert 0.02 < model.milliseconds(LARGEST, **asked) < 50


@pytest.mark.slow
def test_files_for_a_phone(run_command, tmp_path, shards, capfd):
    phone, table = tmp_path / "phone", tmp_path / "phone.json"
    flags = [f"--build_latency_table={table}", f"--phone={phone}", "--tokens=16", *FLAGS]
    assert run_command("benchmark", *flags, f"--shards_dir={shards}") == 0
    assert "--table_shapes=20" in capfd.readouterr().out
    assert len(list(phone.glob("*.tflite"))) == 2 * len(SHAPES)
    script = (phone / "run.sh").read_text()
    assert script.count("\ntimed ") == 2 * len(SHAPES) * 2  # threads
    assert not list(tmp_path.glob("*.files"))
