"""The table, the verdict and the examples, made of what was measured."""

import json

import numpy as np
import pytest

from tfdistill import results
from tfdistill.data.batches import EvaluationBatches, Rows
from tfdistill.data.shards import Shard
from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.deployment.bundle import FLOAT32_FILE, INT8_FILE


@pytest.fixture(scope="module")
def tokenizer(tiny_text):
    return load_tokenizer(str(tiny_text / "vocabulary"))


@pytest.fixture(scope="module")
def make_rows(tokenizer, tiny_text):
    """A function of a number of tokens and a length to rows of the tiny text."""
    lines = (tiny_text / "text.txt").read_text("utf-8").splitlines()
    stream = np.concatenate([ids for ids in tokenizer.encode_lines(lines) if ids])

    def make(tokens, length=32):
        part = stream[:tokens].astype(np.uint16)
        counts = np.bincount(part, minlength=tokenizer.vocab_size)
        return Rows(Shard(part, np.zeros(1, np.int64), counts), length, tokenizer)

    return make


# -- the models


@pytest.fixture(scope="module")
def table(tiny_model, tokenizer, make_rows):
    """Metrics of a teacher, its double, another student, and a model without a head."""
    shape = dict(vocab_size=tokenizer.vocab_size, num_hidden_layers=1)
    models = [
        ("teacher", tiny_model(seed=1, **shape)),
        ("student_start", tiny_model(seed=1, dropout=0.1, **shape)),
        ("student", tiny_model(seed=2, **shape)),
        ("baseline", tiny_model(seed=3, with_head=False, **shape)),
    ]
    rows = make_rows(200, length=16)
    return results.evaluate_models(models, rows.counts, EvaluationBatches(rows, 8))


def test_every_model_is_measured_on_the_same_masks(table):
    assert list(table) == ["unigram", "teacher", "student_start", "student", "baseline"]
    measured = [table[key] for key in ("unigram", "teacher", "student_start", "student")]
    assert len({metrics["predictions"] for metrics in measured}) == 1
    assert all(metrics["loss"] > 0 for metrics in measured)
    assert "agreement" not in table["teacher"] and "agreement" not in table["unigram"]
    assert table["student_start"]["agreement"] == 1.0
    assert table["student_start"]["loss"] == table["teacher"]["loss"]
    assert 0 <= table["student"]["agreement"] < 1


def test_sizes(table, tokenizer):
    tables = 12 * (tokenizer.vocab_size + 24 + 2)
    for key in ("teacher", "student", "baseline"):
        sizes = table[key]
        assert sizes["parameters"] - sizes["parameters_without_embeddings"] == tables
    assert table["baseline"].keys() == {"parameters", "parameters_without_embeddings"}
    assert table["baseline"]["parameters"] < table["student"]["parameters"]


# -- the verdict


def models(**student):
    return {
        "unigram": {"top1": 0.05},
        "teacher": {"top1": 0.5, "latency_ms": 6.0, "bytes": 1000},
        "student": {"top1": 0.45, "latency_ms": 4.0, "bytes": 600, **student},
    }


def test_the_verdict_at_its_thresholds():
    verdict = results.verdict(models(), results.INT8_FILE)
    values = {name: criterion["value"] for name, criterion in verdict.items()}
    assert values == pytest.approx({"quality": 0.9, "speed": 1.5, "size": 0.6})
    thresholds = {name: criterion["threshold"] for name, criterion in verdict.items()}
    assert thresholds == {"quality": 0.9, "speed": 1.5, "size": 0.6}
    assert all(criterion["passed"] for criterion in verdict.values())
    assert "top-1" in verdict["quality"]["definition"]
    assert "float32" in verdict["speed"]["definition"] and "int8" in verdict["size"]["definition"]


@pytest.mark.parametrize(
    "change, failed",
    [
        ({"top1": 0.44}, "quality"),
        ({"latency_ms": 4.1}, "speed"),
        ({"bytes": 601}, "size"),
    ],
)
def test_each_criterion_fails_alone(change, failed):
    verdict = results.verdict(models(**change), results.INT8_FILE)
    assert [name for name, c in verdict.items() if not c["passed"]] == [failed]


def test_a_teacher_that_is_never_right_does_not_divide_by_zero():
    measured = models()
    measured["teacher"]["top1"] = 0.0
    assert results.verdict(measured, results.INT8_FILE)["quality"]["passed"]


