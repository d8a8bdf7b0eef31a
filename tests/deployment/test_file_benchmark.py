"""Files timed here, and for and from a phone."""

import shlex
import subprocess

import numpy as np
import pytest

from tfdistill.deployment.benchmark_tool import read_output, write_for_phone
from tfdistill.deployment.file_benchmark import file_facts, file_times
from tfdistill.deployment.fully_connected import FullyConnected
from tfdistill.deployment.latency import times_in_turn
from tfdistill.deployment.lite_model import LiteModel
from tfdistill.reports.benchmark import format_files, format_times, times_by_tokens
from tfdistill.system.errors import UserError

FLAGS = "graph signature_to_run_for num_threads num_runs input_layer input_layer_shape".split()

PHONE = """STARTING!
Log parameter values verbosely: [0]
Min num runs: [50]
Num threads: [1]
Graph: [/data/local/tmp/tfdistill/student_int8.tflite]
Signature to run: [tokens_32]
#threads used for CPU inference: [1]
Loaded model /data/local/tmp/tfdistill/student_int8.tflite
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
The input model file size (MB): 5.46198
Initialized session in 21.714ms.
Running benchmark for at least 1 iterations and at least 0.5 seconds.
count=162 first=9813 curr=2998 min=2921 max=9813 avg=3071.5 std=540 p5=2930 median=3004 p95=3311

Running benchmark for at least 50 iterations and at least 1 seconds.
count=331 first=3105 curr=2987 min=2901 max=4205 avg=3002.25 std=61 p5=2925 median=2990 p95=3120

Inference timings in us: Init: 21714, First inference: 9813, Warmup (avg): 3071.5, \
Inference (avg): 3002.25
Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE.
Memory footprint delta from the start of the tool (MB): init=7.25 overall=11.5
"""
# Older tools have no percentiles; Android's log puts its own words in front, and large means are
# written with an exponent.
OLD = """I tflite  : Num threads: [4]
I tflite  : Graph: [/data/local/tmp/teacher.tflite]
I tflite  : count=1 curr=1512391
I tflite  : count=50 first=1290975 curr=1213402 min=1227568 max=1389954 avg=1.25034e+06 std=109798
I tflite  : Inference timings in us: Init: 17187, First inference: 1512391, \
Warmup (avg): 1.51239e+06, Inference (avg): 1.25034e+06
I tflite  : Peak memory footprint (MB): init=4.92969 overall=138.809
"""


@pytest.fixture
def paths(several, exports):
    return {"several": several("student_int8.tflite"), "one": exports["bert"][1] / "student.tflite"}


def test_files_are_timed_for_each_length(paths, tmp_path):
    groups = list(file_times(paths, [5, 16, 40], [1, 2], 5, tmp_path))
    found = [row for group in groups for row in group]
    assert [[row["file"] for row in group] for group in groups] == 2 * [[*paths], [*paths], []]
    assert [row["length"] for row in found] == [6, 16, 16, 16] * 2
    for row in found:
        assert 0 < row["p5_ms"] <= row["median_ms"] <= row["p95_ms"] and row["cpu_ms"] > 0
        assert ("share" in row) == (row["threads"] == 1)
    # 2 layers of width 32 and 64, the last one for one row; then the head and 120 words.
    for row, length in zip(found[:4], (6, 16, 16, 16), strict=True):
        layer = 4 * 32 * 32 + 2 * 32 * 64
        last = 2 * 32 * 32 * length + layer - 2 * 32 * 32
        assert row["multiply_adds"] == length * layer + last + 32 * 32 + 32 * 120
        assert row["rate"] == pytest.approx(
            row["multiply_adds"] / (row["share"] * row["cpu_ms"] / 1000)
        )
    text = "\n".join(format_times(found))
    assert text.count("several, 5 tokens") == 2 and "1 thread\n" in text
    assert text.count("GMAC/s") == 1 and "CPU: " in text  # 2 threads have no rate
    assert times_by_tokens(found).startswith("<svg")


