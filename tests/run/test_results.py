"""The table and the examples, made of what was measured."""

import json

import numpy as np
import pytest

from tfdistill.data.batches import EvaluationBatches, Rows
from tfdistill.data.shards import Shard
from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.deployment.bundle import FLOAT32_FILE, INT8_FILE
from tfdistill.run import examples, results


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
def measured(tiny_model, tokenizer, make_rows):
    """(metrics, row sums) of a teacher, its double, another student, and one without a head."""
    shape = dict(vocab_size=tokenizer.vocab_size, num_hidden_layers=1)
    models = [
        ("teacher", tiny_model(seed=1, **shape)),
        ("student_start", tiny_model(seed=1, dropout=0.1, **shape)),
        ("student", tiny_model(seed=2, **shape)),
        ("baseline", tiny_model(seed=3, with_head=False, **shape)),
    ]
    rows = make_rows(200, length=16)
    return results.evaluate_models(models, rows.counts, EvaluationBatches(rows, 8))


@pytest.fixture(scope="module")
def table(measured):
    return measured[0]


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
    sizes = {"parameters", "parameters_without_embeddings", "layers", "width"}
    assert table["baseline"].keys() == sizes
    assert (table["student"]["layers"], table["student"]["width"]) == (1, 12)
    assert table["baseline"]["parameters"] < table["student"]["parameters"]


# -- sampling errors


def test_errors_of_measures_and_differences(measured):
    models, sums = measured
    assert sums.keys() == {"unigram", "teacher", "student_start", "student"}  # the others' head
    models = {key: dict(model) for key, model in models.items()}
    differences = results.add_errors(models, sums)
    pairs = {"teacher-unigram", "student-unigram", "student-teacher", "student-student_start"}
    assert differences.keys() == pairs
    for name, found in differences.items():
        one, two = name.split("-")
        for metric in ("top1", "loss"):
            value = models[one][metric] - models[two][metric]
            assert found[metric]["value"] == pytest.approx(value, abs=1e-6)
            assert found[metric]["standard_error"] > 0
    assert all(models[key]["standard_errors"]["loss"] > 0 for key in sums)
    assert "standard_errors" not in models["baseline"]
    assert json.loads(json.dumps(differences)) == differences


# -- metrics.json


MADE_FROM = {"recipe": "distilbert", "teacher": "", "student_init": "first", "reads_teacher": True}


def exported(teacher=True, int8=True):
    files = {
        FLOAT32_FILE: {"bytes": 700, "latency_ms": 4.0, "agreement": 1.0},
        INT8_FILE: {"bytes": 200, "latency_ms": 3.0, "agreement": 0.98},
        results.TEACHER_FILE: {"bytes": 1400, "latency_ms": 8.0},
        results.TEACHER_INT8_FILE: {"bytes": 500, "latency_ms": 6.0},
    }
    left_out = set() if teacher else {results.TEACHER_FILE, results.TEACHER_INT8_FILE}
    left_out |= set() if int8 else {INT8_FILE}
    return {name: facts for name, facts in files.items() if name not in left_out}


def scored(teacher=True):
    models = {"unigram": {"top1": 0.05}, "teacher": {"top1": 0.4}, "student": {"top1": 0.38}}
    return models if teacher else {key: models[key] for key in ("unigram", "student")}


def test_collect():
    table = scored()
    metrics = results.collect("sample", table, {}, exported(), MADE_FROM)
    assert (metrics["corpus"], metrics["split"]) == ("sample", "test")
    assert {"python", "tensorflow", "keras"} <= metrics["versions"].keys()
    # Size and latency of one file.
    student, teacher = metrics["models"]["student"], metrics["models"]["teacher"]
    files = {
        "float32": {"bytes": 700, "latency_ms": 4.0},
        "int8": {"bytes": 200, "latency_ms": 3.0},
    }
    assert student == {"top1": 0.38, **files["int8"], "file": INT8_FILE, "files": files}
    assert (teacher["bytes"], teacher["latency_ms"], teacher["file"]) == (
        *(1400, 8.0),
        results.TEACHER_FILE,
    )
    verdict = {name: round(c["value"], 6) for name, c in metrics["verdict"].items()}
    assert verdict == {"quality": round(0.33 / 0.35, 6), "speed": 2.0, "size": 0.4}
    assert metrics["conclusion"]["state"] == "not shown"  # nothing tells the sampling error
    assert "not trained" in metrics["teacher_answers"]["text"]
    assert metrics["export"].keys() == {FLOAT32_FILE, INT8_FILE}  # the teacher's do not ship
    assert table["student"] == {"top1": 0.38}  # what was stored is not changed
    assert json.loads(json.dumps(metrics)) == metrics


def test_collect_without_a_teacher():
    made_from = MADE_FROM | {"recipe": "mlm", "reads_teacher": False}
    metrics = results.collect("sample", scored(False), {}, exported(teacher=False), made_from)
    assert metrics["verdict"] == metrics["conclusion"] == metrics["teacher_answers"] == {}
    assert metrics["models"]["student"]["bytes"] == 200


def test_collect_without_an_int8_file():
    metrics = results.collect("sample", scored(), {}, exported(int8=False), MADE_FROM)
    assert metrics["models"]["student"]["file"] == FLOAT32_FILE
    assert metrics["models"]["student"]["bytes"] == 700
    assert metrics["verdict"]["size"]["value"] == 0.5 and metrics["export"].keys() == {FLOAT32_FILE}


# -- examples


@pytest.mark.parametrize("length", [12, 32])
def test_examples_hide_one_whole_word_of_a_held_out_text(tokenizer, make_rows, length):
    rows = make_rows(4000, length)
    found = examples.example_texts(tokenizer, rows)
    assert len(found) >= examples.EXAMPLES - 1
    texts = {tokenizer.decode(row[1:-1]) for row in rows.gather(np.arange(len(rows)))}
    for text, truth in found:
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
    for text, truth in examples.example_texts(tokenizer, rows):
        places += [i for i, whole in enumerate(texts) if text.replace("[MASK]", truth) in whole][:1]
    assert places == sorted(set(places)) and len(places) == examples.EXAMPLES
    assert places[0] < len(rows) / 3 and places[-1] > len(rows) / 2


def test_a_small_split_gives_no_example_twice(tokenizer, make_rows):
    found = examples.example_texts(tokenizer, make_rows(150))
    assert 0 < len(found) <= 5
    assert len({text for text, _ in found}) == len(found)


@pytest.mark.parametrize("tokens", [1, 3])
def test_a_split_too_short_for_examples(tokenizer, make_rows, tokens):
    assert examples.example_texts(tokenizer, make_rows(tokens)) == []


def test_examples_for_tensorboard():
    example = {"text": "the [MASK] sank", "truth": "ship", "student": [("ship", 0.5), ("a", 0.25)]}
    lines = examples.examples_markdown([example]).splitlines()
    assert lines[0].split("|")[1:-1] == [" text ", " hidden ", " teacher ", " student "]
    assert lines[2] == "| the [MASK] sank | ship |  | ship 50%, a 25% |"
    example = {"text": "a | [MASK] b", "truth": "c", "student": [("|", 0.5)]}
    row = examples.examples_markdown([example]).splitlines()[2]
    assert row.count("|") == 5  # those between the cells alone