@pytest.mark.parametrize("missing", ["teacher", "top1", "latency_ms"])
def test_no_verdict_without_a_measured_teacher(missing):
    measured = models()
    (measured if missing == "teacher" else measured["teacher"]).pop(missing)
    assert results.verdict(measured, results.INT8_FILE) == {}


# -- metrics.json


def exported(teacher=True):
    files = {
        FLOAT32_FILE: {"bytes": 700, "latency_ms": 4.0, "agreement": 1.0},
        INT8_FILE: {"bytes": 200, "latency_ms": 3.0, "agreement": 0.98},
    }
    return files | ({results.TEACHER_FILE: {"bytes": 1400, "latency_ms": 8.0}} if teacher else {})


def test_collect():
    table = {"unigram": {"top1": 0.05}, "teacher": {"top1": 0.4}, "student": {"top1": 0.38}}
    seconds = {"teacher": 5.0, "student": 3.0}
    metrics = results.collect("sample", table, exported(), seconds, 123)
    assert (metrics["corpus"], metrics["split"]) == ("sample", "test")
    assert metrics["seconds"] == seconds and metrics["peak_memory_bytes"] == 123
    assert {"python", "tensorflow", "keras"} <= metrics["versions"].keys()
    # The size is that of the file that ships, the latency of equal precision.
    student, teacher = metrics["models"]["student"], metrics["models"]["teacher"]
    assert student == {"top1": 0.38, "bytes": 200, "latency_ms": 4.0}
    assert teacher == {"top1": 0.4, "bytes": 1400, "latency_ms": 8.0}
    verdict = {name: round(c["value"], 6) for name, c in metrics["verdict"].items()}
    assert verdict == {"quality": 0.95, "speed": 2.0, "size": round(1 / 7, 6)}
    assert metrics["export"].keys() == {FLOAT32_FILE, INT8_FILE}  # the teacher's does not ship
    assert table["student"] == {"top1": 0.38}  # what was stored is not changed
    assert json.loads(json.dumps(metrics)) == metrics


def test_collect_without_a_teacher():
    table = {"unigram": {"top1": 0.05}, "student": {"top1": 0.38}}
    metrics = results.collect("sample", table, exported(teacher=False), {}, 1)
    assert metrics["verdict"] == {} and metrics["models"]["student"]["bytes"] == 200


# -- examples


@pytest.mark.parametrize("length", [12, 32])
def test_examples_hide_one_whole_word_of_a_held_out_text(tokenizer, make_rows, length):
    rows = make_rows(4000, length)
    examples = results.example_texts(tokenizer, rows)
    assert len(examples) >= results.EXAMPLES - 1
    texts = {tokenizer.decode(row[1:-1]) for row in rows.gather(np.arange(len(rows)))}
    for text, truth in examples:
        assert text.count("[MASK]") == 1 and not text.startswith("##")
        assert truth.isalpha() and len(truth) > 3
        assert any(text.replace("[MASK]", truth) in whole for whole in texts)
        before, after = text.split("[MASK]")
        assert before.strip() and after.strip() and not after.startswith("##")
        # A token of its own, so that one [MASK] can stand for it.
        (ids,) = tokenizer.encode_lines([truth])
        assert [tokenizer.id_to_token(i) for i in ids] == [truth]


def test_examples_are_spread_over_the_split(tokenizer, make_rows):
    rows = make_rows(4000)
    texts = [tokenizer.decode(row[1:-1]) for row in rows.gather(np.arange(len(rows)))]
    places = []
    for text, truth in results.example_texts(tokenizer, rows):
        places += [i for i, whole in enumerate(texts) if text.replace("[MASK]", truth) in whole][:1]
    assert places == sorted(set(places)) and len(places) == results.EXAMPLES
    assert places[0] < len(rows) / 3 and places[-1] > len(rows) / 2


def test_a_small_split_gives_no_example_twice(tokenizer, make_rows):
    examples = results.example_texts(tokenizer, make_rows(150))
    assert 0 < len(examples) <= 5
    assert len({text for text, _ in examples}) == len(examples)


@pytest.mark.parametrize("tokens", [1, 3])
def test_a_split_too_short_for_examples(tokenizer, make_rows, tokens):
    assert results.example_texts(tokenizer, make_rows(tokens)) == []


def test_examples_for_tensorboard():
    example = {"text": "the [MASK] sank", "truth": "ship", "student": [("ship", 0.5), ("a", 0.25)]}
    lines = results.examples_markdown([example]).splitlines()
    assert lines[0].split("|")[1:-1] == [" text ", " hidden ", " teacher ", " student "]
    assert lines[2] == "| the [MASK] sank | ship |  | ship 50%, a 25% |"