def test_facts_of_files(paths, tmp_path):
    facts = file_facts({"several": paths["several"]}, [1], tmp_path)
    (found,) = facts.values()
    assert found["lengths"] == [6, 16] and found["bytes"] == paths["several"].stat().st_size
    load = found["loads"][1]
    assert load["load_ms"] > 0 and 0 < load["loaded_bytes"] <= load["resident_bytes"]
    assert "several" in "\n".join(format_files(facts))


def test_fully_connected_operators_alone_compute_the_same(exports):
    """For equal inputs their results are those inside the file."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    path = exports["bert"][1] / "student.tflite"
    file = Interpreter(
        str(path),
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    file.allocate_tensors()
    for each in file.get_input_details():
        file.set_tensor(each["index"], np.ones(each["shape"], each["dtype"]))
    file.invoke()
    inside = {each["name"]: each["index"] for each in file.get_tensor_details()}
    alone = FullyConnected(path, 16)
    interpreter = alone._interpreter
    for each in interpreter.get_input_details():
        interpreter.set_tensor(each["index"], file.get_tensor(inside[each["name"]]))
    alone.run()
    outputs = interpreter.get_output_details()
    assert len(outputs) >= 6 and (1, 120) in [tuple(each["shape"][-2:]) for each in outputs]
    for each in outputs:
        found = interpreter.get_tensor(each["index"])
        np.testing.assert_allclose(found, file.get_tensor(inside[each["name"]]), atol=1e-4)


def test_functions_take_turns():
    calls = []
    runs = {name: lambda number, name=name: calls.append((name, number)) for name in "ab"}
    times = times_in_turn(runs, 3)
    assert calls[-4:] == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]
    assert len(times["a"].wall) == len(times["b"].cpu) == 3


def test_a_folder_for_a_phone(paths, tmp_path):
    script = write_for_phone(paths, tmp_path / "phone")
    folder = script.parent
    lines = script.read_text().splitlines()
    calls = [shlex.split(line) for line in lines if "--graph" in line]
    assert len(calls) == 2 * (2 + 1)  # threads, and lengths of both files
    for call in calls:
        assert call[0] == "timed" and call[1].endswith(("1 thread", "4 threads"))
        tool, *flags = shlex.split(call[2])
        flags = dict(flag.removeprefix("--").split("=", 1) for flag in flags)
        assert flags.keys() == {*FLAGS, "input_layer_value_files"}
        model = LiteModel(folder / flags["graph"].rpartition("/")[2])
        length = next(
            n for n in model.lengths if model.signature(n).name == flags["signature_to_run_for"]
        )
        shapes = [tuple(map(int, s.split(","))) for s in flags["input_layer_shape"].split(":")]
        rows = {}
        for item, shape in zip(flags["input_layer_value_files"].split(","), shapes, strict=True):
            tensor, file = item.replace("::", "\0").split(":")
            tensor, file = tensor.replace("\0", ":"), file.replace("\0", ":")
            assert tensor in flags["input_layer"].split(",")
            local = folder / file.removeprefix("/data/local/tmp/tfdistill/")
            values = np.frombuffer(local.read_bytes(), "<i4").reshape(shape)
            rows[model.signature(length).tensors[tensor]] = values[0]
        assert np.isfinite(model.logits(rows, length)).all()


ADB = """#!/bin/sh
case "$2" in
  *tokens_6*--num_threads=4*) echo broken; exit 1 ;;
  *--graph*) echo "timed" ;;
