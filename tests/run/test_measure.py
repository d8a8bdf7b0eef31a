"""The models of a run, measured on the same held-out rows."""

import json

import pytest

from tfdistill.run import measure
from tfdistill.tasks.masked_lm import MaskedLM

TASK = MaskedLM()


@pytest.fixture(scope="module")
def measured(tiny_model, tiny_tokenizer, tiny_rows):
    """(metrics, row sums) of a teacher, its double, another student, and one without a head."""
    shape = dict(vocab_size=tiny_tokenizer.vocab_size, num_hidden_layers=1)
    models = [
        ("teacher", tiny_model(seed=1, **shape)),
        ("student_start", tiny_model(seed=1, dropout=0.1, **shape)),
        ("student", tiny_model(seed=2, **shape)),
        ("baseline", tiny_model(seed=3, with_head=False, **shape)),
    ]
    rows = tiny_rows(200, length=16)
    return measure.evaluate_models(TASK, models, rows, TASK.evaluation_batches(rows))


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


def test_sizes(table, tiny_tokenizer):
    tables = 12 * (tiny_tokenizer.vocab_size + 24 + 2)
    for key in ("teacher", "student", "baseline"):
        sizes = table[key]
        assert sizes["parameters"] - sizes["parameters_without_embeddings"] == tables
    sizes = {"parameters", "parameters_without_embeddings", "layers", "width"}
    assert table["baseline"].keys() == sizes
    assert (table["student"]["layers"], table["student"]["width"]) == (1, 12)
    assert table["baseline"]["parameters"] < table["student"]["parameters"]


def test_errors_of_measures_and_differences(measured):
    models, sums = measured
    assert sums.keys() == {"unigram", "teacher", "student_start", "student"}  # the others' head
    models = {key: dict(model) for key, model in models.items()}
    differences = measure.add_errors(TASK, models, sums)
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
