"""Metrics of classes against scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics

from tfdistill.tasks import class_metrics


@pytest.fixture(params=[2, 5, 77])
def classes(request):
    return request.param


@pytest.fixture
def answers(classes):
    """(labels, predictions) of 400 examples, about two thirds right."""
    generator = np.random.default_rng(classes)
    labels = generator.integers(0, classes, 400)
    other = generator.integers(0, classes, 400)
    return labels, np.where(generator.random(400) < 0.6, labels, other)


def test_scores_from_sums(answers, classes):
    labels, predictions = answers
    columns = class_metrics.class_columns(labels, predictions, classes)
    totals, count = columns.sum(axis=0), len(labels)
    macro = metrics.f1_score(labels, predictions, average="macro")
    assert class_metrics.macro_f1_of_sums(totals, count) == pytest.approx(macro)
    matthews = metrics.matthews_corrcoef(labels, predictions)
    assert class_metrics.matthews_of_sums(totals, count) == pytest.approx(matthews)
    for positive in (0, 1):
        found = class_metrics.binary_columns(labels, predictions, positive).sum(axis=0)
        expected = metrics.f1_score(labels == positive, predictions == positive)
        assert class_metrics.f1_of_sums(found) == pytest.approx(expected)


def test_many_samples_at_once(answers, classes):
    columns = class_metrics.class_columns(*answers, classes)
    totals = np.stack([columns[:100].sum(axis=0), columns[:7].sum(axis=0)])
    for of_sums in (class_metrics.macro_f1_of_sums, class_metrics.matthews_of_sums):
        found = of_sums(totals, np.array([100, 7]))
        assert found.tolist() == [of_sums(totals[0], 100), of_sums(totals[1], 7)]


def test_one_class_alone():
    labels, predictions = np.array([0, 1, 1, 0]), np.zeros(4, int)
    columns = class_metrics.class_columns(labels, predictions, 2)
    assert class_metrics.matthews_of_sums(columns.sum(axis=0), 4) == 0.0
    assert class_metrics.macro_f1_of_sums(columns.sum(axis=0)) == pytest.approx(1 / 3)
    binary = class_metrics.binary_columns(labels, predictions)
    assert class_metrics.f1_of_sums(binary.sum(axis=0)) == 0.0
    assert class_metrics.f1_of_sums(np.zeros(3)) == 0.0


def test_each_class(answers, classes):
    labels, predictions = answers
    names = [f"class {i}" for i in range(classes)]
    matrix = class_metrics.confusion(labels, predictions, classes)
    assert matrix.shape == (classes, classes) and matrix.sum() == 400
    assert matrix[0, 1] == ((labels == 0) & (predictions == 1)).sum()
    report = metrics.classification_report(
        labels, predictions, target_names=names, output_dict=True, zero_division=0
    )
    for name, scores in class_metrics.scores_by_class(labels, predictions, names).items():
        assert scores["f1"] == pytest.approx(report[name]["f1-score"])
        assert scores["support"] == report[name]["support"]
    absent = class_metrics.scores_by_class([0], [0], ["a", "b"])["b"]
    assert absent == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}


def test_reliability():
    confidences = np.array([0.9, 0.8, 0.85, 0.55, 1.0, 0.0])
    right = np.array([True, True, False, False, True, False])
    error, points = class_metrics.reliability(confidences, right, bins=5)
    assert [point["examples"] for point in points] == [1, 1, 1, 3]  # 0.8 ends its bin
    assert points[-1]["accuracy"] == pytest.approx(2 / 3)
    assert points[-1]["confidence"] == pytest.approx(2.75 / 3)
    expected = (0 + 0.55 + (1 - 0.8) + 3 * abs(2 / 3 - 2.75 / 3)) / 6
    assert error == pytest.approx(expected)
    assert class_metrics.reliability([], []) == (0.0, [])


def test_a_calibrated_model_has_no_error():
    generator = np.random.default_rng(0)
    confidences = generator.uniform(0.2, 1.0, 50_000)
    error, _ = class_metrics.reliability(confidences, generator.random(50_000) < confidences)
    assert error < 0.01