esac
"""


def test_the_script_says_what_is_missing_and_goes_on_after_a_failure(paths, tmp_path):
    script = write_for_phone({"several": paths["several"]}, tmp_path / "phone")
    tools = tmp_path / "tools"
    tools.mkdir()
    call = {"capture_output": True, "text": True, "env": {"PATH": f"{tools}:/usr/bin:/bin"}}
    found = subprocess.run(["sh", script], **call)
    assert found.returncode == 1 and "benchmark_model" in found.stderr and not found.stdout
    (script.parent / "benchmark_model").touch()
    (tools / "adb").write_text(ADB)
    (tools / "adb").chmod(0o755)
    found = subprocess.run(["sh", script], **call)
    assert found.returncode == 1
    assert found.stdout.split() == ["timed", "broken", "timed", "timed"]
    assert found.stderr.splitlines()[1:3] == [
        "several, 6 tokens, 4 threads",
        "  failed: see its output",
    ]


def test_inputs_are_in_the_order_of_the_graph(paths):
    """The benchmark tool takes them by place."""
    from ai_edge_litert.interpreter import Interpreter

    model = LiteModel(paths["one"])
    names = [each["name"] for each in Interpreter(str(model.path)).get_input_details()]
    assert list(model.signature(model.length).tensors) == names
    assert set(model.signature(model.length).tensors.values()) == model.input_names


def test_output_of_the_benchmark_tool_is_read(tmp_path):
    (tmp_path / "phone.txt").write_text(
        PHONE + PHONE.replace("[1]", "[4]").replace("\n", "\r\n") + OLD
    )
    first, second, old = read_output(tmp_path / "phone.txt")
    assert first == {
        "file": "student_int8",
        "signature": "tokens_32",
        "length": 32,
        "threads": 1,
        "megabytes": 5.46198,
        "load_ms": 21.714,
        "first_ms": 9.813,
        "mean_ms": 3.00225,
        "p5_ms": 2.925,
        "median_ms": 2.99,
        "p95_ms": 3.12,
        "resident_mb": 11.5,
    }
    assert second == first | {"threads": 4}
    assert old == {
        "file": "teacher",
        "threads": 4,
        "load_ms": 17.187,
        "first_ms": 1512.391,
        "mean_ms": 1250.34,
        "resident_mb": 138.809,
    }
    text = "\n".join(format_times([first, second, old]))
    assert "student_int8, 32 tokens" in text and "1,250.34" in text and "GMAC" not in text
    assert "student_int8" in times_by_tokens([first, second, old])
    assert "first: " in text and "CPU: " not in text


def test_calls_without_times_leave_the_others_as_they_are(tmp_path):
    """A call that failed, and garbled numbers."""
    file = tmp_path / "phone.txt"
    failed = PHONE[: PHONE.index("Inference timings")] + "ERROR: no memory\n"
    file.write_text(failed.replace("tokens_32", "tokens_64") + OLD)
    (found,) = read_output(file)
    file.write_text(OLD)
    assert [found] == read_output(file)
    file.write_text(PHONE.replace("p5=2925", "p5=2.9.25").replace("5.46198", "..") + OLD)
    assert "megabytes" not in read_output(file)[0] and len(read_output(file)) == 2
    for number in ("0", "1e999"):
        file.write_text(PHONE.replace("median=2990", f"median={number}"))
        assert "median_ms" not in read_output(file)[0]
        file.write_text(PHONE.replace("(avg): 3002.25", f"(avg): {number}") + OLD)
        assert [found] == read_output(file)


def test_the_length_of_a_file_of_one_length_is_that_of_its_inputs(tmp_path):
    file = tmp_path / "phone.txt"
    shapes = "serving_default]\nInput layers: [a,b,c]\nInput shapes: [1,48:1,48:1,1]"
    file.write_text(PHONE.replace("tokens_32]", shapes))
    (found,) = read_output(file)
    assert found["length"] == 48 and "shapes" not in found


def test_files_that_the_tool_cannot_take(paths, tmp_path):
    with pytest.raises(UserError, match="phone=.* is the folder of student.tflite itself"):
        write_for_phone(paths, paths["one"].parent)
    with pytest.raises(UserError, match="':' in its name: rename it"):
        write_for_phone({"a:b": paths["one"]}, tmp_path / "phone")
    assert list(tmp_path.glob("phone/*")) == []


def test_text_of_another_kind_is_refused(tmp_path):
    (tmp_path / "x.txt").write_text("no times")
    with pytest.raises(UserError, match="Inference timings"):
        read_output(tmp_path / "x.txt")
